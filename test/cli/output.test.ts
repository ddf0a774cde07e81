import { test } from 'tap';
import { onInterrupt } from '../../src/cli/interrupt.ts';
import { createOutput, createStyle, formatCount, formatCsv, formatSeconds, formatTable } from '../../src/cli/output.ts';
import { formatShare } from '../../src/cli/stats-tables.ts';
import { formatTimingBar } from '../../src/cli/timing-bar.ts';

const plain = createStyle(false);

test('tables line up, also with wide characters, and cut nothing off', async (t) => {
  const rows = [
    { name: '日本', count: 5 },
    { name: 'a name', count: 12345 },
  ];
  const columns = [
    { title: 'name', value: (row: (typeof rows)[0]) => row.name },
    { title: 'count', value: (row: (typeof rows)[0]) => formatCount(row.count), align: 'right' as const },
  ];
  t.equal(formatTable(rows, columns, plain), 'name     count\n日本         5\na name  12 345');
  t.equal(formatCsv([{ name: 'a "b", c', count: 1 }], columns), 'name,count\n"a ""b"", c",1');
});

test('colours only on a terminal that has them', async (t) => {
  const write = () => true;
  const red = (stream: object) => createOutput({ write, ...stream }).style.red('x');
  t.equal(red({}), 'x');
  t.equal(red({ isTTY: true, hasColors: () => false }), 'x', 'NO_COLOR');
  t.equal(red({ isTTY: true, hasColors: () => true }), '\x1b[31mx\x1b[39m');
});

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
});

test('the timing bar shows each phase after the one before, however short', async (t) => {
  const lines = formatTimingBar({ connect: 0.01, ttfb: 0.03, transfer: 0.000001 }, plain, 8);
  t.same(
    lines.map((line) => line.slice(0, 35)),
    [
      '  connect    10.0 ms  25%  ██      ',
      '  ttfb       30.0 ms  75%    ██████',
      '  transfer   0.00 ms   0%         █',
    ],
  );
  t.same(formatTimingBar({}, plain), []);
});

test('signals: the first stops, the same press of the keys is not a second one, a further Ctrl-C forces', async (t) => {
  let now = 0;
  const calls: string[] = [];
  const release = onInterrupt(
    { onStop: (signal) => calls.push(`stop ${signal}`), onForce: (signal) => calls.push(`force ${signal}`) },
    () => now,
  );
  t.teardown(release);
  process.emit('SIGINT', 'SIGINT');
  now = 5;
  process.emit('SIGINT', 'SIGINT');
  now = 1000;
  process.emit('SIGTERM', 'SIGTERM');
  t.same(calls, ['stop SIGINT']);
  process.emit('SIGINT', 'SIGINT');
  t.same(calls, ['stop SIGINT', 'force SIGINT']);
});
