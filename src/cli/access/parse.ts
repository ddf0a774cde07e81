import { InvalidArgumentError } from 'commander';
import { ROLES, type Role, SCOPES, type Scope } from '../../access/scopes.ts';
import { parseDuration } from '../../core/duration.ts';
import { parseInstant } from '../../core/instant.ts';
import { VedetteError } from '../../errors.ts';
import { parseName, parseNames } from '../options/parse.ts';

export const parseRole = (text: string): Role => parseName(Object.keys(ROLES))(text) as Role;

export const parseScopes = (text: string): Scope[] => parseNames(SCOPES)(text) as Scope[];

/** A time to come, or how long from now. */
export function parseExpiry(text: string): Date {
  const nowMs = Date.now();
  const lengthMs = parseDuration(text);
  const time = lengthMs === null ? parseInstant(text, nowMs) : nowMs + lengthMs;
  if (time === null || time <= nowMs) {
    throw new InvalidArgumentError('A time to come is wanted, such as 2027-01-31, or how long, such as 90d.');
  }
  return new Date(time);
}

const MAX_NAME = 100;

export function readName(name: string): string {
  const text = name.trim();
  if (text !== '' && text.length <= MAX_NAME && !text.includes('\0')) return text;
  throw new VedetteError(
    'VED_USAGE',
    `name: given ${JSON.stringify(name.slice(0, 120))}, accepted: 1 to ${MAX_NAME} characters`,
  );
}
