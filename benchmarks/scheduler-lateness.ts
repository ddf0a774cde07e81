// How late timers fire at 1,000, 100,000 and a million jobs of a 60 s period: the timing wheel against one setTimeout a
// job. Each measurement has a process of its own. Usage: npx tsx benchmarks/scheduler-lateness.ts [seconds]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/core/clock.ts';
import { Ticker } from '../src/scheduler/clock/ticker.ts';
import { Timeline } from '../src/scheduler/clock/timeline.ts';
import { scheduleOf } from '../src/scheduler/slots.ts';
import { report, round } from './machine.ts';

const PERIOD_MS = 60_000;
const TARGET_P99_MS = 10;

interface Measurement {
  jobs: number;
  fired: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
  /** Share of one core. */
  cpu_percent: number;
  rss_mb: number;
}

/** `floor`: one timer of 5 ms in a process that does nothing else, which shows what the machine itself adds. */
type Kind = 'wheel' | 'setTimeout' | 'floor';

const [first, ...rest] = process.argv.slice(2);
if (first === 'measure') await measureHere(rest[0] as Kind, Number(rest[1]), Number(rest[2]));
else runAll(Number(first ?? 8));

function runAll(seconds: number): void {
  const runs = [1000, 100_000, 1_000_000].map((jobs) => {
    const floor = measureApart('floor', 0, seconds / 2);
    const wheel = measureApart('wheel', jobs, seconds);
    const setTimeoutEach = measureApart('setTimeout', jobs, seconds);
    return {
      jobs,
      machine_floor: { p50_ms: floor.p50_ms, p99_ms: floor.p99_ms, max_ms: floor.max_ms },
      wheel,
      set_timeout: setTimeoutEach,
      p99_ratio: round(setTimeoutEach.p99_ms / wheel.p99_ms, 2),
      cpu_ratio: round(setTimeoutEach.cpu_percent / wheel.cpu_percent, 2),
    };
  });
  const { wheel, machine_floor: floor } = runs[2];
  const target = {
    million_p99_ms: TARGET_P99_MS,
    measured: wheel.p99_ms,
    machine_floor: floor.p99_ms,
    met: wheel.p99_ms <= TARGET_P99_MS,
  };
  report('scheduler-lateness', { period_ms: PERIOD_MS, seconds, runs, target });
}

function measureApart(kind: Kind, jobs: number, seconds: number): Measurement {
  const args = ['--import=tsx', fileURLToPath(import.meta.url), 'measure', kind, String(jobs), String(seconds)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

async function measureHere(kind: Kind, jobs: number, seconds: number): Promise<void> {
  const late: number[] = [];
  const timeline = new Timeline({ clock: systemClock });
  const schedules = Array.from({ length: jobs }, (_, index) =>
    scheduleOf({ jobId: index + 1, periodMs: PERIOD_MS, cron: null, cronTimezone: null }),
  );
  const next = new Float64Array(jobs);
  let counting = false;
  const fire = (id: number) => {
    if (counting) late.push(timeline.now() - next[id]);
    next[id] = schedules[id].next(next[id]);
  };
  // Timers are set before the first is due, so that the cost of setting them is not measured.
  const begin = timeline.now() + 2000 + jobs / 200;
  for (let id = 0; id < jobs; id++) next[id] = schedules[id].next(begin);
  if (kind === 'floor') {
    const tick = (due: number) =>
      setTimeout(() => {
        if (counting) late.push(performance.now() - due);
        tick(performance.now() + 5);
      }, 5);
    tick(performance.now() + 5);
  } else if (kind === 'wheel') {
    const ticker = new Ticker({
      isIdle: () => false,
      clock: systemClock,
      timeline,
      onDue: (id) => {
        fire(id);
        ticker.set(id, next[id]);
      },
    });
    for (let id = 0; id < jobs; id++) ticker.set(id, next[id]);
    ticker.start();
  } else {
    const set = (id: number) => {
      setTimeout(() => {
        fire(id);
        set(id);
      }, next[id] - timeline.now());
    };
    for (let id = 0; id < jobs; id++) set(id);
  }
  await wait(begin + 1000 - timeline.now());
  counting = true;
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await wait(seconds * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const tookMs = performance.now() - startedAt;
  late.sort((a, b) => a - b);
  const quantile = (share: number) => round(late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0, 2);
  const measurement: Measurement = {
    jobs,
    fired: late.length,
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
    max_ms: quantile(1),
    cpu_percent: round((user + system) / 10 / tookMs),
    rss_mb: round(process.memoryUsage.rss() / 2 ** 20),
  };
  process.stdout.write(JSON.stringify(measurement), () => process.exit(0));
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
