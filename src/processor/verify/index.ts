import { bucketStart } from '../../aggregates/granularity.ts';
import { type GranularityPlan, planMetrics } from '../../aggregates/metrics-plan.ts';
import type { JobSelections } from '../../aggregates/selection.ts';
import { firstOf } from '../../core/first-of.ts';
import { readDatabaseClock } from '../../postgres/clock.ts';
import type { Database, Transaction } from '../../postgres/database.ts';
import type { StreamDriver } from '../../streaming/driver.ts';
import { groupLines } from '../counting/lines.ts';
import { namedStatuses } from '../counting/named-statuses.ts';
import { namedValues } from '../counting/named-values.ts';
import type { ResultsStore } from '../counting/raw-results.ts';
import { readRefusedLines } from '../tables/dead-letters.ts';
import { addCounters, emptyCounters, type PartitionCounters, readEpochFloors } from '../tables/offsets.ts';
import { type CountedSeries, readCountedSeries } from '../tables/series.ts';
import { type CountSlots, checkCoverage } from './coverage.ts';
import { readRecorded } from './extras-expected.ts';
import { emptyReport, type VerifyReport } from './report.ts';
import { Retained, topicsByJob } from './retained.ts';
import { judgeOffset, judgeSeries, judgeSpan, type RowDifference } from './rows.ts';
import { Shadow } from './shadow/index.ts';
import { ShadowResults } from './shadow/results.ts';
import { type Difference, type Mismatch, type ShadowRange, ShadowRows } from './shadow/rows.ts';
import {
  beginSnapshot,
  type CountedOffset,
  countMetricRows,
  plainOffsets,
  readCountedOffsets,
  readMetricRows,
  readRawResults,
  readRouting,
  readVerifiedSpans,
} from './stored-rows.ts';

export type { VerifyReport } from './report.ts';
export type { RowDifference } from './rows.ts';
export type { Difference, Mismatch } from './shadow/rows.ts';

export interface VerifyOptions {
  database: Database;
  driver: StreamDriver;
  /** All topics that are counted. */
  topics: readonly string[];
  /** Half-open, ms since the epoch. All buckets that have a part in it are judged whole, as far as they are counted. */
  fromMs: number;
  toMs: number;
  plans?: readonly GranularityPlan[];
  /** The metrics of jobs beside those of all, for rows that are missing. Rows that are there say which ones they have. */
  selections?: JobSelections;
  /** The key of a metric that is expected of every row of the jobs that have it, whatever the rows say. */
  filled?: string;
  /** Rows of older buckets than this may have been dropped, by granularity, ms since the epoch. */
  keptFromMs?: Readonly<Record<string, number>>;
  /** Raw results to compare: which are stored, and since when they must be there, ms since the epoch. Absent: none are. */
  results?: { store: ResultsStore; keptFromMs: number };
  /**
   * How long after its slot a check may begin and its result be published and counted, ms; the check itself comes on top.
   * Slots that were due earlier and are not counted are a gap. Default 30 s.
   */
  permittedDelayMs?: number;
  /** How much longer that may take for a job, ms. Default: 0. */
  extraDelayMs?: (jobId: number) => number;
  /** Counts the slots of cron expressions. Absent: coverage of jobs that follow one is not judged. */
  countSlots?: CountSlots;
  /** The time up to which slots are due, ms since the epoch. Default: the database's clock. */
  nowMs?: number;
  onProgress?: (progress: VerifyProgress) => void;
  /** Told of every row that is not what the log says, and whether the log proves it. */
  onMismatch?: (mismatch: Mismatch, isProvable: boolean) => void;
  /** Rows compared in one reading of the log; a range with more takes several. Default 200,000. */
  maxRows?: number;
  /** How many differences are listed. Default 1,000; all are counted. */
  maxListed?: number;
  signal?: AbortSignal;
}

interface VerifyProgress {
  /** Records of the log read so far, of `total` about, over all readings. */
  records: number;
  total: number;
}

/**
 * The proof: reads the log from its beginning up to exactly where it has been counted in one snapshot of the database,
 * counts it again in memory, and compares every row bit for bit. It may run on a live system, which goes on meanwhile.
 * Times whose records the log's retention has removed are named, and nothing is claimed about them. Rows may only be ahead of it while a
 * record of very long gaps is being counted in parts: then verify again.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  return options.database.transaction((tx) => new Verification(options, tx).run(), { statementTimeoutMs: 0 });
}

const HOUR_MS = 3_600_000;

class Verification {
  readonly #options: VerifyOptions;
  readonly #tx: Transaction;
  readonly #report: VerifyReport;
  #offsets: CountedOffset[] = [];
  #progress: CountedSeries[] = [];
  readonly #counted = new Map<string, number>();
  readonly #foreign = new Set<string>();
  /** Counted again, by `topic partition`. */
  readonly #found = new Map<string, PartitionCounters>();
  #nowMs = 0;
  #readRecords = 0;
  #totalRecords = 0;

  constructor(options: VerifyOptions, tx: Transaction) {
    this.#options = options;
    this.#tx = tx;
    this.#report = emptyReport(options.fromMs, options.toMs);
  }

  async run(): Promise<VerifyReport> {
    const { topics, maxRows = 200_000 } = this.#options;
    await beginSnapshot(this.#tx);
    this.#nowMs = this.#options.nowMs ?? (await readDatabaseClock(this.#tx));
    this.#offsets = await readCountedOffsets(this.#tx, topics);
    this.#progress = await readCountedSeries(this.#tx, topics);
    const decided = {
      floors: await readEpochFloors(this.#tx),
      refused: groupLines(await readRefusedLines(this.#tx, topics)),
      named: namedStatuses(this.#progress),
      namedValues: namedValues(this.#progress),
      plainUntil: plainOffsets(this.#offsets),
    };
    const ranges = this.#ranges();
    let rows = 0;
    for (const range of ranges) rows += await countMetricRows(this.#tx, toMetricRange(range));
    const parts = Math.max(1, Math.ceil(rows / maxRows));
    for (let part = 0; part < parts; part++) {
      const shadowRows = new ShadowRows(ranges, {
        ...{ selections: this.#options.selections, filled: this.#options.filled },
        recorded: await readRecorded(this.#tx, ranges, { part, parts }),
      });
      const includes = parts === 1 ? () => true : (jobId: number) => jobId % parts === part;
      const results = this.#resultsShadow();
      const shadow = new Shadow({
        ...decided,
        rows: shadowRows,
        includes,
        isFirst: part === 0,
        ...(results && { results }),
      });
      const retained = await this.#readLog(shadow, parts);
      this.#note(shadow, includes, retained);
      await this.#compare(ranges, { part, parts }, shadow, shadowRows, retained);
      this.#compareSeries(shadow, includes, retained);
      if (results) await this.#compareResults(results, { part, parts }, retained);
      if (part === 0) this.#nameRemoved(ranges, retained);
      if (part === parts - 1) await this.#compareOffsets(retained);
    }
    await this.#checkCoverage(ranges);
    const report = this.#report;
    const judged = report.equalRows > 0 || report.notCovered.length === 0;
    const differences = report.differenceCount + report.rowDifferenceCount + report.coverage.gaps.length;
    report.ok = judged && differences === 0;
    return report;
  }

  /** Per granularity, the buckets that have a part in the range and whose rows are still kept. */
  #ranges(): ShadowRange[] {
    const { plans = planMetrics(), keptFromMs = {}, fromMs, toMs } = this.#options;
    return plans.flatMap((plan) => {
      const up = (ms: number) => -bucketStart(-ms, plan.durationMs);
      const kept = keptFromMs[plan.name] ?? Number.NEGATIVE_INFINITY;
      const first = Math.max(bucketStart(fromMs, plan.durationMs), up(kept));
      const end = up(toMs);
      if (first > fromMs) this.#notCovered(plan, fromMs, Math.min(first, toMs), 'rows so old may have been dropped');
      return first < end ? [{ plan, fromMs: first, toMs: end }] : [];
    });
  }

  /** The counterpart of the raw results of all hours that overlap the range; null when none are compared. */
  #resultsShadow(): ShadowResults | null {
    const { results, fromMs, toMs } = this.#options;
    if (!results || results.store === 'none') return null;
    const from = Math.max(bucketStart(fromMs, HOUR_MS), -bucketStart(-results.keptFromMs, HOUR_MS));
    return new ShadowResults({ fromMs: from, toMs: -bucketStart(-toMs, HOUR_MS), store: results.store });
  }

  /** Reads each partition from its first record up to where it is counted; returns what the log still has. */
  async #readLog(shadow: Shadow, parts: number): Promise<Retained> {
    const { driver, topics, signal } = this.#options;
    const routing = await readRouting(this.#tx, topics);
    const retained = new Retained(routing, topicsByJob(this.#progress));
    for (const topic of topics) {
      const lows = new Map((await driver.ranges(topic)).map(({ partition, low }) => [partition, low]));
      const ranges = this.#offsets.flatMap(({ partition, nextOffset, firstOffset, topic: other }) => {
        const from = Math.max(lows.get(partition) ?? 0, firstOffset);
        return other === topic && nextOffset !== null && from < nextOffset ? [{ partition, from, to: nextOffset }] : [];
      });
      this.#totalRecords += ranges.reduce((sum, { from, to }) => sum + (to - from), 0) * parts;
      const times = new Map<number, Array<{ offset: number; timestamp: number }>>();
      for await (const { partition, records } of driver.read(topic, ranges, signal)) {
        for (const record of records) shadow.add(topic, partition, record);
        this.#readRecords += records.length;
        const marks = times.get(partition) ?? [];
        const { offset, timestamp } = firstOf(records);
        marks.push({ offset, timestamp });
        times.set(partition, marks);
        this.#options.onProgress?.({ records: this.#readRecords, total: this.#totalRecords });
      }
      signal?.throwIfAborted();
      // Retention may have gone on while the log was read: only what is there now was surely read.
      for (const { partition, low } of await driver.ranges(topic)) {
        const first = times.get(partition)?.find(({ offset }) => offset >= low);
        // Nothing of before a reset is in the tables, so nothing of it is missed.
        const begins = this.#offsets.find((offset) => offset.topic === topic && offset.partition === partition);
        const from =
          low <= (begins?.firstOffset ?? 0) ? Number.NEGATIVE_INFINITY : (first?.timestamp ?? Number.POSITIVE_INFINITY);
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
      const { dtMs, jobId, location } = firstOf(mismatch.differences);
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
            this.#counted.set(key, (this.#counted.get(key) ?? 0) + Number(stored.values.count));
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
   * its beginning, results of an epoch below the stored one may have been shut out by a message that is gone; and the
   * order in which two partitions were counted is unknown.
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

  #compareSeries(shadow: Shadow, includes: (jobId: number) => boolean, retained: Retained): void {
    const stored = new Map<string, CountedSeries>();
    for (const series of this.#progress) {
      if (includes(series.jobId)) stored.set(`${series.jobId} ${series.topic} ${series.location}`, series);
    }
    for (const key of new Set([...stored.keys(), ...shadow.series.keys()])) {
      const [counted, seen] = [stored.get(key), shadow.series.get(key)];
      // The order in which two partitions were counted is unknown.
      if (seen && seen.partitions.size > 1) continue;
      const [partition] = seen?.partitions ?? [];
      const series = counted ?? seen;
      if (!series) continue;
      const { topic, jobId } = series;
      const isWhole = partition === undefined ? retained.isWholeFor(topic, jobId) : retained.isWhole(topic, partition);
      for (const difference of judgeSeries(counted, seen, isWhole)) this.#listRow(difference);
    }
  }

  async #compareResults(
    shadow: ShadowResults,
    share: { part: number; parts: number },
    retained: Retained,
  ): Promise<void> {
    for await (const page of readRawResults(this.#tx, shadow, share)) for (const row of page) shadow.see(row);
    for (const { jobId, fromMs, stored, expected } of shadow.differences((jobId) => retained.fromMs(jobId))) {
      const row = `job ${jobId} in the hour from ${new Date(fromMs).toISOString()}`;
      const isOther = stored === expected ? ', others than these' : '';
      this.#listRow({
        ...{ table: 'results', row, column: null },
        ...{ stored: `${stored} rows${isOther}`, expected: `${expected} rows` },
      });
    }
  }

  async #compareOffsets(retained: Retained): Promise<void> {
    for (const stored of this.#offsets) {
      const { topic, partition, results, foreign } = stored;
      if (!retained.isWhole(topic, partition)) continue;
      const counters = this.#found.get(`${topic} ${partition}`) ?? emptyCounters();
      const [counted, found] = [results + foreign, counters.results + counters.foreign];
      if (counted !== found) this.#report.unequalPartitions.push({ topic, partition, counted, found });
      if (await this.#wasReplaced(stored)) continue;
      for (const difference of judgeOffset(stored, counters)) this.#listRow(difference);
    }
  }

  /** Whether the offset belongs to another topic of the same name, which was deleted since. */
  async #wasReplaced({ topic, topicId }: CountedOffset): Promise<boolean> {
    const now = (await this.#options.driver.identity?.(topic)) ?? null;
    return topicId !== null && now !== null && topicId !== now;
  }

  #listRow(difference: RowDifference): void {
    this.#report.rowDifferenceCount++;
    const { rowDifferences } = this.#report;
    if (rowDifferences.length < (this.#options.maxListed ?? 1_000)) rowDifferences.push(difference);
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
    const spans = await readVerifiedSpans(this.#tx, fromMs, toMs);
    const { countSlots } = this.#options;
    for (const span of spans) for (const difference of judgeSpan(span, countSlots)) this.#listRow(difference);
    this.#report.coverage = checkCoverage({
      fromMs,
      toMs,
      nowMs: this.#nowMs,
      permittedDelayMs: this.#options.permittedDelayMs ?? 30_000,
      extraDelayMs: this.#options.extraDelayMs ?? (() => 0),
      spans,
      countSlots,
      progress: this.#progress,
      counted: this.#counted,
      foreign: this.#foreign,
    });
  }

  #note(shadow: Shadow, includes: (jobId: number) => boolean, retained: Retained): void {
    for (const [key, counters] of shadow.counters) {
      const known = this.#found.get(key) ?? emptyCounters();
      addCounters(known, counters);
      this.#found.set(key, known);
    }
    for (const { jobId, location, foreign } of shadow.series.values()) {
      if (foreign > 0) this.#foreign.add(`${jobId} ${location}`);
    }
    for (const { jobId, location, topic, slot } of this.#progress) {
      if (!includes(jobId) || slot < retained.fromMs(jobId)) continue;
      if (slot > (shadow.series.get(`${jobId} ${topic} ${location}`)?.slot ?? -1)) this.#report.aheadSeries++;
    }
  }

  #notCovered(plan: GranularityPlan, fromMs: number, toMs: number, why: string): void {
    this.#report.notCovered.push({ granularity: plan.name, fromMs, toMs, why });
  }
}

function toMetricRange({ plan, fromMs, toMs }: ShadowRange) {
  return { granularity: plan.name, fromMs, toMs };
}
