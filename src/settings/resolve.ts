import path from 'node:path';
import type { TSchema } from 'typebox';
import { nearest } from '../core/nearest.ts';
import { createValidator } from '../core/validation.ts';
import { ALIASES } from './aliases.ts';
import { isGroup, type LeafMeta, metaOf, programKey } from './leaf.ts';
import { type SettingProblem, showValue } from './problems.ts';
import { envName, type SettingLeaf, settingsSchema } from './schema.ts';
import type { Source } from './sources.ts';
import { mask, parseText, toProgramValue } from './values.ts';

/** A value with its source. */
export interface Given {
  value: unknown;
  /** The unparsed value. */
  raw: unknown;
  source: string;
  /** The name in the environment that gave it. */
  variable?: string;
}

/** Returns every leaf of the schema, in its order. */
export function settingLeaves(schema: TSchema = settingsSchema, prefix = ''): SettingLeaf[] {
  if (!isGroup(schema)) return [{ path: prefix, schema, env: envNames(prefix, schema) }];
  return Object.entries(schema.properties).flatMap(([key, property]) =>
    settingLeaves(property, prefix === '' ? key : `${prefix}.${key}`),
  );
}

const envNames = (path: string, schema: TSchema): string[] => [
  ...(metaOf(schema).env ?? []),
  ...(ALIASES[path] ?? []),
  envName(path),
];

/** Returns the metadata of one setting. */
export function settingMeta(path: string): LeafMeta {
  const leaf = settingLeaves().find((leaf) => leaf.path === path);
  if (!leaf) throw new Error(`There is no setting ${path}`);
  return metaOf(leaf.schema);
}

/** Returns the given values, each from the strongest source. Unknown names are problems. */
export function collect(sources: readonly Source[], cwd: string, problems: SettingProblem[]): Map<string, Given> {
  const leaves = settingLeaves();
  const byPath = new Map(leaves.map((leaf) => [leaf.path, leaf]));
  const given = new Map<string, Given>();
  const unknownVariables: Array<{ name: string; source: string; names: ReadonlySet<string> }> = [];

  const take = (leaf: SettingLeaf, raw: unknown, source: string, folder: string, variable?: string) => {
    const meta = metaOf(leaf.schema);
    const parsed = toProgramValue(meta, raw, folder, cwd);
    if (parsed.value !== undefined)
      return given.set(leaf.path, { value: parsed.value, raw, source, ...(variable ? { variable } : {}) });
    problems.push({ path: leaf.path, given: showGiven(meta, raw), source, accepted: parsed.accepted ?? meta.accepted });
    return given.set(leaf.path, { value: meta.default, raw, source });
  };

  for (const source of sources) {
    if (source.kind === 'file') walk(settingsSchema, source.tree, '', source);
    else if (source.kind === 'env') takeEnvironment(source);
    else takeFlags(source.values);
  }
  // Which variables are secrets of jobs is known at the end.
  const prefix = given.get(SECRET_PREFIX)?.value ?? settingMeta(SECRET_PREFIX).default;
  for (const { name, source, names } of unknownVariables) {
    if (!name.startsWith(prefix as string)) problems.push(unknownKey(name, name, names, '***', source));
  }
  return given;

  function walk(schema: TSchema, value: unknown, prefix: string, source: Source & { kind: 'file' }): void {
    if (!isGroup(schema)) {
      take({ path: prefix, schema, env: envNames(prefix, schema) }, value, source.name, source.folder);
      return;
    }
    if (value === null) return; // All lines of the group are commented out.
    if (typeof value !== 'object' || Array.isArray(value)) {
      problems.push({
        path: prefix,
        given: showValue(value),
        source: source.name,
        accepted: `a group with ${Object.keys(schema.properties).join(', ')}`,
      });
      return;
    }
    for (const [key, child] of Object.entries(value)) {
      const childPath = prefix === '' ? key : `${prefix}.${key}`;
      const property = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
      if (property) walk(property, child, childPath, source);
      else problems.push(unknownKey(childPath, key, Object.keys(schema.properties), child, source.name));
    }
  }

  function takeEnvironment(source: Source & { kind: 'env' }): void {
    const names = new Set(leaves.flatMap((leaf) => leaf.env));
    for (const leaf of leaves) {
      // An empty variable counts as not set: compose files and CI systems pass missing ones as empty.
      const [first, ...others] = leaf.env.flatMap((name) => {
        const text = source.variables[name];
        return text ? [{ name, text }] : [];
      });
      if (first === undefined) continue;
      const other = others.find(({ text }) => text !== first.text);
      if (other) {
        const given = `${first.name} and ${other.name}`;
        problems.push({ path: leaf.path, given, source: source.name, accepted: 'one of the two' });
      }
      const raw = parseText(metaOf(leaf.schema), first.text);
      take(leaf, raw, `${first.name} in ${source.name}`, path.join(cwd, 'settings'), first.name);
    }
    for (const [name, value] of Object.entries(source.variables)) {
      if (!value || names.has(name) || !isOurs(name, source.isOwnFile)) continue;
      unknownVariables.push({ name, source: source.name, names });
    }
  }

  function takeFlags(values: Record<string, string | undefined>): void {
    for (const [leafPath, text] of Object.entries(values)) {
      if (text === undefined) continue;
      const leaf = byPath.get(leafPath);
      if (leaf) take(leaf, parseText(metaOf(leaf.schema), text), 'command line', path.join(cwd, 'settings'));
      else problems.push(unknownKey(leafPath, leafPath, byPath.keys(), text, 'command line'));
    }
  }
}

/** Validates the collected values and returns the tree of settings; invalid ones have their defaults. */
export function build(
  given: ReadonlyMap<string, Given>,
  cwd: string,
  problems: SettingProblem[],
): Record<string, unknown> {
  const leaves = settingLeaves();
  // Only given values are validated: compiling the whole schema would delay each start, and a test validates the
  // defaults.
  const toCheck = leaves.flatMap(({ path, schema }) => {
    const entry = problems.some((problem) => problem.path === path) ? undefined : given.get(path);
    return entry ? [{ path, schema, ...entry }] : [];
  });
  const schema = { type: 'object', properties: Object.fromEntries(toCheck.map(({ path, schema }) => [path, schema])) };
  const values = Object.fromEntries(toCheck.map(({ path, value }) => [path, value]));
  const validation = toCheck.length === 0 ? { ok: true as const } : createValidator(schema)(values);
  if (!validation.ok) {
    const seen = new Set<string>();
    for (const problem of validation.problems) {
      const leaf = toCheck.find(({ path: at }) => isWithin(problem.path, at));
      if (!leaf) continue; // The root itself is always an object.
      const { raw, source } = leaf;
      const meta = metaOf(leaf.schema);
      if (meta.kind === 'data' && problem.path !== leaf.path) {
        problems.push({ path: problem.path, given: showValue(problem.given), source, accepted: problem.accepted });
      } else if (!seen.has(leaf.path)) {
        seen.add(leaf.path);
        problems.push({ path: leaf.path, given: showGiven(meta, raw), source, accepted: meta.accepted });
      }
    }
  }
  const isWrong = (leaf: SettingLeaf) => problems.some((problem) => isWithin(problem.path, leaf.path));
  return toTree(settingsSchema, '', (leaf) =>
    valueAt(leaf, isWrong(leaf) ? undefined : given.get(leaf.path), cwd),
  ) as Record<string, unknown>;
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}.`) || path.startsWith(`${parent}[`);
}

function valueAt(leaf: SettingLeaf, entry: Given | undefined, cwd: string): unknown {
  if (entry) return entry.value;
  const meta = metaOf(leaf.schema);
  return meta.kind === 'path' || meta.kind === 'paths'
    ? toProgramValue(meta, meta.default, cwd, cwd).value
    : meta.default;
}

function toTree(schema: TSchema, prefix: string, value: (leaf: SettingLeaf) => unknown): unknown {
  if (!isGroup(schema)) return value({ path: prefix, schema, env: [] });
  const entries = Object.entries(schema.properties).map(([key, property]) => [
    programKey(key, property),
    toTree(property, prefix === '' ? key : `${prefix}.${key}`, value),
  ]);
  return Object.fromEntries(entries);
}

const SECRET_PREFIX = 'secrets.env_prefix';

const showGiven = (meta: LeafMeta, raw: unknown): string => showValue(mask(meta, raw));

// Test and benchmark programs have variables of their own.
function isOurs(name: string, isOwnFile: boolean): boolean {
  if (/^VEDETTE_(TEST|BENCH)_/.test(name)) return false;
  if (['VEDETTE_SETTINGS', 'VEDETTE_ENV_FILE'].includes(name)) return false;
  // In Vedette's own .env a misspelt DB_ or KAFKA_ name must not be ignored silently.
  return name.startsWith('VEDETTE_') || (isOwnFile && /^(DB|KAFKA)_/.test(name));
}

function unknownKey(at: string, key: string, known: Iterable<string>, value: unknown, source: string): SettingProblem {
  const names = [...known];
  const meant = nearest(key, names);
  const accepted = meant
    ? `no such setting; did you mean ${meant}?`
    : names.length < 20
      ? `one of ${names.join(', ')}`
      : 'no such setting';
  // The value may be a secret under a misspelt name, so it is not shown.
  return { path: at, given: typeof value === 'object' && value !== null ? 'a group' : 'a value', source, accepted };
}
