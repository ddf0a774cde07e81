import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import type { SlotResult } from '../checks/check-run.ts';
import type { Timeline } from '../clock/timeline.ts';
import type { Reported, Series } from '../series.ts';
import type { FoundReport, FoundReports, ReportPort, ReportRule } from './report-port.ts';
import { judgeSlot } from './verdict.ts';

export interface ReportedSlotsOptions {
  port: ReportPort;
  clock: Clock;
  logger: Logger;
  timeline: Pick<Timeline, 'now'>;
  /** Whether the series' lease allows a slot to be closed now. */
  mayClose(series: Series): boolean;
  /** Publishes the result of the next slot; false when there is no room. */
  publish(series: Series, result: SlotResult): boolean;
  /** The slots from the next one up to `until` are missed. */
  miss(series: Series, until: number, detail?: string): void;
  /** Calls `look` for the series at this time of the timeline. */
  setTimer(series: Series, atMs: number): void;
}

/**
 * Closes the slots of jobs that are not checked, in their order: by the first report that was received since the slot and
 * in time, else as silent. What was reported is read from the database, so no slot is closed while that is away, and none as
 * silent until every report has arrived that waits for it. An open slot is no slot that was handled: the next owner of the
 * shard goes on with it.
 */
export class ReportedSlots {
  readonly #options: ReportedSlotsOptions;
  /** Series whose next slot has come, by job. */
  readonly #open = new Map<number, Series>();
  /** Those whose reports are to be read. */
  readonly #asked = new Set<Series>();
  #reading = false;
  /** The database's time from which on reading worked; null: it does not. */
  #readableSinceMs: number | null = null;
  /** Since when reports cannot be read; null: they can. */
  #failedAtMs: number | null = null;
  #isWarned = false;
  /** When the database came back the last time that it was away longer than reports wait for it. */
  #deafUntilMs = Number.NEGATIVE_INFINITY;
  readonly #stopped = new AbortController();
  #unwatch: Promise<() => Promise<void>> | null = null;

  constructor(options: ReportedSlotsOptions) {
    this.#options = options;
  }

  /** The next slot of the series has come, or its time to report is over. */
  look(series: Series): void {
    this.#open.set(series.jobId, series);
    this.#unwatch ??= this.#watch();
    this.#ask(series);
  }

  /** The series takes no slots any more. */
  drop(series: Series): void {
    this.#asked.delete(series);
    if (this.#open.get(series.jobId) === series) this.#open.delete(series.jobId);
  }

  /** The database was away for some time, even if nothing was read then: reports may have begun to wait, or were refused. */
  databaseReturned(forMs = 0): void {
    const { timeline, port } = this.#options;
    this.#readableSinceMs = null;
    // It ends now, however late the next reading is.
    if (forMs > port.waitMs) this.#deafUntilMs = Math.max(this.#deafUntilMs, timeline.now());
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await (await this.#unwatch?.catch(() => undefined))?.();
  }

  #watch(): Promise<() => Promise<void>> {
    const { port, clock, logger } = this.#options;
    const watching = retry(() => port.watch((jobId) => this.#reported(jobId)), {
      clock,
      signal: this.#stopped.signal,
      onTransition: (state) => {
        if (state.failing) logger.warn({ err: state.error }, 'reports cannot be watched');
      },
    });
    // What was reported before is not told.
    watching.then(() => this.#reported(null)).catch(() => undefined);
    return watching;
  }

  #reported(jobId: number | null): void {
    if (jobId === null) {
      this.databaseReturned();
      for (const series of this.#open.values()) this.#ask(series);
    } else {
      const series = this.#open.get(jobId);
      if (series) this.#ask(series);
    }
  }

  #ask(series: Series): void {
    this.#asked.add(series);
    if (!this.#reading) void this.#readAll();
  }

  async #readAll(): Promise<void> {
    const { clock, port } = this.#options;
    this.#reading = true;
    // All that come in one turn of the event loop are one question.
    await Promise.resolve();
    while (this.#asked.size > 0 && !this.#stopped.signal.aborted) {
      const series = [...this.#asked].slice(0, BATCH);
      for (const each of series) this.#asked.delete(each);
      const asked = new Map(series.map((each) => [each, each.next]));
      let read: FoundReports;
      try {
        read = await port.read(series.map(({ jobId, next }) => ({ jobId, fromMs: next })));
      } catch (error) {
        this.#unreadable(error);
        for (const each of series) if (this.#open.get(each.jobId) === each) this.#asked.add(each);
        clock.after(AGAIN_MS, () => void this.#readAll());
        return;
      }
      this.#readable(read.nowMs);
      for (const [each, from] of asked) {
        const found = read.found.get(each.jobId);
        if (found && each.next === from) this.#close(each, found, read.nowMs);
      }
    }
    this.#reading = false;
  }

  /** Closes as many slots of the series as the one report found decides. */
  #close(series: Series, found: FoundReport, nowMs: number): void {
    for (let left = SLOTS_A_TURN; this.#isOpen(series) && left > 0; left--) {
      const step = this.#closeNext(series, found, nowMs);
      if (step === 'try again') this.#waitUntil(series, nowMs + AGAIN_MS, nowMs);
      else if (typeof step === 'number') this.#waitUntil(series, step, nowMs);
      if (step === 'read again') break;
      if (step !== 'go on') return;
    }
    if (!this.#isOpen(series)) return;
    if (series.next <= this.#options.timeline.now()) this.#ask(series);
    else this.#waitUntil(series, series.next, nowMs);
  }

  #isOpen(series: Series): boolean {
    return !series.held && this.#open.get(series.jobId) === series && Number.isFinite(series.next);
  }

  /** Returns what follows; a number: the slot is open until then, by the database's clock, unless a report comes. */
  #closeNext(series: Series, found: FoundReport, nowMs: number): 'go on' | 'read again' | 'try again' | number {
    const { port, mayClose, publish, miss } = this.#options;
    const slot = series.next;
    if (nowMs < slot) return slot;
    const nextSlot = series.schedule.next(slot);
    const verdict = judgeSlot(
      { slot, nextSlot, graceMs: series.reported?.graceMs ?? 0 },
      {
        found,
        nowMs,
        nothingWaitsMs: Math.max(this.#readableSinceMs ?? nowMs, series.gapUntil) + port.waitMs,
        deafUntilMs: Math.max(series.gapUntil, this.#deafUntilMs),
      },
    );
    if (verdict.kind === 'wait') return verdict.untilMs;
    if (!mayClose(series)) return 'try again';
    if (verdict.kind === 'missed') miss(series, slot, 'perhaps nobody could report then');
    else if (!publish(series, verdict.result)) return 'try again';
    // A report of this slot says nothing about the next one, which may have another.
    return found.report !== null && found.report.receivedMs < nextSlot ? 'read again' : 'go on';
  }

  /** Waits until the database's clock shows `untilMs`. */
  #waitUntil(series: Series, untilMs: number, nowMs: number): void {
    this.#options.setTimer(series, Math.ceil(this.#options.timeline.now() + Math.max(1, untilMs - nowMs)));
  }

  #readable(nowMs: number): void {
    const { timeline, logger, port } = this.#options;
    if (this.#readableSinceMs !== null) return;
    this.#readableSinceMs = nowMs;
    if (timeline.now() - (this.#failedAtMs ?? timeline.now()) > port.waitMs) this.#deafUntilMs = nowMs;
    this.#failedAtMs = null;
    if (this.#isWarned) logger.info('reports are read again');
    this.#isWarned = false;
  }

  #unreadable(error: unknown): void {
    this.#readableSinceMs = null;
    this.#failedAtMs ??= this.#options.timeline.now();
    if (!this.#isWarned) this.#options.logger.warn({ err: error }, 'reports cannot be read, their slots wait');
    this.#isWarned = true;
  }
}

/** How the slots of a job end that is reported, with how long one may be open: a next owner looks back so far. */
export function reportedBy(rule: ReportRule | null, waitMs: number): Reported | null {
  return rule && { graceMs: rule.graceMs, lookBackMs: Math.ceil(rule.graceMs) + waitMs + SLACK_MS };
}

/** Series in one question. */
const BATCH = 5_000;
/** So many are closed in some milliseconds. */
const SLOTS_A_TURN = 1_000;
const AGAIN_MS = 1_000;
const SLACK_MS = 30_000;
