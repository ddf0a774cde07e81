import fc from 'fast-check';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';

/** Noon of an ordinary day, so that slots cross minutes, hours and days. */
export const START_MS = Date.UTC(2026, 2, 1, 12);

export interface ResultInput {
  jobId?: number;
  location?: string;
  epoch?: number;
  /** In slots of `periodMs` after START_MS. */
  slot: number;
  slots?: number;
  periodMs?: number;
  outcome?: CheckResult['outcome'];
  reason?: CheckResult['reason'];
  status?: string | null;
  responseTime?: number | null;
}

/** A line as a scheduler writes it. */
export function line(input: ResultInput): string {
  const { jobId = 1, location = 'default', epoch = 1, slots, periodMs = 1_000 } = input;
  const atMs = START_MS + input.slot * periodMs;
  const outcome = input.outcome ?? (slots === undefined ? 'up' : 'missed');
  const answered = outcome !== 'missed' && input.status !== null;
  return encodeResult({
    jobId,
    location,
    epoch,
    slot: atMs,
    ...(slots === undefined ? {} : { slots, periodMs }),
    ts: atMs + 3,
    outcome,
    ...(input.reason === undefined ? {} : { reason: input.reason }),
    status: answered ? (input.status ?? '200') : null,
    responseTime: answered ? (input.responseTime ?? 0.012) : null,
  });
}

/** A line of a foreign producer. */
export function foreignLine(jobId: number, ts: number, status = '200', responseTime = 0.5): string {
  return JSON.stringify({ job_id: jobId, ts: START_MS + ts, response_time: responseTime, status });
}

/** Any line: repetitions, zombies of lower epochs, ranges that overlap, fences, foreign lines, rubbish. */
const anyLine: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .record({
        jobId: fc.integer({ min: 1, max: 3 }),
        location: fc.constantFrom('default', 'eu "west"\\1'),
        epoch: fc.integer({ min: 1, max: 3 }),
        slot: fc.integer({ min: 0, max: 40 }),
        outcome: fc.constantFrom('up' as const, 'degraded' as const, 'down' as const),
        status: fc.constantFrom('200', '404', '500', null),
        responseTime: fc.integer({ min: 0, max: 2_000_000 }).map((micros) => micros / 1e6),
        periodMs: fc.constantFrom(1_000, 25_000, 1_900_000),
      })
      .map((input) => line({ ...input, ...(input.outcome === 'up' ? {} : { reason: 'status' as const }) })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        jobId: fc.integer({ min: 1, max: 3 }),
        epoch: fc.integer({ min: 1, max: 3 }),
        slot: fc.integer({ min: 0, max: 40 }),
        slots: fc.integer({ min: 0, max: 20 }),
        periodMs: fc.constantFrom(1_000, 25_000),
      })
      .map((input) => line({ ...input, outcome: 'missed', reason: 'scheduler_down' })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ jobId: fc.integer({ min: 1, max: 3 }), ts: fc.integer({ min: 0, max: 3_000_000 }) })
      .map(({ jobId, ts }) => foreignLine(jobId, ts)),
  },
  { weight: 1, arbitrary: fc.constantFrom('rubbish', '{"v":1}', '{"job_id":0,"ts":1}', '', '{"v":1,"job_id":"1"}') },
);

/** The value of one record. */
export const anyRecord: fc.Arbitrary<string> = fc
  .array(anyLine, { minLength: 1, maxLength: 12 })
  .map((lines) => lines.join('\n'));
