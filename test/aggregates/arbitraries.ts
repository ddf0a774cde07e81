import fc from 'fast-check';
import { type CheckResult, OUTCOMES, REASONS } from '../../src/messages/check-result.ts';

const T = Date.UTC(2026, 0, 31, 23, 58, 30);

const series = fc.record({
  jobId: fc.integer({ min: 1, max: 4 }),
  location: fc.constantFrom('default', 'zürich'),
});
/** Results of few series, near each other and far apart in time, ranges and fences included. */
export const someResult: fc.Arbitrary<CheckResult> = fc
  .record({
    series,
    offset: fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: -90_000_000, max: 90_000_000 })),
    outcome: fc.constantFrom(...OUTCOMES),
    reason: fc.option(fc.constantFrom(...REASONS), { nil: undefined }),
    status: fc.option(fc.constantFrom('200', '404', '500', 'NXDOMAIN', '__proto__')),
    micros: fc.option(fc.oneof(fc.nat({ max: 5000 }), fc.nat({ max: 60_000_000 }), fc.integer({ min: 0, max: 1e12 }))),
    slots: fc.integer({ min: 0, max: 150 }),
  })
  .map(({ series, offset, outcome, reason, status, micros, slots }) => {
    const base = { ...series, epoch: 1, slot: T + offset, ts: T + offset + 1, outcome, ...(reason && { reason }) };
    if (outcome === 'missed') return { ...base, status: null, responseTime: null, slots, periodMs: 1000 };
    return { ...base, status, responseTime: micros === null ? null : micros / 1e6 };
  });
