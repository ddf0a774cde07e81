import fc from 'fast-check';
import { test } from 'tap';
import { TICK_MS, TimingWheel } from '../../../src/scheduler/clock/timing-wheel.ts';

test('timers fire in order, never early, at most one tick late', async (t) => {
  const start = 1_790_000_000_003;
  const wheel = new TimingWheel(start, { capacity: 2, buckets: 16 });
  const due = new Map<number, number>();
  for (let id = 0; id < 500; id++) {
    due.set(id, start + ((id * 7919) % 2000));
    wheel.set(id, due.get(id)!);
  }
  let before = 0;
  for (let now = start; now <= start + 2100; now += TICK_MS) {
    wheel.advance(now, (id) => {
      const dueMs = due.get(id)!;
      t.ok(now >= dueMs, 'not early');
      t.ok(now < dueMs + 2 * TICK_MS, 'not late');
      t.ok(dueMs >= before - TICK_MS);
      before = dueMs;
      due.delete(id);
    });
  }
  t.equal(due.size, 0);
  t.equal(wheel.size, 0);
});

test('any sequence of set, move, clear and leaps agrees with a sorted list', async (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), id: fc.nat(30), delay: fc.integer({ min: -50, max: 3000 }) }),
    fc.record({ kind: fc.constant('clear' as const), id: fc.nat(30), delay: fc.constant(0) }),
    fc.record({ kind: fc.constant('advance' as const), id: fc.constant(0), delay: fc.integer({ min: 0, max: 900 }) }),
    fc.record({ kind: fc.constant('leap' as const), id: fc.constant(0), delay: fc.integer({ min: 0, max: 1e11 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let now = 1_000_000;
      const wheel = new TimingWheel(now, { capacity: 1, buckets: 64 });
      const model = new Map<number, number>();
      for (const { kind, id, delay } of steps) {
        if (kind === 'set') {
          wheel.set(id, now + delay);
          model.set(id, now + delay);
        } else if (kind === 'clear') {
          wheel.clear(id);
          model.delete(id);
        } else {
          now += delay;
          const fired = new Set<number>();
          wheel.advance(now, (due) => fired.add(due));
          for (const [due, dueMs] of model) {
            if (dueMs <= now - TICK_MS) t.ok(fired.has(due), 'what is due fires');
            if (dueMs > now) t.notOk(fired.has(due), 'what is not due waits');
            if (fired.has(due)) model.delete(due);
          }
        }
        t.equal(wheel.size, model.size);
      }
    }),
    { numRuns: 200 },
  );
});

test('a timer set while its tick fires comes with a later tick', async (t) => {
  const wheel = new TimingWheel(0);
  wheel.set(1, 10);
  let fired = 0;
  wheel.advance(10, (id) => {
    fired++;
    wheel.set(id, 0);
  });
  t.equal(fired, 1);
  wheel.advance(15, () => fired++);
  t.equal(fired, 2);
});

test('advance can stop in the middle and go on', async (t) => {
  const wheel = new TimingWheel(0);
  for (let id = 0; id < 10; id++) wheel.set(id, 20);
  const fired: number[] = [];
  t.notOk(
    wheel.advance(
      100,
      (id) => fired.push(id),
      () => fired.length < 4,
    ),
  );
  t.equal(fired.length, 4);
  t.equal(wheel.sleepMs(100, 50), 0, 'no sleep with work left');
  t.ok(wheel.advance(100, (id) => fired.push(id)));
  t.equal(new Set(fired).size, 10);
  t.equal(wheel.sleepMs(100, 50), 50);
});

test('Infinity is no timer', async (t) => {
  const wheel = new TimingWheel(0);
  wheel.set(3, 10);
  wheel.set(3, Number.POSITIVE_INFINITY);
  t.notOk(wheel.isSet(3));
  t.notOk(wheel.isSet(99_999));
  t.equal(wheel.size, 0);
});
