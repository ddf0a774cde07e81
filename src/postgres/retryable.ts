import { VedetteError } from '../errors.ts';
import { CommitUnknownError } from './database.ts';

/** SQLSTATEs that heal by themselves: the same transaction, run again, may succeed. */
const RETRYABLE_STATES: Readonly<Record<string, string>> = {
  '08000': 'connection exception',
  '08001': 'cannot connect',
  '08003': 'connection does not exist',
  '08004': 'server rejected the connection',
  '08006': 'connection failure',
  '08007': 'transaction resolution unknown',
  '25006': 'read-only: a standby, or a failover under way',
  '40001': 'serialization failure',
  '40003': 'statement completion unknown',
  '40P01': 'deadlock',
  '53100': 'disk full',
  '53200': 'out of memory',
  '53300': 'too many connections',
  '55006': 'object in use',
  '55P03': 'lock not available',
  '57014': 'canceled by a timeout',
  '57P01': 'terminated by an administrator',
  '57P02': 'server crashed',
  '57P03': 'server is starting up or shutting down',
  '57P05': 'idle session ended',
  '25P03': 'idle transaction ended',
  '58000': 'system error of the server',
  '58030': 'input/output error of the server',
};

const RETRYABLE_SOCKET_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/** Messages of pg and pg-pool about a connection that is not there; they carry no code. */
const CONNECTION_LOST =
  /connection terminated|timeout exceeded when trying to connect|connection error and is not queryable|client was closed|server does not answer|authentication timeout|socket hang up/i;

/**
 * Whether the error may heal by itself, so that the whole transaction is worth another try. An error about the data
 * or the SQL does not. CommitUnknownError counts as retryable: but first find out whether it happened.
 */
export function isRetryable(error: unknown): boolean {
  if (error instanceof CommitUnknownError) return true;
  if (isConnectionLost(error)) return true;
  const code = codeOf(error);
  if (code !== undefined && Object.hasOwn(RETRYABLE_STATES, code)) return true;
  // A coded error of ours is worth what is behind it.
  return error instanceof VedetteError && isRetryable(error.cause);
}

/**
 * Whether the connection on which the error was raised is gone or cannot be trusted any more, so that nothing is known
 * about a statement that was under way.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isConnectionLost);
  const code = codeOf(error);
  if (isServerError(error)) return /^(08|57P)/.test(code as string) || code === '25P03';
  if (code !== undefined && RETRYABLE_SOCKET_CODES.has(code)) return true;
  // A Unix socket that is not there yet; a missing file is another matter.
  if (code === 'ENOENT' && 'syscall' in error && error.syscall === 'connect') return true;
  return CONNECTION_LOST.test(error.message) || isConnectionLost(error.cause);
}

/** Whether PostgreSQL itself sent the error (it then has a severity and a SQLSTATE), not the client or the socket. */
function isServerError(error: Error): boolean {
  return 'severity' in error && /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '');
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
