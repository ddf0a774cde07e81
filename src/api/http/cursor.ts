import { MAX_TIME_MS } from '../../core/instant.ts';
import type { ResponseError } from './response-error.ts';
import { validationError } from './validation.ts';

/**
 * Cursors are opaque to clients: the values of the sort key after which the next page begins, as JSON in base64url. They
 * are only ever bound as parameters, so a forged one can do no more than choose another place to go on from.
 */
export function encodeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Reads a cursor whose parts satisfy `parts`, one check each; throws VED_VALIDATION. */
export function decodeCursor(cursor: string, parts: ReadonlyArray<(value: unknown) => boolean>): unknown[] {
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw badCursor(cursor); // Not JSON: the same as any other text that is no cursor.
  }
  if (!Array.isArray(key) || key.length !== parts.length || !parts.every((check, index) => check(key[index]))) {
    throw badCursor(cursor);
  }
  return key;
}

function badCursor(cursor: string): ResponseError {
  return validationError([{ path: 'cursor', given: cursor, accepted: 'the cursor of a Link header' }], 'query');
}

export const isId = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) > 0 && Number(value) < 2 ** 53;
export const isJobId = (value: unknown): boolean => isId(value) && Number(value) <= 2_147_483_647;
export const isTimeMs = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_TIME_MS;
export const isName = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= 249 && !value.includes('\0');
export const isInt4 = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= -1 && Number(value) < 2 ** 31;
export const isOffset = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

/** The `Link` header of a list: the address of this request with another cursor. */
export function nextLink(requestUrl: string, cursor: string): string {
  const [path, query = ''] = requestUrl.split('?', 2) as [string, string?];
  const parameters = new URLSearchParams(query);
  parameters.set('cursor', cursor);
  return `<${path}?${parameters.toString()}>; rel="next"`;
}
