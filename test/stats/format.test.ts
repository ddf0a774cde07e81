import { test } from 'tap';
import {
  formatAge,
  formatAgo,
  formatCount,
  formatElapsed,
  formatSeconds,
  formatShare,
  formatSize,
  formatWholeShare,
} from '../../src/stats/index.ts';

test('numbers for people', async (t) => {
  t.same([0.00123, 0.0123, 0.123, 1.5, 12.34, null].map(formatSeconds), [
    '1.23 ms',
    '12.3 ms',
    '123 ms',
    '1500 ms',
    '12.3 s',
    '-',
  ]);
  t.same([1, 0.999999, 0.5, 0, null].map(formatShare), ['100%', '99.9999%', '50.00%', '0.00%', '-']);
  t.same([0.99999, 0.9987, 1 - 1e-12, 0.99999999].map(formatShare), ['99.9990%', '99.87%', '99.9999%', '99.9999%']);
  t.same([1, 0.999, 0.97, 0.004].map(formatWholeShare), ['100%', '99%', '97%', '0%']);
  t.same([999, 1_000, 1_234_567].map(formatCount), ['999', '1 000', '1 234 567']);
  t.same([999, 1_500, 1_500_000, 200 * 2 ** 30].map(formatSize), ['999 B', '1.5 KiB', '1.4 MiB', '200 GiB']);
});

test('times that have passed', async (t) => {
  t.same([0, 59_400, 60_000, 3_600_000, 5_400_000, 200_000_000].map(formatElapsed), [
    '0 s',
    '59 s',
    '1 min',
    '1 h',
    '1 h 30 min',
    '2 d',
  ]);
  t.equal(formatAgo(1_000, 1_200), 'just now');
  t.equal(formatAgo(1_000, 4_000), '3 s ago');
  t.same([0, 1_000, 60_000, 3 * 3_600_000, 86_400_000].map(formatAge), [
    '0 seconds ago',
    '1 second ago',
    '1 minute ago',
    '3 hours ago',
    '1 day ago',
  ]);
});
