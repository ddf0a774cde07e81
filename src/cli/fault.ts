import { getSystemErrorMap } from 'node:util';
import { VedetteError } from '../errors.ts';
import { connectionAdvice } from '../postgres/connection-advice.ts';

/** Errors that only a mistake in the program makes. */
const BUGS = [TypeError, RangeError, ReferenceError, SyntaxError];

/**
 * Returns why a command ended, as one sentence for people: what the system, a server or a file refused, and its code. A
 * mistake of the program comes with its stack, which a report of it needs.
 */
export function describeFault(error: unknown): { text: string; code: string | null } {
  if (error instanceof VedetteError) return { text: withAdvice(error), code: error.code };
  if (!(error instanceof Error)) return { text: String(error), code: null };
  if (BUGS.some((kind) => error instanceof kind) && systemText(error) === null) {
    return { text: `this is a defect of Vedette: ${error.stack ?? error.message}`, code: 'VED_INTERNAL' };
  }
  const { code } = error as NodeJS.ErrnoException;
  return { text: systemText(error) ?? innerMessage(error), code: code === undefined ? null : String(code) };
}

/** A database that cannot be used comes with what to do about it; other errors of ours say so themselves. */
function withAdvice({ code, message, cause }: VedetteError): string {
  const advice = code === 'VED_DATABASE_UNAVAILABLE' ? connectionAdvice(cause) : null;
  return advice === null ? message : `${message}. ${advice}`;
}

/** `connect 127.0.0.1:5432: connection refused`, in the order in which people ask: what, where, why. */
function systemText(error: Error): string | null {
  const { errno, syscall, path, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (errno === undefined || syscall === undefined) return null;
  const why = getSystemErrorMap().get(errno)?.[1];
  if (why === undefined) return null;
  const place = path ?? (address === undefined ? '' : `${address}${port === undefined ? '' : `:${port}`}`);
  return `${[syscall, place].filter(Boolean).join(' ')}: ${why}`;
}

/** Several addresses that were tried are one error without a text of its own. */
function innerMessage(error: Error): string {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined;
  if (error.message !== '' || !(first instanceof Error)) return error.message || error.name;
  return systemText(first) ?? first.message;
}
