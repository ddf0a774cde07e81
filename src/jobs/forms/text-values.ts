import { isDeepStrictEqual } from 'node:util';
import { isObject, withSeconds } from './entries.ts';
import type { FieldSchema } from './field-schemas.ts';

export const QUOTED_TEXT =
  'text in double quotes as in JSON (\\\\ for a backslash, \\" for a quote), or text without quotes around it';

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;
const BOOLEANS = new Map<string, boolean>([
  ...['true', 'yes', 'on', '1'].map((text) => [text, true] as const),
  ...['false', 'no', 'off', '0'].map((text) => [text, false] as const),
]);

/**
 * Returns the value of a text for a `schema`. A text that does not fit stays text, for the rules of jobs to refuse;
 * undefined if quotes are not used as in JSON. Lists are separated by commas; JSON is always accepted.
 */
export function decodeText(text: string, schema: FieldSchema = {}, wire = ''): unknown {
  const types = [schema.type ?? 'string'].flat();
  let plain = text;
  if (/^".*"$/s.test(text)) {
    const inner = parseJson(text);
    if (typeof inner !== 'string') return undefined;
    if (types.includes('string')) return inner;
    plain = inner;
  }
  if (types.includes('array')) {
    const list = plain.startsWith('[') ? parseJson(plain) : undefined;
    if (Array.isArray(list)) return list;
    if (plain.includes(',') || !types.includes('string')) {
      const items = plain.split(',').map((item) => item.trim());
      return items.filter((item) => item !== '').map((item) => decodeScalar(item, typesOf(schema.items)));
    }
  }
  if (types.includes('object') && plain.startsWith('{')) {
    const object = parseJson(plain);
    if (isObject(object)) return object;
  }
  return withSeconds(wire, decodeScalar(plain, types));
}

/** Returns the text of a value, on one line and without spaces around it; decodeText restores the value. */
export function encodeText(value: unknown, schema: FieldSchema | undefined): string {
  const plain = Array.isArray(value) ? value.join(', ') : isObject(value) ? JSON.stringify(value) : String(value);
  const isPlain = plain !== '' && plain === plain.trim() && !/[\r\n]/.test(plain);
  return isPlain && isDeepStrictEqual(decodeText(plain, schema), value) ? plain : JSON.stringify(value);
}

function decodeScalar(text: string, types: readonly string[]): unknown {
  if ((types.includes('number') || types.includes('integer')) && NUMBER.test(text)) return Number(text);
  if (types.includes('boolean')) return BOOLEANS.get(text.toLowerCase()) ?? text;
  return text;
}

const typesOf = (schema: FieldSchema | undefined): readonly string[] => [schema?.type ?? 'string'].flat();

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The caller reports the problem.
  }
}
