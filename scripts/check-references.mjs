// Finds comments in src that name a file or a private field that is not there: they have outlived what they describe.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|[\s;{},(])\/\/[^\n]*/g;
/** `limits.ts`, `net/dial.ts`, `docs/jobs.md`; not a package's (`ajv/dist/2020.js`) and not a pattern (`*.ts`). */
const FILE = /(?<![\w/.*<@-])((?:[\w-]+\/)*[\w-]+\.(?:ts|mjs|sql|md))\b/g;
const FIELD = /(?<![\w&/])#([a-z]\w*)\b/g;

/**
 * The stale references of one file, as `line: what`. `files` are all files of the repository, relative to its root.
 */
export function staleReferences(file, text, files) {
  const stale = [];
  for (const comment of text.matchAll(COMMENT)) {
    const report = (what) => stale.push(`${text.slice(0, comment.index).split('\n').length}: ${what}`);
    for (const [, name] of comment[0].matchAll(FILE))
      if (!exists(name, file, files)) report(`there is no file ${name}`);
    for (const [, name] of comment[0].matchAll(FIELD)) {
      const code = text.replace(COMMENT, '');
      if (!new RegExp(`#${name}\\b`).test(code)) report(`there is no field #${name} in this file`);
    }
  }
  return stale;
}

/** A bare name is that of a file in the same folder or one above it; one with a folder may be anywhere. */
function exists(name, file, files) {
  if (name.includes('/') && [...files].some((known) => known.endsWith(`/${name}`))) return true;
  for (let folder = path.posix.dirname(file); ; folder = path.posix.dirname(folder)) {
    if (files.has(path.posix.join(folder, name))) return true;
    if (folder === '.') return false;
  }
}

function main() {
  const list = (...folders) =>
    execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...folders], { encoding: 'utf8' })
      .split('\n')
      .filter((file) => file !== '' && existsSync(file));
  const files = new Set(list());
  const sources = list('src').filter((file) => file.endsWith('.ts'));
  const stale = sources.flatMap((file) =>
    staleReferences(file, readFileSync(file, 'utf8'), files).map((text) => `${file}:${text}`),
  );
  for (const line of stale) console.error(line);
  if (stale.length > 0) process.exit(1);
  console.log(`${sources.length} files of src name only files and fields that exist`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main();
