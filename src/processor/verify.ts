import { bucketStart } from '../aggregates/granularity.ts';
import { type GranularityPlan, planMetrics } from '../aggregates/metrics-plan.ts';
import type { Database, Transaction } from '../storage/database.ts';
import { readRefusedLines } from '../storage/processor-dead-letters.ts';
import { readOffsets, type StoredOffset } from '../storage/processor-offsets.ts';
import {
  beginSnapshot,
  type CountedSeries,
  countMetricRows,
  readCountedSeries,
  readMetricRows,
  readRouting,
  readVerifiedSpans,
} from '../storage/processor-verify.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { type CoverageReport, checkCoverage } from './coverage.ts';
import { Retained } from './retained.ts';
import { Shadow } from './shadow.ts';
import { type Difference, type Mismatch, type ShadowRange, ShadowRows } from './shadow-rows.ts';

export type { CoverageReport, SeriesCoverage } from './coverage.ts';
export type { Difference, Mismatch } from './shadow-rows.ts';

export interface VerifyOptions {
  database: Database;
  driver: StreamDriver;
  /** All topics that are counted. */
  topics: readonly string[];
  /** Half-open, ms since the epoch. Only buckets wholly inside are judged. */
  fromMs: number;
  toMs: number;
  plans?: readonly GranularityPlan[];
  /** Rows of older buckets than this may have been dropped, by granularity, ms since the epoch. */
  keptFromMs?: Readonly<Record<string, number>>;
  onProgress?: (progress: VerifyProgress) => void;
  /** Told of every row that is not what the log says, and whether the log proves it. */
  onMismatch?: (mismatch: Mismatch, isProvable: boolean) => void;
  /** Rows compared in one reading of the log; a range with more takes several. Default 200,000. */
  maxRows?: number;
  /** How many differences are listed. Default 1,000; all are counted. */
  maxListed?: number;
  signal?: AbortSignal;
}

export interface VerifyProgress {
  /** Records of the log read so far, of `total` about, over all readings. */
  records: number;
  total: number;
}

/** A partition from which more (or less) was counted than its log, seemingly whole, holds: its topic was replaced. */
export interface UnequalPartition {
  topic: string;
  partition: number;
  counted: number;
  found: number;
}

/** A stretch of which nothing is claimed. */
export interface NotCovered {
  granularity: string;
  fromMs: number;
  toMs: number;
  why: string;
}

export interface VerifyReport {
  fromMs: number;
  toMs: number;
  /** No difference, no gap in the coverage, and something was judged. */
  ok: boolean;
  records: number;
  /** Slots and foreign lines counted anew. */
  results: number;
  /** Rows whose every column is what the log says. */
  equalRows: number;
  differences: Difference[];
  differenceCount: number;
  /** Differences that may come from what the log no longer has (an epoch raised there), or from a series in two partitions. */
  unprovable: Difference[];
  unprovableCount: number;
  notCovered: NotCovered[];
  unequalPartitions: UnequalPartition[];
  /** Series that are counted further than their offset says: a record of very long gaps is being counted in parts. */
  aheadSeries: number;
  /** Until when the log lacks results, ms since the epoch; null when it has all of the range. */
  removedUntilMs: number | null;
  coverage: CoverageReport;
}

/**
 * The proof: reads the log from its beginning up to exactly where it has been counted in one snapshot of the database,
 * counts it again in memory, and compares every row bit for bit. It may run on a live system, which goes on meanwhile.
 * What the log's retention has removed is named, and nothing is claimed about it. Rows may only be ahead of it while a
 * record of very long gaps is being counted in parts: then verify again.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  return options.database.transaction((tx) => new Verification(options, tx).run(), { statementTimeoutMs: 0 });
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #tx: Transaction;
  readonly #report: VerifyReport;
  #offsets: Array<StoredOffset & { counted: number }> = [];
  #progress: CountedSeries[] = [];
  readonly #counted = new Map<string, number>();
  readonly #foreign = new Set<string>();
  /** Counted anew, by `topic partition`. */
  readonly #found = new Map<string, number>();
  #readRecords = 0;
  #totalRecords = 0;

  constructor(options: VerifyOptions, tx: Transaction) {
    this.#options = options;
    this.#tx = tx;
    this.#report = {
      fromMs: options.fromMs,
      toMs: options.toMs,
      ok: false,
      records: 0,
      results: 0,
      equalRows: 0,
      differences: [],
      differenceCount: 0,
      unprovable: [],
      unprovableCount: 0,
      notCovered: [],
      unequalPartitions: [],
      aheadSeries: 0,
      removedUntilMs: null,
      coverage: { series: 0, due: 0, counted: 0, pending: 0, gaps: [], unknown: [] },
    };
  }

  async run(): Promise<VerifyReport> {
    const { topics, maxRows = 200_000 } = this.#options;
    await beginSnapshot(this.#tx);
    this.#offsets = await readOffsets(this.#tx, topics);
    this.#progress = await readCountedSeries(this.#tx, topics);
    const refused = groupLines(await readRefusedLines(this.#tx, topics));
    const ranges = this.#ranges();
    let rows = 0;
    for (const range of ranges) rows += await countMetricRows(this.#tx, toMetricRange(range));
    const parts = Math.max(1, Math.ceil(rows / maxRows));
    for (let part = 0; part < parts; part++) {
      const shadowRows = new ShadowRows(ranges);
      const includes = parts === 1 ? () => true : (jobId: number) => jobId % parts === part;
      const shadow = new Shadow({ rows: shadowRows, includes, refused });
      const retained = await this.#readLog(shadow, parts);
      this.#note(shadow, includes, retained);
      await this.#compare(ranges, { part, parts }, shadow, shadowRows, retained);
      if (part === 0) this.#nameRemoved(ranges, retained);
      if (part === parts - 1) this.#nameUnequal(retained);
    }
    await this.#checkCoverage(ranges);
    const report = this.#report;
    const judged = report.equalRows > 0 || report.notCovered.length === 0;
    report.ok = judged && report.differenceCount === 0 && report.coverage.gaps.length === 0;
    return report;
  }

  /** Per granularity, the buckets wholly inside the range whose rows are still kept. */
  #ranges(): ShadowRange[] {
    const { plans = planMetrics(), keptFromMs = {}, fromMs, toMs } = this.#options;
    return plans.flatMap((plan) => {
      const up = (ms: number) => -bucketStart(-ms, plan.durationMs);
      const kept = keptFromMs[plan.name] ?? Number.NEGATIVE_INFINITY;
      const first = up(Math.max(fromMs, kept));
      const end = bucketStart(toMs, plan.durationMs);
      if (kept > fromMs) this.#notCovered(plan, fromMs, Math.min(first, toMs), 'rows so old may have been dropped');
      if (first < end) return [{ plan, fromMs: first, toMs: end }];
      if (kept <= fromMs) this.#notCovered(plan, fromMs, toMs, 'no bucket lies wholly in the range');
      return [];
    });
  }

  /** Reads each partition from its first record up to where it is counted; answers what the log still has. */
  async #readLog(shadow: Shadow, parts: number): Promise<Retained> {
    const { driver, topics, signal } = this.#options;
    const routing = await readRouting(this.#tx, topics);
    const retained = new Retained(routing, topicsByJob(this.#progress));
    for (const topic of topics) {
      const lows = new Map((await driver.ranges(topic)).map(({ partition, low }) => [partition, low]));
      const stretches = this.#offsets
        .filter((offset) => offset.topic === topic && offset.nextOffset !== null)
        .map(({ partition, nextOffset }) => ({ partition, from: lows.get(partition) ?? 0, to: nextOffset! }))
        .filter(({ from, to }) => from < to);
      this.#totalRecords += stretches.reduce((sum, { from, to }) => sum + (to - from), 0) * parts;
      const times = new Map<number, Array<{ offset: number; timestamp: number }>>();
      for await (const { partition, records } of driver.read(topic, stretches, signal)) {
        for (const record of records) shadow.add(topic, partition, record);
        this.#readRecords += records.length;
        const marks = times.get(partition) ?? [];
        const { offset, timestamp } = records[0];
        marks.push({ offset, timestamp });
        times.set(partition, marks);
        this.#options.onProgress?.({ records: this.#readRecords, total: this.#totalRecords });
      }
      signal?.throwIfAborted();
      // Retention may have gone on while the log was read: only what is there now was surely read.
      for (const { partition, low } of await driver.ranges(topic)) {
        const first = times.get(partition)?.find(({ offset }) => offset >= low);
        const from = low === 0 ? Number.NEGATIVE_INFINITY : (first?.timestamp ?? Number.POSITIVE_INFINITY);
        retained.set(topic, partition, from);
      }
    }
    this.#report.records = this.#readRecords;
    this.#report.results += shadow.results;
    return retained;
  }

  async #compare(
    ranges: readonly ShadowRange[],
    share: { part: number; parts: number },
    shadow: Shadow,
    rows: ShadowRows,
    retained: Retained,
  ): Promise<void> {
    const ambiguous = this.#ambiguous(shadow, retained);
    const judge = (mismatch: Mismatch) => {
      const [{ dtMs, jobId, location }] = mismatch.differences;
      if (dtMs < retained.fromMs(jobId)) return;
      const isProvable = dtMs > (ambiguous.get(`${jobId} ${location}`) ?? Number.NEGATIVE_INFINITY);
      for (const difference of mismatch.differences) this.#list(difference, isProvable);
      this.#options.onMismatch?.(mismatch, isProvable);
    };
    const [shortest] = ranges;
    for (const range of ranges) {
      for await (const page of readMetricRows(this.#tx, toMetricRange(range), share)) {
        for (const stored of page) {
          if (range === shortest) {
            const key = `${stored.jobId} ${stored.location}`;
            this.#counted.set(key, (this.#counted.get(key) ?? 0) + stored.count);
          }
          const mismatch = rows.compare(stored);
          if (mismatch) judge(mismatch);
          else if (stored.dtMs >= retained.fromMs(stored.jobId)) this.#report.equalRows++;
        }
      }
    }
    for (const mismatch of rows.rest()) judge(mismatch);
  }

  /**
   * Series of which the log alone cannot say what counted, with the last slot for which that is so: where the log has lost
   * its beginning, results of an epoch below the stored one may have been shut out by a message that is gone; and nobody
   * knows in which order two partitions were counted.
   */
  #ambiguous(shadow: Shadow, retained: Retained): Map<string, number> {
    const ambiguous = new Map<string, number>();
    const mark = (key: string, slot: number) => ambiguous.set(key, Math.max(slot, ambiguous.get(key) ?? slot));
    for (const { jobId, location, topic, epoch } of this.#progress) {
      const series = shadow.series.get(`${jobId} ${topic} ${location}`);
      if (!series) continue;
      if (series.partitions.size > 1) mark(`${jobId} ${location}`, Number.POSITIVE_INFINITY);
      const [partition] = series.partitions;
      if (partition === undefined || retained.isWhole(topic, partition)) continue;
      for (const [seen, slot] of series.lastSlotOf) if (seen < epoch) mark(`${jobId} ${location}`, slot);
    }
    return ambiguous;
  }

  #list(difference: Difference, provable: boolean): void {
    const { maxListed = 1_000 } = this.#options;
    const report = this.#report;
    if (provable) report.differenceCount++;
    else report.unprovableCount++;
    const list = provable ? report.differences : report.unprovable;
    if (list.length < maxListed) list.push(difference);
  }

  #nameRemoved(ranges: readonly ShadowRange[], retained: Retained): void {
    const latest = retained.latestMs();
    for (const { plan, fromMs, toMs } of ranges) {
      if (latest <= fromMs) continue;
      const until = Math.min(toMs, -bucketStart(-latest, plan.durationMs));
      this.#report.removedUntilMs = latest;
      this.#notCovered(
        plan,
        fromMs,
        until,
        'the stream no longer has every result of this time, for some jobs at least',
      );
    }
  }

  async #checkCoverage(ranges: readonly ShadowRange[]): Promise<void> {
    const [shortest] = ranges;
    if (!shortest) return;
    const { fromMs, toMs } = shortest;
    this.#report.coverage = checkCoverage({
      fromMs,
      toMs,
      spans: await readVerifiedSpans(this.#tx, fromMs, toMs),
      progress: this.#progress,
      counted: this.#counted,
      foreign: this.#foreign,
    });
  }

  #note(shadow: Shadow, includes: (jobId: number) => boolean, retained: Retained): void {
    for (const [key, results] of shadow.resultsOf) this.#found.set(key, (this.#found.get(key) ?? 0) + results);
    for (const { jobId, location, foreign } of shadow.series.values()) {
      if (foreign > 0) this.#foreign.add(`${jobId} ${location}`);
    }
    for (const { jobId, location, topic, slot } of this.#progress) {
      if (!includes(jobId) || slot < retained.fromMs(jobId)) continue;
      if (slot > (shadow.series.get(`${jobId} ${topic} ${location}`)?.slot ?? -1)) this.#report.aheadSeries++;
    }
  }

  #nameUnequal(retained: Retained): void {
    for (const { topic, partition, counted } of this.#offsets) {
      const found = this.#found.get(`${topic} ${partition}`) ?? 0;
      if (counted === found || !retained.isWhole(topic, partition)) continue;
      this.#report.unequalPartitions.push({ topic, partition, counted, found });
    }
  }

  #notCovered(plan: GranularityPlan, fromMs: number, toMs: number, why: string): void {
    this.#report.notCovered.push({ granularity: plan.name, fromMs, toMs, why });
  }
}

function toMetricRange({ plan, fromMs, toMs }: ShadowRange) {
  return { granularity: plan.name, fromMs, toMs };
}

function topicsByJob(progress: readonly CountedSeries[]): Map<number, Set<string>> {
  const topics = new Map<number, Set<string>>();
  for (const { jobId, topic } of progress) {
    const known = topics.get(jobId);
    if (known) known.add(topic);
    else topics.set(jobId, new Set([topic]));
  }
  return topics;
}

function groupLines(
  lines: ReadonlyArray<{ topic: string; partition: number; offset: number; line: number }>,
): Map<string, Set<number>> {
  const grouped = new Map<string, Set<number>>();
  for (const { topic, partition, offset, line } of lines) {
    const key = `${topic} ${partition} ${offset}`;
    grouped.set(key, (grouped.get(key) ?? new Set()).add(line));
  }
  return grouped;
}
