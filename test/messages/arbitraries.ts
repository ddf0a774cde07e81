import fc from 'fast-check';
import { type CheckResult, OUTCOMES, REASONS } from '../../src/messages/check-result.ts';

/** Anywhere, or close together as those of one record mostly are: around an end of the 100 s that share their first digits. */
const time = fc.oneof(
  fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
  fc.integer({ min: 1_749_999_950_000, max: 1_750_000_050_000 }),
);
const seconds = fc.oneof(
  fc.integer({ min: 0, max: 2_000_000 }).map((micros) => micros / 1e6),
  fc.integer({ min: 0, max: 2_000 }).map((millis) => millis / 1e3),
  fc.integer({ min: 0, max: 1e12 }).map((micros) => micros / 1e6),
  fc.constantFrom(0, 1e-6, 0.1, 1, 59.999999, 1e6),
);
const plain = (maxLength: number) => fc.string({ unit: fc.constantFrom(...'abcxyz-_. 019'), minLength: 1, maxLength });
const words = (maxLength: number) =>
  fc.oneof(plain(maxLength), fc.string({ unit: 'grapheme', minLength: 1, maxLength }));
const fits = (maxLength: number) => (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out.
  text.length > 0 && text.length <= maxLength && !/[\u0000-\u001f\u007f]|\p{Surrogate}/u.test(text);

const location = fc.oneof(
  fc.constantFrom('default', 'defaults', 'defaulter', 'e', 'eu-central-1', 'eu-central-2'),
  words(64).filter(fits(64)),
);
const status = fc.oneof(
  fc.integer({ min: 100, max: 599 }).map(String),
  fc.constantFrom('000', '20', '20x', '2000'),
  words(32).filter(fits(32)),
);
const timings = fc.record(
  { dns: seconds, connect: seconds, tls: seconds, tls_resumed: seconds, ttfb: seconds, transfer: seconds },
  { requiredKeys: [] },
);

const values = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z0-9_]{0,39}$/),
  fc.oneof(
    fc.integer({ min: -1e6, max: 1e6 }),
    fc.integer({ min: -1e15, max: 1e15 }).map((micros) => micros / 1e6),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    fc.constantFrom(0, -0, 1e9, -1e9, 0.0000005, -0.0000005, 99_999_999, 999_999_999.999999),
  ),
  { maxKeys: 16 },
);

/** Results as a writer may make them: everything valid, ranges and fences included. */
export const checkResult: fc.Arbitrary<CheckResult> = fc
  .record(
    {
      jobId: fc.oneof(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 2_147_483_647 }),
        fc.integer({ min: 2_147_483_600, max: 2_147_483_647 }),
      ),
      location,
      epoch: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.maxSafeNat()),
      slot: time,
      slots: fc.integer({ min: 0, max: 500 }),
      periodMs: fc.constantFrom(250, 1000, 60_000),
      ts: time,
      outcome: fc.constantFrom(...OUTCOMES),
      reason: fc.constantFrom(...REASONS),
      status: fc.option(status),
      responseTime: fc.option(seconds),
      timings,
      bytes: fc.oneof(fc.nat(), fc.maxSafeNat()),
      attempt: fc.integer({ min: 1, max: 32_767 }),
      detail: fc.oneof(plain(200), fc.string({ maxLength: 260, unit: 'binary' })),
      values,
      maintenance: fc.constant(true as const),
    },
    { requiredKeys: ['jobId', 'location', 'epoch', 'slot', 'ts', 'outcome', 'status', 'responseTime'] },
  )
  .map((result) => {
    const { slots, periodMs, ...rest } = result;
    if (rest.outcome !== 'missed') return rest;
    const { values: _values, ...checked } = rest;
    const missed = { ...checked, status: null, responseTime: null };
    const fitting = slots !== undefined && periodMs !== undefined && rest.slot - slots * periodMs > 946_684_800_000;
    return fitting ? { ...missed, slots, periodMs } : missed;
  });
