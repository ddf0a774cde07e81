import { maskText } from '../../core/masking.ts';
import { plainText } from '../../core/plain-text.ts';

/**
 * The detail of a result as answers show it, without the secrets in its addresses: a line of a foreign producer, or of an
 * earlier version, may hold anything. `secretNames` are the query parameters that the job lists as secrets.
 */
export function shownDetail(detail: string | null, secretNames: readonly string[] = []): string | null {
  return detail === null ? null : plainText(maskText(detail, secretNames));
}
