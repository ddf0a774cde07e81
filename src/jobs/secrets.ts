import { isSecretParameter, MASK, mapAddresses, mapAddressSecrets, maskAddress, maskText } from '../core/masking.ts';
import { isReference, mapAroundReferences, mayRefer, secretNames } from '../core/secret-reference.ts';
import { formatProblem, type Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { JobDefinition } from './store.ts';

type LeafMap = (path: string, value: unknown) => unknown;

/**
 * Returns a copy with masked secrets: the values at the wire paths `secrets` (`*` in a name matches any characters,
 * case is ignored), and the secrets within addresses.
 */
export function redactSecrets(definition: JobDefinition, secrets: readonly string[]): JobDefinition {
  const names = listedNames(definition);
  return mapTree(definition, (path, value) => shownLeaf(path, value, secrets, names));
}

/**
 * Replaces masks that were sent back by the stored secrets. Throws VED_VALIDATION if a masked secret is not stored, and
 * if a stored one would no longer be masked. A mask that does not stand for a secret is left as it is.
 */
export function restoreSecrets(
  definition: JobDefinition,
  stored: JobDefinition,
  secrets: readonly string[] = [],
): JobDefinition {
  const names = [...listedNames(definition), ...listedNames(stored)];
  const restored = mapTree(definition, (path, value) => {
    if (typeof value !== 'string' || !value.includes(MASK)) return value;
    const known = lookup(stored, path);
    if (known !== undefined && value === shownLeaf(path, known, secrets, listedNames(stored))) return known;
    if (isAddress(path)) return restoreAddress(value, known, names, path);
    const isMasked = value === MASK || secretNames(value).length > 0;
    if (isMasked && isListed(path, secrets)) throw nothingStored(path);
    return value;
  });
  refuseUncovering(restored, stored);
  return withoutShownName(restored, stored);
}

/**
 * Restores the secrets of an address whose other parts were changed: each masked part comes from the stored address.
 */
function restoreAddress(address: string, stored: unknown, names: readonly string[], path: string): string {
  const known: Array<{ name: string | null; value: string }> = [];
  mapAddressSecrets(typeof stored === 'string' ? stored : '', names, (value, name) => {
    known.push({ name, value });
    return value;
  });
  return mapAddressSecrets(address, names, (value, name) => {
    if (value !== MASK) return value;
    const index = known.findIndex((secret) => secret.name === name);
    const [secret] = index < 0 ? [] : known.splice(index, 1);
    if (secret === undefined) throw nothingStored(path);
    return secret.value;
  });
}

/** A parameter that is a secret only because the job lists it would be revealed by an edit of the list. */
function refuseUncovering(definition: JobDefinition, stored: JobDefinition): void {
  const listed = listedNames(definition);
  const { uri } = stored;
  if (typeof uri !== 'string' || definition.uri !== uri) return;
  mapAddressSecrets(uri, listedNames(stored), (value, name) => {
    if (name === null || isSecretParameter(name, listed) || isReference(value)) return value;
    const accepted = `also ${JSON.stringify(name)}, as long as the address has the stored ${name}`;
    throw refusal({ path: 'secrets', given: listed, accepted });
  });
}

/**
 * A job without a name is shown by its masked address. If that text is sent back as the name, there is still no name.
 */
function withoutShownName(definition: JobDefinition, stored: JobDefinition): JobDefinition {
  const { job_name: name, ...unnamed } = definition;
  const isShown = typeof name === 'string' && name.includes(MASK) && name === shownName(stored);
  return isShown && stored.job_name === undefined ? unnamed : definition;
}

/** Returns the name of a job, or its address, without the secrets in either; undefined if it has neither. */
export function shownName({ job_name: name, uri, secrets }: JobDefinition): string | undefined {
  const names = listedNames({ secrets });
  if (typeof name === 'string') return maskText(name, names);
  return typeof uri === 'string' ? maskAddress(uri, names) : undefined;
}

/**
 * Masks the value of a problem if it may be a secret: at a secret path or below a part that holds secrets, under an
 * unknown name (perhaps a misspelt secret), or a text where another type is required.
 */
export function maskProblem(problem: Problem, secrets: readonly string[], names: readonly string[] = []): Problem {
  const { given } = problem;
  const path = shownPath(problem.path);
  if (given === undefined) return { ...problem, path };
  const around = secrets.some((secret) => secret.startsWith(`${problem.path}.`));
  // The credentials of a malformed address may stand anywhere in it.
  const isProxy = path === 'proxy' && typeof given === 'string' && given.includes('@');
  if (
    isUnknownName(problem) ||
    isProxy ||
    around ||
    isListed(problem.path, secrets) ||
    path !== problem.path ||
    path === ''
  ) {
    return { ...problem, path, given: maskAll(given) };
  }
  return { ...problem, given: typeof given === 'string' ? shownLeaf(path, given, secrets, names) : maskAll(given) };
}

/** Whether a problem is that a schema does not know the name, which may be a misspelt one of a secret. */
export const isUnknownName = ({ accepted }: Problem): boolean => /^(no such key|only the keys)/.test(accepted);

/** Masks the texts of a value of unknown meaning; its structure remains visible. */
export function maskAll(value: unknown): unknown {
  if (typeof value === 'string') return value === '' ? '' : MASK;
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? value.map(maskAll) : MASK;
}

/** An impossible name may be a whole header line: it is cut off where a name would end. */
function shownPath(path: string): string {
  const place = /[^\w.[\]~!#$%&'*+^`|-]/.exec(path)?.index;
  return place === undefined ? path : `${path.slice(0, place)}...`;
}

/**
 * Returns the texts of a definition that are secret, in the forms in which a site may repeat them: those at secret paths
 * and those within addresses.
 */
export function secretValues(definition: JobDefinition, secrets: readonly string[]): Set<string> {
  const names = listedNames(definition);
  const values = new Set<string>();
  mapTree(definition, (path, value) => {
    if (typeof value !== 'string') return value;
    if (isListed(path, secrets)) {
      values.add(value);
      // `Bearer x`, `session=x; other=y`
      for (const part of value.split(/[\s;]+/).slice(/\s/.test(value) ? 1 : 0)) values.add(part.replace(/^[^=]+=/, ''));
    }
    const add = (secret: string) => {
      values.add(secret);
      values.add(decoded(secret));
      return secret;
    };
    if (isAddress(path)) mapAddressSecrets(value, names, add);
    else mapAddresses(value, (address) => mapAddressSecrets(address, names, add));
    return value;
  });
  return values;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Not valid percent-encoding: taken literally.
  }
}

function shownLeaf(path: string, value: unknown, secrets: readonly string[], names: readonly string[]): unknown {
  if (isListed(path, secrets)) return value === '' ? value : shownSecret(value);
  if (typeof value !== 'string') return value;
  return isAddress(path) ? maskAddress(value, names) : maskText(value, names);
}

/** References stay, with what usually stands before them. */
function shownSecret(value: unknown): string {
  if (typeof value !== 'string' || !mayRefer(value) || secretNames(value).length === 0) return MASK;
  return mapAroundReferences(value, (literal, isLast) => {
    return literal === '' || (!isLast && HARMLESS.test(literal)) ? literal : MASK;
  });
}

/** The scheme of a header, or the name of a cookie. */
const HARMLESS = /^((bearer|basic|token|digest|apikey|api-key) +|(; ?)?[a-z_-]{1,32}=)$/i;

/** Fields that are addresses as a whole, even with spaces in them. */
export const isAddress = (path: string): boolean => /(^|[._])(uri|url|proxy)$/i.test(path);

/** The secret parameters that the job lists. */
export function listedNames({ secrets }: JobDefinition): string[] {
  return Array.isArray(secrets) ? secrets.filter((name) => typeof name === 'string') : [];
}

function nothingStored(path: string): VedetteError {
  return refusal({ path, given: MASK, accepted: 'the secret itself, none is stored' });
}

function refusal(problem: Problem): VedetteError {
  return new VedetteError('VED_VALIDATION', formatProblem(problem), { problems: [problem] });
}

const expressions = new Map<string, RegExp>();

/** Whether a path is one of `secrets`, in which `*` matches any characters; case is ignored. */
export function isListed(path: string, secrets: readonly string[]): boolean {
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

/** Maps every scalar value; items of lists have paths such as `[0]`. */
export function mapTree(definition: JobDefinition, map: LeafMap): JobDefinition {
  const walk = (value: unknown, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return map(path, value);
    if (Array.isArray(value)) return value.map((item, index) => walk(item, `${path}[${index}]`));
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, item]) => [key, walk(item, path === '' ? key : `${path}.${key}`)]));
  };
  return walk(definition, '') as JobDefinition;
}

/** Case is ignored, as in header names. */
function lookup(tree: unknown, path: string): unknown {
  let at = tree;
  for (const name of path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')) {
    if (typeof at !== 'object' || at === null) return undefined;
    const entries = Object.entries(at);
    const found = entries.find(([key]) => key === name) ?? entries.find(([key]) => sameName(key, name));
    at = found?.[1];
  }
  return at;
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
