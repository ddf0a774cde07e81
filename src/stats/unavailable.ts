import { isRetryable } from '../postgres/retryable.ts';

/** Undefined table, column, function or schema: the tables were never made, or are older than this program. */
const NO_TABLES: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '3F000']);

/** Why the database gives no numbers now; null when an error has another cause. */
export function whyUnavailable(error: unknown): 'unreachable' | 'tables missing' | null {
  if (isRetryable(error)) return 'unreachable';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && NO_TABLES.has(code) ? 'tables missing' : null;
}
