import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { withDeadline } from '../core/deadline.ts';
import type { LagStatus } from '../lag/lag-watch.ts';
import type { FleetTotals, SeriesTotals } from '../stats/index.ts';
import type { ApiDependencies } from './ports.ts';

export interface Exposition {
  render(): Promise<{ text: string; contentType: string }>;
}

interface Durable {
  fleet: FleetTotals;
  /** null when there are too many, or the settings leave them out. */
  series: SeriesTotals[] | null;
  liveInstances: number;
}

/** Prometheus waits for 10 s by default; a database that takes longer than this is as good as away. */
const PATIENCE_MS = 4_000;

const OUTCOME_KEYS = ['up', 'degraded', 'down', 'missed'] as const;

/**
 * The metrics for Prometheus. Counters of results come from PostgreSQL, so they outlive every process and every scraper sees
 * the same; they are read at most once in a while however many scrape. Numbers of this process come from its own roles.
 */
export function createExposition(dependencies: ApiDependencies): Exposition {
  const readDurable = cached(dependencies);
  let loaded: Promise<Registry> | undefined;
  return {
    async render() {
      // Its watch of the event loop wakes the process a hundred times a second: not for nobody.
      loaded ??= import('./process-metrics.ts').then(({ createProcessMetrics }) => createProcessMetrics(dependencies));
      const registry = await loaded;
      const [own, durable, lag] = await Promise.all([registry.metrics(), readDurable(), dependencies.lag.read()]);
      return { text: `${own}\n${lagText(lag)}${durable}`, contentType: registry.contentType };
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
    const reading = readNumbers(dependencies);
    const numbers = withDeadline(reading, PATIENCE_MS, 'numbers for /metrics were not read').catch((error: unknown) => {
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
