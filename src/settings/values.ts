import path from 'node:path';
import { parseDuration } from '../core/duration.ts';
import { type LeafMeta, parseBytes } from './leaf.ts';
import { readPem } from './pem.ts';

/** `undefined` as value: the leaf does not accept the input. */
export interface Parsed {
  value: unknown;
  /** More specific than the leaf's own `accepted`. */
  accepted?: string;
}

const REFUSED: Parsed = { value: undefined };

/** Parses the text of an environment variable or flag. The range is validated by the schema. */
export function parseText(meta: LeafMeta, text: string): unknown {
  const trimmed = text.trim();
  if (meta.default === null && trimmed === 'null') return null;
  switch (meta.kind) {
    case 'integer':
      return /^-?\d+$/.test(trimmed) ? Number(trimmed) : text;
    case 'boolean':
      if (/^(true|yes|on|1)$/i.test(trimmed)) return true;
      return /^(false|no|off|0)$/i.test(trimmed) ? false : text;
    case 'list':
    case 'paths':
      return trimmed
        .split(meta.separator ?? ',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'data':
      try {
        return JSON.parse(trimmed);
      } catch {
        return text; // The schema reports the problem.
      }
    default:
      return text;
  }
}

/** Converts a given value, text or YAML, to the value in the program. `folder`: base of relative certificate paths. */
export function toProgramValue(meta: LeafMeta, given: unknown, folder: string, cwd: string): Parsed {
  if (given === null) return { value: null };
  switch (meta.kind) {
    case 'duration':
      if (given === 'forever') return { value: null };
      return fromUnits(given, parseDuration);
    case 'bytes':
      return fromUnits(given, parseBytes);
    case 'path':
      return typeof given === 'string' ? { value: path.resolve(cwd, given) } : REFUSED;
    case 'paths': {
      const list = [given].flat();
      return list.every((item) => typeof item === 'string')
        ? { value: list.map((item) => path.resolve(cwd, item)) }
        : REFUSED;
    }
    case 'pem':
      return typeof given === 'string' ? readPem(given, folder) : REFUSED;
    case 'text':
      // An unquoted number or date in YAML is text if the setting is a text.
      return typeof given === 'number' ? { value: String(given) } : { value: given };
    default:
      return { value: given };
  }
}

function fromUnits(given: unknown, parse: (text: string) => number | null): Parsed {
  if (given === 0) return { value: 0 };
  const value = typeof given === 'string' ? parse(given) : null;
  return value === null ? REFUSED : { value };
}

/** Masks a value for display. */
export function mask(meta: Pick<LeafMeta, 'secret'>, value: unknown): unknown {
  if (!meta.secret || value === null || value === undefined) return value;
  if (Array.isArray(value)) return value.map(() => '***');
  if (meta.secret === 'url')
    return String(value)
      .replace(/^([^:]*:\/\/[^:@/]*):.*@/, '$1:***@')
      .replace(/password\s*=\s*('(\\.|[^'\\])*'?|(\\.|[^&\s\\])*)/g, 'password=***');
  return '***';
}
