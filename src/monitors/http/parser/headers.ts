import type { HeaderList } from './lines.ts';

const NONE: readonly string[] = Object.freeze([]);

/** Returns the values of a header (name in lower case), one for each occurrence. */
export function headerValues(headers: HeaderList, name: string): readonly string[] {
  let found: string[] | undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    const value = headers[i + 1] ?? '';
    if (found) found.push(value);
    else found = [value];
  }
  return found ?? NONE;
}

/** Returns the items of a list header over all its occurrences, without empty ones (RFC 9110 5.6.1). */
export function listItems(headers: HeaderList, name: string): readonly string[] {
  const values = headerValues(headers, name);
  if (values.length === 0) return NONE;
  if (values.length === 1 && /^[^\s,]+$/.test(values[0] ?? '')) return values;
  return values
    .flatMap((value) => value.split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Fields with a single value, in which a comma is no separator. */
const NO_LISTS = new Set([
  'age',
  'authorization',
  'content-disposition',
  'content-length',
  'content-location',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'location',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'set-cookie2',
]);

/** Returns the readings of a header: each of its values, and for a list field all of them joined (RFC 9110 5.3). */
export function readingsOf(headers: HeaderList, name: string): readonly string[] {
  const values = headerValues(headers, name);
  return values.length > 1 && !NO_LISTS.has(name) ? [...values, values.join(', ')] : values;
}
