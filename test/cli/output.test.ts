import { test } from 'tap';
import { formatTimingBar } from '../../src/cli/checks/timing-bar.ts';
import { onInterrupt } from '../../src/cli/terminal/interrupt.ts';
import { createOutput, createStyle } from '../../src/cli/terminal/output.ts';
import { formatCsv, formatTable } from '../../src/cli/terminal/table.ts';
import { formatCount } from '../../src/stats/index.ts';

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
  t.same(
    formatTimingBar({ connect: 0.01, tls: 0.02, tls_resumed: 0.01 }, plain, 8).map((line) => line.slice(0, 38)),
    [
      '  connect       10.0 ms  25%  ██      ',
      '  tls           20.0 ms  50%    ████  ',
      '  tls_resumed   10.0 ms  25%        ██',
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
