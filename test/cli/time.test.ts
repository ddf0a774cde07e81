import { test } from 'tap';
import { parseRange } from '../../src/cli/options/time-range.ts';
import { parseInstant, TIME_PATTERN } from '../../src/core/instant.ts';
import { formatInstant } from '../../src/stats/index.ts';

const NOW = Date.UTC(2026, 10, 21, 9, 30);
const HOUR = 3_600_000;

test('instants: ISO 8601 in UTC unless it has a zone, now, and how long ago', async (t) => {
  const cases: Array<[string, number]> = [
    ['now', NOW],
    ['24h', NOW - 24 * HOUR],
    ['-90m', NOW - 1.5 * HOUR],
    ['7d ago', NOW - 168 * HOUR],
    ['2026-11-20', Date.UTC(2026, 10, 20)],
    ['2026-11-20T08:15', Date.UTC(2026, 10, 20, 8, 15)],
    ['2026-11-20 08:15:30Z', Date.UTC(2026, 10, 20, 8, 15, 30)],
    ['2w', NOW - 336 * HOUR],
    ['2026-11-20T08:15:30.1239Z', Date.UTC(2026, 10, 20, 8, 15, 30, 123)],
    [String(NOW), NOW],
    ['2026-11-20T08:15 02:00', Date.UTC(2026, 10, 20, 6, 15)],
    ['2026-11-20T08:15+02:00', Date.UTC(2026, 10, 20, 6, 15)],
  ];
  for (const [text, expected] of cases) {
    t.equal(parseInstant(text, NOW), expected, text);
    t.match(text, new RegExp(TIME_PATTERN));
  }
  for (const text of [
    '',
    'yesterday',
    '2026-13-01',
    '0',
    '20261120',
    '2026-02-30',
    '2026-11-20T25:00',
    '9'.repeat(16),
  ]) {
    t.equal(parseInstant(text, NOW), null, text);
    t.throws(() => parseRange({ from: text }, '1h', NOW), { code: 'VED_USAGE', message: /^--from: given / }, text);
  }
});

test('ranges', async (t) => {
  t.same(parseRange({}, '24h', NOW), { fromMs: NOW - 24 * HOUR, toMs: NOW });
  t.same(parseRange({ to: '1h', range: '2h' }, '24h', NOW), { fromMs: NOW - 3 * HOUR, toMs: NOW - HOUR });
  t.same(parseRange({ from: '3h', to: '1h' }, '24h', NOW), { fromMs: NOW - 3 * HOUR, toMs: NOW - HOUR });
  t.throws(() => parseRange({ from: '3h', range: '1h' }, '24h', NOW), /give one of them/);
  t.throws(() => parseRange({ from: '1h', to: '1h' }, '24h', NOW), /is not before/);
  t.equal(formatInstant(NOW), '2026-11-21 09:30:00Z');
});
