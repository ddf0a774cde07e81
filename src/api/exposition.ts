import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { LagStatus } from '../lag/lag-watch.ts';
import type { FleetTotals, SeriesTotals } from '../stats/index.ts';
import type { ApiDependencies, SchedulerPort } from './ports.ts';

export interface Exposition {
  readonly contentType: string;
  render(): Promise<string>;
}

interface Durable {
  fleet: FleetTotals;
  /** null when there are too many, or the settings leave them out. */
  series: SeriesTotals[] | null;
  liveInstances: number;
}

const OUTCOME_KEYS = ['up', 'degraded', 'down', 'missed'] as const;

/**
 * The metrics for Prometheus. Counters of results come from PostgreSQL, so they outlive every process and every scraper sees
 * the same; they are read at most once in a while however many scrape. Numbers of this process come from its own roles.
 */
export function createExposition(dependencies: ApiDependencies): Exposition {
  const registry = new Registry();
  let isScraped = false;
  addProcessMetrics(registry, dependencies);
  const readDurable = cached(dependencies);
  return {
    contentType: registry.contentType,
    render: async () => {
      // Its watch of the event loop wakes the process a hundred times a second: not for nobody.
      if (!isScraped) collectDefaultMetrics({ register: registry });
      isScraped = true;
      const [own, durable, lag] = await Promise.all([registry.metrics(), readDurable(), dependencies.lag.read()]);
      return `${own}\n${lagText(lag)}${durable}`;
    },
  };
}

/** The text of the numbers in PostgreSQL, read again when it is too old. */
function cached(dependencies: ApiDependencies): () => Promise<string> {
  const { clock, logger, options } = dependencies;
  const maxAgeMs = options.metricsCacheMs ?? 5_000;
  let known: { at: number; text: Promise<string> } | undefined;
  return () => {
    const now = clock.monotonicMs();
    if (known && now - known.at < maxAgeMs) return known.text;
    const numbers = readNumbers(dependencies).catch((error: unknown) => {
      logger.debug({ err: error }, 'numbers for /metrics could not be read');
      return null;
    });
    known = { at: now, text: numbers.then(durableText) };
    return known.text;
  };
}

async function readNumbers({ readModel, options, liveInstances }: ApiDependencies): Promise<Durable> {
  const limit = options.maxMetricSeries ?? 10_000;
  const [fleet, instances] = await Promise.all([readModel.fleetTotals(), liveInstances()]);
  const wanted = (options.perJobMetrics ?? true) && fleet.series <= limit;
  return { fleet, series: wanted ? await readModel.seriesTotals(limit) : null, liveInstances: instances.length };
}

function addProcessMetrics(registry: Registry, { scheduler, processor, version, roles }: ApiDependencies): void {
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
  if (!processor) return;
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
    registers,
    collect() {
      this.reset();
      for (const [kind, lines] of Object.entries(status().refused)) this.labels(kind).inc(lines);
    },
  });
  counter('vedette_processor_flushes_total', 'Transactions that wrote numbers.', () => status().flushes);
  counter('vedette_processor_flush_seconds_total', 'Time spent in them.', () => status().flushSeconds);
  gauge('vedette_processor_last_flush_seconds', 'How long the last one took.', () => status().lastFlushSeconds);
}

type AddMetric = (name: string, help: string, read: () => number) => unknown;

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

/** Numbers of the stream and of PostgreSQL, the same from every process. */
function lagText({ lag, partitions, stalls, unknown }: LagStatus): string {
  const place = ({ topic, partition }: { topic: string; partition: number }) =>
    `topic="${escapeLabel(topic)}",partition="${partition}"`;
  return [
    ...metric('vedette_counting_stalled', 'gauge', 'Whether results are not counted, or nobody can tell.'),
    `vedette_counting_stalled ${stalls.length > 0 || unknown !== null ? 1 : 0}`,
    ...metric('vedette_counting_lag_records', 'gauge', 'Records of the stream that are not counted.'),
    ...(lag === null ? [] : partitions.map((one) => `vedette_counting_lag_records{${place(one)}} ${one.lag}`)),
    ...metric('vedette_counting_stalled_seconds', 'gauge', 'For how long a partition with records has stood still.'),
    ...stalls.map(
      (stall) =>
        `vedette_counting_stalled_seconds{${place(stall)},owner="${escapeLabel(stall.owner ?? '')}",reason="${escapeLabel(stall.reason)}"} ${stall.stalledMs / 1_000}`,
    ),
    ...(unknown === null
      ? []
      : [`vedette_counting_stalled_seconds{topic="",partition="",owner="",reason="${escapeLabel(unknown)}"} 0`]),
    '',
  ].join('\n');
}

/** Series that are written before the event loop gets a turn: checks of this process must not wait for a scrape. */
const AT_ONCE = 500;

/** Written by hand, in pieces: a hundred thousand label sets as objects would hold up the checks of this process. */
async function durableText(durable: Durable | null): Promise<string> {
  const lines = metric('vedette_database_up', 'gauge', 'Whether the numbers below could be read.');
  lines.push(`vedette_database_up ${durable ? 1 : 0}`);
  if (!durable) return `${lines.join('\n')}\n`;
  const { fleet, series, liveInstances } = durable;
  lines.push(
    ...metric('vedette_instances', 'gauge', 'Processes that are alive.'),
    `vedette_instances ${liveInstances}`,
  );
  lines.push(...metric('vedette_series', 'gauge', 'Jobs by location.'), `vedette_series ${fleet.series}`);
  lines.push(...metric('vedette_results_total', 'counter', 'Counted results of all jobs.'));
  for (const outcome of OUTCOME_KEYS) lines.push(`vedette_results_total{outcome="${outcome}"} ${fleet[outcome]}`);
  if (!series) return `${lines.join('\n')}\n`;
  const results = metric('vedette_job_results_total', 'counter', 'Counted results of a job at a location.');
  const responses = metric(
    'vedette_job_responses_total',
    'counter',
    'Responses of a job at a location, by status code.',
  );
  const merged = mergeSeries(series);
  for (let from = 0; from < merged.length; from += AT_ONCE) {
    const part = merged.slice(from, from + AT_ONCE);
    results.push(part.map(resultLines).join('\n'));
    responses.push(...part.map(responseLines).filter((text) => text !== ''));
    await nextTurn();
  }
  return `${[...lines, ...results, ...responses].join('\n')}\n`;
}

interface LabelledTotals {
  labels: string;
  totals: SeriesTotals;
}

function resultLines({ labels, totals }: LabelledTotals): string {
  return OUTCOME_KEYS.map(
    (outcome) => `vedette_job_results_total{${labels},outcome="${outcome}"} ${totals[outcome]}`,
  ).join('\n');
}

function responseLines({ labels, totals }: LabelledTotals): string {
  return Object.entries(totals.codes)
    .map(([code, count]) => `vedette_job_responses_total{${labels},code="${escapeLabel(code)}"} ${count}`)
    .join('\n');
}

/** A job that changed its topic has a row for each topic; they are one counter. */
function mergeSeries(series: readonly SeriesTotals[]): LabelledTotals[] {
  const merged = new Map<string, SeriesTotals>();
  for (const one of series) {
    const labels = `job_id="${one.jobId}",location="${escapeLabel(one.location)}"`;
    const known = merged.get(labels);
    if (!known) {
      merged.set(labels, { ...one, codes: { ...one.codes } });
      continue;
    }
    for (const outcome of OUTCOME_KEYS) known[outcome] += one[outcome];
    for (const [code, count] of Object.entries(one.codes)) known.codes[code] = (known.codes[code] ?? 0) + count;
  }
  return [...merged].map(([labels, totals]) => ({ labels, totals }));
}

function metric(name: string, type: 'counter' | 'gauge', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
