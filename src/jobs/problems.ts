import type { Problem } from '../core/validation.ts';
import { cronGapMs } from './cron-expression.ts';
import type { CommonFields } from './fields.ts';
import { defaultTimeoutMs, distanceMs, periodMsOf } from './mapping.ts';

/** Returns the problem of a cron expression and time zone, or null. */
export type CronCheck = (expression: string, timezone: string | null) => string | null;

/**
 * Returns the problems of a schedule that a schema cannot express. `fields` has only fields that satisfy the schema by
 * themselves; `bad` names the others.
 */
export function scheduleProblems(fields: CommonFields, bad: ReadonlySet<string>, cronProblem: CronCheck): Problem[] {
  const {
    check_period_seconds: period,
    check_cron: cron,
    check_cron_timezone: zone,
    timeout_seconds: timeout,
    retry_pause_seconds: pause = 0,
    retries = 0,
  } = fields;
  const problems: Problem[] = [];
  if (period !== undefined && cron !== undefined) {
    problems.push({ path: 'check_cron', given: cron, accepted: 'nothing beside check_period_seconds: one of the two' });
  }
  if (zone !== undefined && cron === undefined && !bad.has('check_cron')) {
    problems.push({ path: 'check_cron_timezone', given: zone, accepted: 'nothing without check_cron' });
  }
  if (cron !== undefined) {
    const gap = cronGapMs(cron);
    const fault = typeof gap === 'string' ? gap : cronProblem(cron, null);
    const zoneFault = fault === null && zone !== undefined ? cronProblem(cron, zone) : null;
    if (fault !== null) problems.push({ path: 'check_cron', given: cron, accepted: fault });
    if (zoneFault !== null) {
      problems.push({ path: 'check_cron_timezone', given: zone, accepted: 'a time zone such as Europe/Berlin' });
    }
  }
  const distance = bad.has('check_period_seconds')
    ? Number.POSITIVE_INFINITY
    : distanceMs(periodMsOf(fields), cron ?? null);
  if (timeout !== undefined && timeout * 1000 >= distance) {
    const accepted = `less than the ${distance / 1000} seconds to the next slot, which must find the check ended`;
    problems.push({ path: 'timeout_seconds', given: timeout, accepted });
  } else if (pause > 0 && retries > 0 && !bad.has('timeout_seconds')) {
    const tryMs = timeout === undefined ? defaultTimeoutMs(periodMsOf(fields), cron ?? null) : timeout * 1000;
    if (retries * pause * 1000 + tryMs >= distance) {
      const accepted = `pauses that leave time for one whole try before the next slot, ${distance / 1000} seconds later`;
      problems.push({ path: 'retry_pause_seconds', given: pause, accepted });
    }
  }
  return problems;
}

const UNSTORABLE = /\0|\p{Surrogate}/u;

/** PostgreSQL accepts neither NUL nor a lone surrogate in any text. */
export function textProblems(value: unknown, path = ''): Problem[] {
  if (typeof value === 'string') {
    return UNSTORABLE.test(value) ? [{ path, given: value, accepted: 'text without NUL, of whole characters' }] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => textProblems(item, `${path}[${index}]`));
  return Object.entries(value).flatMap(([key, item]) => {
    const at = path === '' ? key : `${path}.${key}`;
    if (UNSTORABLE.test(key)) return [{ path: at, given: key, accepted: 'a name without NUL, of whole characters' }];
    return textProblems(item, at);
  });
}

/** Every version of a definition is stored, so the size of the whole is bounded. */
export const MAX_DEFINITION_BYTES = 524_288;

export function sizeProblems(definition: object): Problem[] {
  const size = Buffer.byteLength(JSON.stringify(definition));
  if (size <= MAX_DEFINITION_BYTES) return [];
  return [
    { path: '', given: `${size} bytes of JSON`, accepted: `a definition of at most ${MAX_DEFINITION_BYTES} bytes` },
  ];
}
