import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { parseDocument } from 'yaml';
import type { SettingProblem } from './problems.ts';

/** A source of values: a settings file, an environment, the command line. Later sources override earlier ones. */
export type Source =
  | { kind: 'file'; name: string; folder: string; tree: Record<string, unknown> }
  | { kind: 'env'; name: string; variables: Record<string, string | undefined>; isOwnFile: boolean }
  | { kind: 'flags'; values: Record<string, string | undefined> };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Returns the settings files, weakest first: settings/default.yaml if present, then the named one. A name without
 * folder and ending (`production`) is settings/production.yaml, .yml or .json.
 */
export function readSettingsFiles(cwd: string, named: string | undefined, problems: SettingProblem[]): Source[] {
  const folder = path.join(cwd, 'settings');
  const sources: Source[] = [];
  const add = (source: Source | null) => source && sources.push(source);
  add(
    ['default.yaml', 'default.yml', 'default.json'].reduce<Source | null>(
      (found, file) => found ?? readTree(cwd, path.join(folder, file), problems),
      null,
    ),
  );
  if (named === undefined) return sources;

  const isName = /^[\w-]+$/.test(named);
  const candidates = isName
    ? ['.yaml', '.yml', '.json'].map((ending) => path.join(folder, named + ending))
    : [path.resolve(cwd, named)];
  const before = problems.length;
  const found = candidates.reduce<Source | null>((source, file) => source ?? readTree(cwd, file, problems), null);
  add(found);
  if (!found && problems.length === before) {
    const tried = candidates.map((file) => shortName(cwd, file)).join(', ');
    problems.push({
      path: 'settings',
      given: JSON.stringify(named),
      source: '--settings',
      accepted: `a file that exists; tried ${tried}`,
    });
  }
  return sources;
}

/**
 * Returns the variables of a .env file. Without a name, .env and then settings/.env are tried, and both may be missing.
 */
export function readEnvFile(cwd: string, named: string | undefined, problems: SettingProblem[]): Source | null {
  const candidates = named === undefined ? ['.env', 'settings/.env'] : [named];
  for (const candidate of candidates) {
    const file = path.resolve(cwd, candidate);
    const text = readOptional(file, (reason) => {
      problems.push({ path: '.env', given: JSON.stringify(candidate), accepted: `a file that can be read: ${reason}` });
    });
    if (text !== null) {
      return {
        kind: 'env',
        name: shortName(cwd, file),
        variables: { ...parseEnv(text) } as Record<string, string>,
        isOwnFile: true,
      };
    }
  }
  if (named !== undefined && problems.length === 0) {
    problems.push({ path: '.env', given: JSON.stringify(named), source: '-e', accepted: 'a file that exists' });
  }
  return null;
}

function readTree(cwd: string, file: string, problems: SettingProblem[]): Source | null {
  const name = shortName(cwd, file);
  const refuse = (accepted: string) => {
    problems.push({ path: name, accepted });
    return null;
  };
  const text = readOptional(file, (reason) => refuse(`a file that can be read: ${reason}`));
  if (text === null) return null;
  // YAML is a superset of JSON, so one reader serves both; duplicate keys are errors in it.
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error) return refuse(`YAML or JSON: ${error.message.replace(/:?(\n.*)?$/s, '')}`);
  const tree: unknown = document.toJS() ?? {};
  if (!isRecord(tree)) return refuse('a mapping of groups and settings');
  return { kind: 'file', name, folder: path.dirname(file), tree };
}

function readOptional(file: string, refuse: (reason: string) => void): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') refuse(code ?? String(error));
    return null;
  }
}

function shortName(cwd: string, file: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith('..') ? file : relative;
}
