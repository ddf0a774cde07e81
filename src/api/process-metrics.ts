import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ApiDependencies, ProcessorPort, SchedulerPort } from './ports.ts';

/** The numbers of this process, of its roles and of Node.js. */
export function createProcessMetrics({ scheduler, processor, version, roles }: ApiDependencies): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: 'vedette_info',
    help: 'Version and roles of this process.',
    labelNames: ['version', 'roles'],
    registers,
  })
    .labels(version, roles.join(','))
    .set(1);
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  if (scheduler) addSchedulerMetrics(registry, scheduler, gauge, counter);
  if (processor) addProcessorMetrics(registry, processor, gauge, counter);
  return registry;
}

type AddMetric = (name: string, help: string, read: () => number) => unknown;

function addProcessorMetrics(registry: Registry, processor: ProcessorPort, gauge: AddMetric, counter: AddMetric): void {
  const status = () => processor.status();
  counter('vedette_processor_results_total', 'Results counted by this process.', () => status().consumed);
  counter('vedette_processor_duplicates_total', 'Repetitions dropped.', () => status().duplicates);
  counter('vedette_processor_fenced_total', 'Results of former owners dropped.', () => status().fenced);
  counter(
    'vedette_processor_dead_letters_total',
    'Lines put aside, unreadable or refused.',
    () => status().deadLetters,
  );
  new Counter({
    name: 'vedette_processor_refused_lines_total',
    help: 'Lines that were not counted, by why.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, lines] of Object.entries(status().refused)) this.labels(kind).inc(lines);
    },
  });
  counter('vedette_processor_flushes_total', 'Transactions that wrote numbers.', () => status().flushes);
  counter('vedette_processor_flush_seconds_total', 'Time spent in them.', () => status().flushSeconds);
  gauge('vedette_processor_last_flush_seconds', 'How long the last one took.', () => status().lastFlushSeconds);
}

function addSchedulerMetrics(registry: Registry, scheduler: SchedulerPort, gauge: AddMetric, counter: AddMetric): void {
  const status = () => scheduler.status();
  gauge('vedette_scheduler_running_jobs', 'Jobs that the scheduler of this process owns.', () => status().runningJobs);
  gauge('vedette_scheduler_checks_in_flight', 'Checks under way.', () => status().inFlight);
  gauge('vedette_scheduler_queued_bytes', 'Results that wait for the stream.', () => status().queuedBytes);
  counter('vedette_scheduler_results_total', 'Results acknowledged by the stream.', () => status().produced);
  gauge('vedette_scheduler_clock_ahead_seconds', "How far this machine's clock is ahead of PostgreSQL's.", () => {
    const { clockAheadMs } = status();
    return clockAheadMs === null ? Number.NaN : clockAheadMs / 1_000;
  });
  gauge('vedette_scheduler_clock_problem', 'Whether something is wrong with the clock that slots follow.', () =>
    status().clockProblem === null ? 0 : 1,
  );
  addThreadMetrics(registry, status);
  new Gauge({
    name: 'vedette_scheduler_lateness_seconds',
    help: 'How late checks began of late.',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      const { p50, p99, max } = status().latenessMs;
      for (const [quantile, ms] of Object.entries({ '0.5': p50, '0.99': p99, '1': max })) {
        this.labels(quantile).set(ms / 1_000);
      }
    },
  });
  new Counter({
    name: 'vedette_scheduler_missed_total',
    help: 'Slots given up, by reason.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, slots] of Object.entries(status().missedByReason)) this.labels(reason).inc(slots);
    },
  });
}

function addThreadMetrics(registry: Registry, status: SchedulerPort['status']): void {
  const common = { labelNames: ['thread'], registers: [registry] };
  const threads = () => status().threads.map((thread, index) => ({ ...thread, label: String(index + 1) }));
  new Gauge({
    ...common,
    name: 'vedette_scheduler_thread_checks_in_flight',
    help: 'Checks under way on a thread, or waiting for it.',
    collect() {
      for (const { label, underWay } of threads()) this.labels(label).set(underWay);
    },
  });
  new Counter({
    ...common,
    name: 'vedette_scheduler_thread_restarts_total',
    help: 'Times a thread of checks was started again.',
    collect() {
      this.reset();
      for (const { label, restarts } of threads()) this.labels(label).inc(restarts);
    },
  });
  new Counter({
    ...common,
    name: 'vedette_scheduler_thread_busy_seconds_total',
    help: 'Time for which the event loop of a thread of checks was busy since its start.',
    collect() {
      this.reset();
      for (const { label, busyMs } of threads()) this.labels(label).inc(busyMs / 1_000);
    },
  });
}
