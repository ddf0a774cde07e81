import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { TABLE_OWNERS } from '../../scripts/house/table-owners.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const pages = ['.', 'docs', 'examples']
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)))
  .filter((name) => name.endsWith('.md'));

const read = (page: string) => readFileSync(path.join(root, page), 'utf8');

/** The anchor that a heading gets: lower case, without punctuation, dashes for spaces. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );

test('links between the pages lead to files and headings that exist', async (t) => {
  t.ok(pages.includes('README.md') && pages.includes('CONTRIBUTING.md'));
  let links = 0;
  for (const page of pages) {
    for (const [link, target = ''] of read(page).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [file = '', anchor] = target.split('#');
      const name = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(root, name))) t.fail(`${page}: ${link}: there is no ${name}`);
      else if (anchor && !anchorsOf(read(name)).includes(anchor)) t.fail(`${page}: ${link}: no such heading`);
    }
  }
  t.ok(links > 20, `${links} links`);
});

test('docs/database.md names every table', async (t) => {
  const page = read('docs/database.md');
  t.same(
    Object.keys(TABLE_OWNERS).filter((table) => !page.includes(`\`${table}\``)),
    [],
  );
});

test('the changelog says everything once', async (t) => {
  const entries = read('CHANGELOG.md').split(/\n(?=- |#)/);
  t.ok(entries.length > 100, `${entries.length} entries`);
  const repeated = entries.filter((entry, at) => entry.startsWith('- ') && entries.indexOf(entry) !== at);
  t.same(repeated, []);
});
