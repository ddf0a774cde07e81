import fc from 'fast-check';
import { test } from 'tap';
import { Limiter } from '../../../src/scheduler/checks/limiter.ts';

test('any sequence keeps both bounds, serves in order per host and starves nobody', async (t) => {
  const step = fc.record({
    kind: fc.constantFrom('acquire', 'acquire', 'release', 'cancel'),
    host: fc.nat(3),
    pick: fc.nat(99),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 5 }), (steps, limit) => {
      const active: Array<{ id: number; host: string }> = [];
      const waiting: Array<{ id: number; host: string }> = [];
      const limiter = new Limiter<{ id: number; host: string }>({
        limit,
        perHost: 2,
        onGranted: (item) => {
          const first = waiting.find(({ host }) => host === item.host);
          t.equal(first, item, 'first come, first served');
          waiting.splice(waiting.indexOf(item), 1);
          active.push(item);
          return true;
        },
      });
      steps.forEach(({ kind, host, pick }, id) => {
        if (kind === 'acquire') {
          const item = { id, host: `h${host}` };
          if (limiter.acquire(item, item.host)) active.push(item);
          else waiting.push(item);
        } else if (kind === 'release' && active.length > 0) {
          const [item] = active.splice(pick % active.length, 1);
          limiter.release(item.host);
        } else if (kind === 'cancel' && waiting.length > 0) {
          const [item] = waiting.splice(pick % waiting.length, 1);
          limiter.cancel(item);
        }
        t.equal(limiter.active, active.length);
        t.equal(limiter.waiting, waiting.length);
        t.ok(active.length <= limit);
        const perHost = new Map<string, number>();
        for (const { host: name } of active) perHost.set(name, (perHost.get(name) ?? 0) + 1);
        for (const count of perHost.values()) t.ok(count <= 2);
        if (active.length < limit) {
          for (const { host: name } of waiting) t.equal(perHost.get(name), 2, 'who waits, waits for its host');
        }
      });
    }),
    { numRuns: 150 },
  );
});

test('who does not want to start any more passes its turn on', async (t) => {
  const granted: string[] = [];
  const limiter = new Limiter<string>({
    limit: 1,
    perHost: 1,
    onGranted: (item) => {
      granted.push(item);
      return item === 'd';
    },
  });
  t.ok(limiter.acquire('a', 'x'));
  for (const item of ['b', 'c', 'd', 'e']) t.notOk(limiter.acquire(item, item === 'c' ? 'y' : 'x'));
  limiter.release('x');
  t.strictSame(granted, ['b', 'd'], 'the next of the same host');
  t.equal(limiter.active, 1);
  t.equal(limiter.waiting, 2);
});

test('checks that connect to no host are bounded in total only', (t) => {
  const limiter = new Limiter<number>({ limit: 3, perHost: 1, onGranted: () => true });
  t.strictSame(
    [1, 2, 3, 4].map((item) => limiter.acquire(item, '')),
    [true, true, true, false],
  );
  limiter.release('');
  t.equal(limiter.active, 3);
  t.equal(limiter.waiting, 0);
  t.end();
});
