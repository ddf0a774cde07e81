import { Type } from 'typebox';
import type { Problem } from '../../../core/validation.ts';

/** JSON schema of the headers of a request, name to value. */
export const headersField = (description: string, example: Record<string, string>) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 8_192 },
    maxProperties: 100,
    description,
    examples: [example],
  });

const SECRET_NAMES = ['*auth*', '*cookie*', '*key*', '*passw*', '*secret*', '*session*', '*token*'];

/** Paths of the headers of a field that usually hold credentials. */
export const secretHeadersOf = (field: string): readonly string[] => SECRET_NAMES.map((name) => `${field}.${name}`);

/** Those of the field `headers`. */
export const secretHeaders: readonly string[] = secretHeadersOf('headers');

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
// Control characters except the tab would end the header, characters above U+00FF have no byte.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Returns the problems of the names of headers, each to be given once. */
export function headerNameProblems(field: string, headers: Record<string, string> | undefined): Problem[] {
  const seen = new Set<string>();
  return Object.keys(headers ?? {}).flatMap((name) => {
    const lower = name.toLowerCase();
    const isKnown = seen.has(lower);
    seen.add(lower);
    const path = `${field}.${name}`;
    if (!TOKEN.test(name)) return [{ path, given: name, accepted: 'a header name' }];
    return isKnown ? [{ path, given: name, accepted: 'each header once, in whatever case' }] : [];
  });
}

/** Returns the problems of the headers of a request. `own`: names in lower case that only Vedette sets. */
export function requestHeaderProblems(
  headers: Record<string, string> | undefined,
  own: ReadonlySet<string>,
  field = 'headers',
): Problem[] {
  const problems = headerNameProblems(field, headers);
  const refused = new Set(problems.map(({ path }) => path));
  for (const [name, value] of Object.entries(headers ?? {})) {
    const path = `${field}.${name}`;
    if (refused.has(path)) continue;
    if (own.has(name.toLowerCase())) {
      problems.push({ path, given: value, accepted: 'no such header, it is set by Vedette' });
    } else if (!HEADER_VALUE.test(value)) {
      problems.push({ path, given: value, accepted: 'a header value: one line, no characters above U+00FF' });
    }
  }
  return problems;
}
