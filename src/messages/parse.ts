import { isUtf8 } from 'node:buffer';
import { cleanDetail } from './encode.ts';
import { type AnyResult, BadLineError, validResult } from './validity.ts';

/** Longer lines are not even tried: a result has at most some 600 bytes. */
export const MAX_LINE_BYTES = 65_536;

/**
 * Reads one line of a result message whole. Throws BadLineError. This is the reference: the fast reader of the canonical
 * form gives the same rows, and hands every line it does not know to this one. `isPlain`: as versions did that counted
 * foreign lines by their status alone.
 */
export function parseResult(line: string | Buffer, isPlain = false): AnyResult {
  const bytes = typeof line === 'string' ? Buffer.byteLength(line) : line.length;
  if (bytes > MAX_LINE_BYTES) throw new BadLineError(`line: given ${bytes} bytes, accepted: at most ${MAX_LINE_BYTES}`);
  if (typeof line !== 'string' && !isUtf8(line)) throw new BadLineError('line: not valid UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch (error) {
    throw new BadLineError(cleanDetail(`line: not JSON: ${(error as Error).message}`), { cause: error });
  }
  return validResult(value, isPlain);
}
