import type { Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { JobDefinition } from './job-store.ts';

/** Shown instead of a secret; sent back, it means the stored one. */
export const MASK = '********';

type Tree = Readonly<Record<string, unknown>>;

/**
 * A copy with a mask for each secret: the values at the wire paths `secrets` (`*` in a name stands for any characters,
 * case does not matter), and passwords within addresses.
 */
export function redactSecrets(definition: JobDefinition, secrets: readonly string[]): JobDefinition {
  return mapLeaves(definition, '', (path, value) => {
    if (isSecret(path, secrets)) return MASK;
    return typeof value === 'string' ? maskPassword(value) : value;
  });
}

/**
 * Puts the stored secret where the mask was sent back. Throws VED_VALIDATION where a secret is masked and none is stored;
 * a mask that is no secret's is left as it is.
 */
export function restoreSecrets(
  definition: JobDefinition,
  stored: JobDefinition,
  secrets: readonly string[] = [],
): JobDefinition {
  return mapLeaves(definition, '', (path, value) => {
    if (typeof value !== 'string' || !value.includes(MASK)) return value;
    const known = lookup(stored, path.split('.'));
    if (value === MASK) {
      if (known === undefined && isSecret(path, secrets)) throw nothingStored(path);
      return known ?? value;
    }
    if (PASSWORD.exec(value)?.[2] !== MASK) return value;
    const password = typeof known === 'string' ? PASSWORD.exec(known)?.[2] : undefined;
    if (password === undefined) throw nothingStored(path);
    return value.replace(PASSWORD, (_all, before: string) => `${before}${password}@`);
  });
}

/** The problem without the secret that it is about. */
export function maskProblem(problem: Problem, secrets: readonly string[]): Problem {
  const { path, given, accepted } = problem;
  if (given === undefined) return problem;
  // A whole that contains secrets, or a name beside them that was mistyped: perhaps theirs.
  const isUnknown = /^(no such key|only the keys)/.test(accepted);
  const parent = isUnknown ? path.slice(0, Math.max(0, path.lastIndexOf('.'))) : path;
  const around = parent !== '' && secrets.some((secret) => secret.startsWith(`${parent}.`));
  if (around || isSecret(path, secrets)) return { ...problem, given: MASK };
  return typeof given === 'string' ? { ...problem, given: maskPassword(given) } : problem;
}

/** Scheme and user name, then what a parser of addresses takes for the password: all up to the last @ of the authority. */
const PASSWORD = /^([a-z][a-z0-9+.-]*:\/\/[^/\\?#:]*:)([^/\\?#]*)@/i;

/** `https://user:secret@host/` -> `https://user:********@host/` */
export function maskPassword(text: string): string {
  return text.replace(PASSWORD, (_all, before: string) => `${before}${MASK}@`);
}

function nothingStored(path: string): VedetteError {
  return new VedetteError('VED_VALIDATION', `${path}: given "${MASK}", accepted: the secret itself, none is stored`);
}

const expressions = new Map<string, RegExp>();

function isSecret(path: string, secrets: readonly string[]): boolean {
  return secrets.some((secret) => {
    let expression = expressions.get(secret);
    if (!expression) {
      const quoted = secret.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
      expression = new RegExp(`^${quoted}$`, 'is');
      expressions.set(secret, expression);
    }
    return expression.test(path);
  });
}

function mapLeaves(tree: Tree, at: string, map: (path: string, value: unknown) => unknown): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => {
      const path = at === '' ? key : `${at}.${key}`;
      const isTree = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [key, isTree ? mapLeaves(value as Tree, path, map) : map(path, value)];
    }),
  );
}

/** Case does not matter: a client may write the name of a header as it likes. */
function lookup(tree: unknown, path: readonly string[]): unknown {
  let at = tree;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    const entries = Object.entries(at);
    const found = entries.find(([key]) => key === name) ?? entries.find(([key]) => sameName(key, name));
    at = found?.[1];
  }
  return at;
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
