import { test } from 'tap';
import type { Job } from '../../../src/jobs/definition.ts';
import type { Probe } from '../../../src/monitors/monitor.ts';
import { Probes } from '../../../src/scheduler/checks/probes.ts';
import type { Series } from '../../../src/scheduler/series.ts';

test('probes of 12,000 jobs: those with a connection are all kept, the others up to 10,000; a removed job leaves none', (t) => {
  const open = new Set<Probe>();
  const prepare = ({ options }: Job): Probe => {
    const probe: Probe = Object.assign(
      async () => ({ outcome: 'up' as const, status: '200', responseTime: 0, timings: {} }),
      {
        keeps: options.keep_alive === true,
        close: () => void open.delete(probe),
      },
    );
    open.add(probe);
    return probe;
  };
  const seriesOf = (keepAlive: boolean) =>
    Array.from(
      { length: 12_000 },
      () =>
        ({
          probe: null,
          job: { options: { keep_alive: keepAlive } },
          schedule: { periodMs: 60_000 },
        }) as unknown as Series,
    );
  for (const { keepAlive, kept } of [
    { keepAlive: true, kept: 12_000 },
    { keepAlive: false, kept: 10_000 },
  ]) {
    const probes = new Probes(prepare);
    const series = seriesOf(keepAlive);
    const first = series.map((each) => probes.get(each));
    const again = series.filter((each, index) => probes.get(each) === first[index]);
    t.equal(again.length, kept, `keep_alive: ${keepAlive}`);
    open.clear();
    for (const each of series) if (each.probe) open.add(each.probe);
    t.equal(open.size, kept);
    for (const each of series) {
      const probe = probes.get(each);
      open.add(probe);
      probes.settled(each, probe);
    }
    t.equal(open.size, kept, 'one that is not kept is closed after its check');
    for (const each of series) probes.drop(each);
    t.equal(open.size, 0, 'each is closed');
    const [next] = seriesOf(keepAlive);
    t.equal(probes.get(next!), probes.get(next!), 'and leaves its place to others');
  }
  t.end();
});
