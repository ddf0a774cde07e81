import { test } from 'tap';
import { TapReader } from '../../scripts/tap-reader.mjs';

const OUTPUT = `TAP version 14
# Subtest: test/a.test.ts
    # Subtest: holds
        ok 1 - should be equal
        1..1
    ok 1 - holds # time=3ms

    # Subtest: breaks
        ok 1 - fine
        not ok 2 - should be equal
          ---
          message: not ok 7 - this is no line of TAP
          ...
        # Subtest: inner
            not ok 1 - deep
            1..1
        not ok 3 - inner # time=1ms
        1..3
    not ok 2 - breaks # time=3ms

    # Subtest: to be done
        not ok 1 - later # TODO
        1..1
    ok 3 - to be done # time=3ms
    1..3
not ok 1 - test/a.test.ts # time=20ms

# Subtest: test/b.test.ts
    # Subtest: takes too long
        ok 1 - so far
    not ok 1 - timeout!
not ok 2 - test/b.test.ts # time=300ms

# { total: 7, pass: 3, fail: 4, todo: 1 }
# { total: 2, pass: 1, skip: 1 }
`;

test('adds up totals and names what failed', async (t) => {
  const tap = new TapReader();
  for (const line of OUTPUT.split('\n')) tap.line(line);
  t.strictSame(tap.counted, { passed: 4, failed: 4, skipped: 2 });
  t.strictSame(tap.failures, [
    'test/a.test.ts > breaks > should be equal',
    'test/a.test.ts > breaks > inner > deep',
    'test/b.test.ts > timeout!',
  ]);
});

test('a file that ends badly by itself is named', async (t) => {
  const tap = new TapReader();
  for (const line of ['# Subtest: test/c.test.ts', '    ok 1 - fine', 'not ok 1 - test/c.test.ts # time=3ms'])
    tap.line(line);
  t.strictSame(tap.failures, ['test/c.test.ts']);
});
