import {
  type CheckResult,
  MAX_VALUE,
  MAX_VALUES,
  OUTCOMES,
  type Outcome,
  PHASES,
  REASONS,
  type Reason,
  type Timings,
  VALUE_NAME,
} from './check-result.ts';
import { cleanDetail, MAX_SECONDS, MAX_STATUS_CHARS, millionths } from './encode.ts';

/** A line of a foreign producer: it has no slot, so it is deduplicated by its offset only. */
export interface ForeignResult {
  jobId: number;
  location: string;
  epoch: null;
  slot: null;
  slots?: undefined;
  periodMs?: undefined;
  ts: number;
  /** As given; else `up` for a status 200-399 or one that is not a number, and `down` for any other or none. */
  outcome: Outcome;
  reason?: Reason;
  status: string | null;
  responseTime: number | null;
  timings?: Timings;
  bytes?: number;
  attempt?: undefined;
  detail?: string;
  values?: Readonly<Record<string, number>>;
  maintenance?: undefined;
}

export type AnyResult = CheckResult | ForeignResult;

/** Why a line cannot be read. Its message is what dead_letters keeps. */
export class BadLineError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'BadLineError';
  }
}

export const MAX_JOB_ID = 2_147_483_647;
export const MAX_LOCATION_CHARS = 64;
/** 2000-01-01 and 2100-01-01: outside lie seconds taken for milliseconds, and rows far from any query. */
export const MIN_TIME_MS = 946_684_800_000;
export const MAX_TIME_MS = 4_102_444_800_000;
/** The longest time one line may cover, ten years: it bounds the rows a single line can touch. */
export const MAX_RANGE_MS = 3653 * 86_400_000;
/** Slots of one range. */
export const MAX_SLOTS = 2_147_483_647;
export const MAX_ATTEMPT = 32_767;

/**
 * The rules for lines of all producers. `value` is the parsed JSON. A line with `epoch` or `slot` is that of a scheduler and
 * must be whole; without them it is a foreign one: `job_id`, `ts`, `response_time`, `status` and perhaps `v`, `location`,
 * `outcome`, `reason`, `timings`, `bytes`, `detail` and `values`. Unknown fields are ignored; null means absent in optional
 * ones. A reason that is not in the closed list comes from a newer writer: the result counts, without a reason. `isPlain`: of a
 * foreign line only the fields that it must have, and its location; one with `v` is not read. Throws BadLineError.
 */
export function validResult(value: unknown, isPlain = false): AnyResult {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('line', value, 'a JSON object');
  const line = value as Record<string, unknown>;
  const own = present(line.epoch) || present(line.slot) || (isPlain && present(line.v));
  if (own) return ownResult(line);
  const { job_id, location, ts, status, response_time } = line;
  return foreignResult(isPlain ? { job_id, location, ts, status, response_time } : line);
}

function ownResult(line: Record<string, unknown>): CheckResult {
  if (line.v !== 1) throw bad('v', line.v, '1');
  const result: CheckResult = {
    jobId: whole(line, 'job_id', 1, MAX_JOB_ID),
    location: text(line, 'location', MAX_LOCATION_CHARS),
    epoch: whole(line, 'epoch', 0, Number.MAX_SAFE_INTEGER),
    slot: whole(line, 'slot', MIN_TIME_MS, MAX_TIME_MS),
    ts: whole(line, 'ts', MIN_TIME_MS, MAX_TIME_MS),
    outcome: oneOf(line, 'outcome', OUTCOMES),
    status: status(line),
    responseTime: responseTime(line),
  };
  if (present(line.slots) || present(line.period)) addRange(result, line);
  addMeasures(result, line);
  if (present(line.attempt)) result.attempt = whole(line, 'attempt', 1, MAX_ATTEMPT);
  if (present(line.maintenance)) {
    if (line.maintenance !== true) throw bad('maintenance', line.maintenance, 'true');
    result.maintenance = true;
  }
  return result;
}

function foreignResult(line: Record<string, unknown>): ForeignResult {
  if (present(line.v) && line.v !== 1) throw bad('v', line.v, '1');
  const result: ForeignResult = {
    jobId: whole(line, 'job_id', 1, MAX_JOB_ID),
    location: present(line.location) ? text(line, 'location', MAX_LOCATION_CHARS) : 'default',
    epoch: null,
    slot: null,
    ts: whole(line, 'ts', MIN_TIME_MS, MAX_TIME_MS),
    outcome: 'down',
    status: status(line),
    responseTime: responseTime(line),
  };
  if (present(line.outcome)) {
    result.outcome = oneOf(line, 'outcome', OUTCOMES);
  } else if (result.status === null) {
    // There was no response; some producers still write a response time of 0 then.
    result.responseTime = null;
  } else if (isGood(result.status)) {
    result.outcome = 'up';
  } else {
    result.reason = 'status';
  }
  addMeasures(result, line);
  return result;
}

function isGood(status: string): boolean {
  return !/^\d+$/.test(status) || (Number(status) >= 200 && Number(status) < 400);
}

/** Reads what results of all producers may have beside their outcome. */
function addMeasures(result: AnyResult, line: Record<string, unknown>): void {
  if (result.outcome === 'missed' && (result.status !== null || result.responseTime !== null)) {
    throw new BadLineError('outcome: a missed slot has neither status nor response_time');
  }
  const reason = knownReason(line);
  if (reason !== undefined) result.reason = reason;
  if (present(line.timings)) result.timings = timings(line.timings);
  if (present(line.bytes)) result.bytes = whole(line, 'bytes', 0, Number.MAX_SAFE_INTEGER);
  if (present(line.detail)) {
    if (typeof line.detail !== 'string') throw bad('detail', line.detail, 'text');
    result.detail = cleanDetail(line.detail);
  }
  if (present(line.values)) {
    if (result.outcome === 'missed') throw new BadLineError('values: a missed slot has none');
    result.values = values(line.values);
  }
}

function addRange(result: CheckResult, line: Record<string, unknown>): void {
  if (result.outcome !== 'missed') throw bad('slots', line.slots, 'only with the outcome missed');
  const slots = whole(line, 'slots', 0, MAX_SLOTS);
  // A fence has no slots, so nothing lies between them.
  const period = whole(line, 'period', slots === 0 ? 0 : 1, MAX_RANGE_MS);
  const length = (slots - 1) * period;
  if (length > MAX_RANGE_MS || result.slot - length < MIN_TIME_MS) {
    throw bad('slots', line.slots, `a range of at most ${MAX_RANGE_MS} ms that begins after ${MIN_TIME_MS}`);
  }
  result.slots = slots;
  result.periodMs = period;
}

function status(line: Record<string, unknown>): string | null {
  const value = line.status;
  if (value === null) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value);
  if (typeof value !== 'string') throw bad('status', value, 'text, a whole number or null');
  return text(line, 'status', MAX_STATUS_CHARS);
}

function responseTime(line: Record<string, unknown>): number | null {
  return line.response_time === null ? null : seconds(line, 'response_time', '');
}

function timings(value: unknown): Timings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('timings', value, 'an object');
  const phases = value as Record<string, unknown>;
  const result: Timings = {};
  for (const phase of PHASES) if (present(phases[phase])) result[phase] = seconds(phases, phase, 'timings.');
  return result;
}

function seconds(fields: Record<string, unknown>, name: string, path: string): number {
  const value = fields[name];
  if (typeof value === 'number' && value >= 0 && value <= MAX_SECONDS) return Math.round(value * 1e6) / 1e6 + 0;
  throw bad(path + name, value, `seconds 0..${MAX_SECONDS}`);
}

/** The numbers are kept to the millionth. */
function values(value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('values', value, 'an object');
  const entries = Object.entries(value);
  if (entries.length > MAX_VALUES) throw bad('values', entries.length, `${MAX_VALUES} names at most`);
  return Object.fromEntries(
    entries.flatMap(([name, number]) => {
      if (!VALUE_NAME.test(name)) throw bad('values', name, `names of the form ${VALUE_NAME.source}`);
      if (!present(number)) return [];
      if (typeof number !== 'number' || Math.abs(number) > MAX_VALUE)
        throw bad(`values.${name}`, number, `a number ${-MAX_VALUE}..${MAX_VALUE}`);
      return [[name, millionths(number) / 1e6]];
    }),
  );
}

function knownReason(line: Record<string, unknown>): Reason | undefined {
  if (!present(line.reason)) return undefined;
  if (typeof line.reason !== 'string') throw bad('reason', line.reason, 'text');
  return REASONS.find((reason) => reason === line.reason);
}

function whole(line: Record<string, unknown>, name: string, least: number, most: number): number {
  const value = line[name];
  // Adding 0 turns -0 into 0: rows must not depend on how a producer writes it.
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return (value as number) + 0;
  throw bad(name, value, `a whole number ${least}..${most}`);
}

function text(line: Record<string, unknown>, name: string, most: number): string {
  const value = line[name];
  if (typeof value === 'string' && value !== '' && isWithin(value, most) && !UNFIT.test(value)) return value;
  throw bad(name, value, `text of 1..${most} characters without control characters`);
}

/** Characters are counted as JSON Schema does: a pair of surrogates is one. */
function isWithin(value: string, most: number): boolean {
  return value.length <= most || (value.length <= 2 * most && [...value].length <= most);
}

/** PostgreSQL refuses NUL, and half a surrogate pair would become another text on its way there. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
const UNFIT = /[\u0000-\u001f\u007f]|\p{Surrogate}/u;

function oneOf<T extends string>(line: Record<string, unknown>, name: string, values: readonly T[]): T {
  const found = values.find((value) => value === line[name]);
  if (found !== undefined) return found;
  throw bad(name, line[name], `one of ${values.join(', ')}`);
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function bad(path: string, given: unknown, accepted: string): BadLineError {
  return new BadLineError(cleanDetail(`${path}: given ${show(given)}, accepted: ${accepted}`));
}

function show(given: unknown): string {
  if (given === undefined) return 'nothing';
  // Not printed: a deep one would exhaust the stack.
  if (typeof given === 'object' && given !== null) return Array.isArray(given) ? 'a list' : 'an object';
  const shown = JSON.stringify(given);
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}
