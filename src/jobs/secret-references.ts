import {
  hasUnreadableReference,
  mayRefer,
  replaceReferences,
  SECRET_NAME_TEXT,
  secretNames,
} from '../core/secret-reference.ts';
import type { Problem } from '../core/validation.ts';
import type { MonitorType } from '../monitors/monitor.ts';
import { commonFields } from './fields.ts';
import { MAX_DEFINITION_BYTES } from './problems.ts';
import { isAddress, isListed, mapTree } from './secrets.ts';
import type { JobDefinition } from './store.ts';

type Referring = Pick<MonitorType, 'references'>;

/** Each is read again and again. */
const MAX_NAMES = 32;

/** Returns the problems of the references to secrets in the fields of a monitor type. */
export function referenceProblems(definition: JobDefinition, { references = [] }: Referring): Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  forTexts(definition, (path, given) => {
    if (isListed(path, references)) {
      for (const name of secretNames(given)) names.add(name);
      if (!hasUnreadableReference(given)) return;
      const accepted = `\${secret:NAME} with a NAME of ${SECRET_NAME_TEXT}; $\${secret: for the text itself`;
      problems.push({ path, given, accepted });
    } else if (secretNames(given).length > 0) {
      const accepted = `no reference to a secret here; they are for ${references.join(', ') || 'other types of jobs'}`;
      problems.push({ path, given, accepted });
    }
  });
  if (names.size > MAX_NAMES) {
    problems.push({ path: '', given: `${names.size} secrets`, accepted: `references to at most ${MAX_NAMES} secrets` });
  }
  return problems;
}

/**
 * Returns the names of the secrets that options refer to, each once; null if there is nothing to replace, not even an
 * escape.
 */
export function referencesOf(options: JobDefinition, { references = [] }: Referring): string[] | null {
  let names: Set<string> | null = null;
  forTexts(options, (path, text) => {
    if (!isListed(path, references)) return;
    names ??= new Set();
    for (const name of secretNames(text)) names.add(name);
  });
  return names === null ? null : [...(names as Set<string>)];
}

/** Returns the options with values in place of the references; a text why they are too large. */
export function withSecrets(
  options: JobDefinition,
  { references = [] }: Referring,
  values: ReadonlyMap<string, string>,
): JobDefinition | string {
  let room = MAX_DEFINITION_BYTES;
  const resolved = mapTree(options, (path, text) => {
    if (typeof text !== 'string' || !mayRefer(text) || !isListed(path, references)) return text;
    return replaceReferences(text, (name) => {
      const value = values.get(name) ?? '';
      // Not headers that are named like an address.
      const written = isAddress(path) && !path.includes('.') ? encodeURIComponent(value) : value;
      room -= written.length;
      return room < 0 ? '' : written;
    });
  });
  return room < 0 ? `its secrets take more than ${MAX_DEFINITION_BYTES} characters together` : resolved;
}

/** Calls back for the texts of the monitor type's own fields that may refer to secrets. */
function forTexts(definition: JobDefinition, take: (path: string, text: string) => void): void {
  for (const key in definition) {
    if (key in commonFields || !mayHold(definition[key])) continue;
    mapTree({ [key]: definition[key] }, (path, text) => {
      if (typeof text === 'string' && mayRefer(text)) take(path, text);
      return text;
    });
  }
}

/** Most jobs refer to nothing, which is seen without making anything. */
function mayHold(value: unknown): boolean {
  if (typeof value === 'string') return mayRefer(value);
  if (typeof value !== 'object' || value === null) return false;
  for (const key in value) if (mayHold((value as Record<string, unknown>)[key])) return true;
  return false;
}
