import { isSecretParameter, MASK, mapAddresses, mapAddressSecrets, maskAddress, maskText } from '../core/masking.ts';
import type { Problem } from '../core/validation.ts';
import { VedetteError } from '../errors.ts';
import type { JobDefinition } from './store.ts';

type LeafMap = (path: string, value: unknown) => unknown;

/**
 * A copy with a mask for each secret: the values at the wire paths `secrets` (`*` in a name stands for any characters,
 * case does not matter), and what is secret within addresses.
 */
export function redactSecrets(definition: JobDefinition, secrets: readonly string[]): JobDefinition {
  const names = listedNames(definition);
  return mapTree(definition, (path, value) => shownLeaf(path, value, secrets, names));
}

/**
 * Puts the stored secret where the mask was sent back. Throws VED_VALIDATION where a secret is masked and none is stored,
 * and where a stored one would be masked no longer; a mask that is no secret's is left as it is.
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
    if (value === MASK && isSecret(path, secrets)) throw nothingStored(path);
    return value;
  });
  refuseUncovering(restored, stored);
  return withoutShownName(restored, stored);
}

/** An address of which more was changed than its secrets: each that is masked comes from the stored one. */
function restoreAddress(address: string, stored: unknown, names: readonly string[], path: string): string {
  const known: Array<{ name: string | null; value: string }> = [];
  mapAddressSecrets(typeof stored === 'string' ? stored : '', names, (value, name) => {
    known.push({ name, value });
    return value;
  });
  return mapAddressSecrets(address, names, (value, name) => {
    if (value !== MASK) return value;
    const index = known.findIndex((secret) => secret.name === name);
    if (index === -1) throw nothingStored(path);
    return known.splice(index, 1)[0]!.value;
  });
}

/** A parameter that is a secret only because it is listed would be shown by an edit that takes it off the list. */
function refuseUncovering(definition: JobDefinition, stored: JobDefinition): void {
  const listed = listedNames(definition);
  const { uri } = stored;
  if (typeof uri !== 'string' || definition.uri !== uri) return;
  mapAddressSecrets(uri, listedNames(stored), (value, name) => {
    if (name === null || isSecretParameter(name, listed)) return value;
    const accepted = `also ${JSON.stringify(name)}, as long as the address has the stored ${name}`;
    const text = `secrets: given ${JSON.stringify(listed)}, accepted: ${accepted}`;
    throw new VedetteError('VED_VALIDATION', text);
  });
}

/** A job without a name is called by its address as it is shown: sent back, that is still no name. */
function withoutShownName(definition: JobDefinition, stored: JobDefinition): JobDefinition {
  const { job_name: name, ...unnamed } = definition;
  const isShown = typeof name === 'string' && name.includes(MASK) && name === shownName(stored);
  return isShown && stored.job_name === undefined ? unnamed : definition;
}

/** What a job is called: its name, or else its address, without the secrets in either; undefined when it has neither. */
export function shownName({ job_name: name, uri, secrets }: JobDefinition): string | undefined {
  const names = listedNames({ secrets });
  if (typeof name === 'string') return maskText(name, names);
  return typeof uri === 'string' ? maskAddress(uri, names) : undefined;
}

/**
 * The problem without what may be a secret: a value at a secret path or below a part that holds secrets, a value under a
 * name that does not exist (perhaps a secret's, mistyped), and text where something else was wanted.
 */
export function maskProblem(problem: Problem, secrets: readonly string[], names: readonly string[] = []): Problem {
  const { given, accepted } = problem;
  const path = shownPath(problem.path);
  if (given === undefined) return { ...problem, path };
  const isUnknown = /^(no such key|only the keys)/.test(accepted);
  const around = secrets.some((secret) => secret.startsWith(`${problem.path}.`));
  if (isUnknown || around || isSecret(problem.path, secrets) || path !== problem.path || path === '') {
    return { ...problem, path, given: maskAll(given) };
  }
  return { ...problem, given: typeof given === 'string' ? shownLeaf(path, given, secrets, names) : maskAll(given) };
}

/** A value of which nobody can say what it holds: its texts are masked, the rest tells what kind of value it is. */
export function maskAll(value: unknown): unknown {
  if (typeof value === 'string') return value === '' ? '' : MASK;
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? value.map(maskAll) : MASK;
}

/** A name that cannot be one may be a whole line of a header: it ends where a name would. */
function shownPath(path: string): string {
  const place = /[^\w.[\]~!#$%&'*+^`|-]/.exec(path)?.index;
  return place === undefined ? path : `${path.slice(0, place)}...`;
}

/** What a check says, without what the job keeps secret, should a site repeat it, and without secrets of its own. */
export function maskReport<T>(value: T, { definition, secrets }: Covered): T {
  const names = listedNames(definition);
  const known = secretValues(definition, secrets, names);
  const mask = (text: string): string => {
    let masked = text;
    for (const secret of known) masked = masked.replaceAll(secret, MASK);
    return maskText(masked, names);
  };
  return mapTexts(value, mask) as T;
}

interface Covered {
  definition: JobDefinition;
  secrets: readonly string[];
}

/** Shorter ones would mask half of every text. */
const MIN_SECRET_LENGTH = 6;

/** Every secret of a definition in the forms in which a site may repeat it, the longest first. */
function secretValues(definition: JobDefinition, secrets: readonly string[], names: readonly string[]): string[] {
  const values = new Set<string>();
  mapTree(definition, (path, value) => {
    if (typeof value !== 'string') return value;
    if (isSecret(path, secrets)) {
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
  return [...values].filter((value) => value.length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // No escapes: it is what it is.
  }
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, map)]));
}

function shownLeaf(path: string, value: unknown, secrets: readonly string[], names: readonly string[]): unknown {
  if (isSecret(path, secrets)) return value === '' ? value : MASK;
  if (typeof value !== 'string') return value;
  return isAddress(path) ? maskAddress(value, names) : maskText(value, names);
}

/** Fields that are an address as a whole, also where it has a space in it. */
const isAddress = (path: string): boolean => /(^|[._])(uri|url)$/i.test(path);

/** The parameters that the job itself names. */
function listedNames({ secrets }: JobDefinition): string[] {
  return Array.isArray(secrets) ? secrets.filter((name) => typeof name === 'string') : [];
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

/** Maps every value that holds no others; items of lists are at `[0]`, `[1]` ... of their path. */
function mapTree(definition: JobDefinition, map: LeafMap): JobDefinition {
  const walk = (value: unknown, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return map(path, value);
    if (Array.isArray(value)) return value.map((item, index) => walk(item, `${path}[${index}]`));
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, item]) => [key, walk(item, path === '' ? key : `${path}.${key}`)]));
  };
  return walk(definition, '') as JobDefinition;
}

/** Case does not matter: a client may write the name of a header as it likes. */
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
