import type { Clock } from '../../core/clock.ts';
import type { CheckResult } from '../../messages/check-result.ts';
import type { Timeline } from '../clock/timeline.ts';
import type { MissedSlots, Series } from '../series.ts';
import type { Publisher } from './publisher.ts';

export interface PendingMessagesOptions {
  clock: Pick<Clock, 'after'>;
  timeline: Pick<Timeline, 'now'>;
  publisher: Pick<Publisher, 'publish' | 'isFull' | 'onRoom'>;
  location: string;
}

/**
 * Brings results, missed slots and fences into the publisher, in the order of each series. Messages that a turn
 * of the event loop is too short for wait in the series for the next turn; those the publisher has no room for, until it has.
 */
export class PendingMessages {
  readonly #options: PendingMessagesOptions;
  /** Series whose lines wait for the next turn. */
  readonly #waiting = new Set<Series>();
  /** Series whose next line the publisher had no room for. */
  readonly #refused = new Set<Series>();
  /** Lines of missed slots that this turn may still write, for all series together. */
  #left = LINES_A_TURN;

  constructor(options: PendingMessagesOptions) {
    this.#options = options;
    options.publisher.onRoom(() => this.#publishRefused());
  }

  drop(series: Series): void {
    this.#waiting.delete(series);
    this.#refused.delete(series);
  }

  /** Whether a result of the series would be refused now. */
  isFull(series: Series): boolean {
    return this.#refused.has(series) || this.#options.publisher.isFull(series.span.topic);
  }

  /** Takes the result of the next slot, after what is pending; returns false when the publisher has no room. */
  publish(series: Series, result: CheckResult): boolean {
    if (this.#refused.has(series)) return false;
    if (series.pending.length === 0) return this.#publish(series, result);
    series.pending.push(result);
    return true;
  }

  /** Takes missed slots, which follow what is pending. */
  miss(series: Series, missed: MissedSlots): void {
    const last = series.pending.at(-1);
    const isFull = this.#refused.has(series);
    if (last && isMissed(last) && (last.reason === missed.reason || isFull)) {
      // The publisher has been full since: whatever else was the matter, that is.
      last.detail = last.reason === missed.reason ? missed.detail : undefined;
      if (last.reason !== missed.reason) last.reason = 'overload';
      last.last = missed.last;
      last.count += missed.count;
    } else {
      series.pending.push(missed);
    }
    if (!isFull) this.#advance(series);
  }

  /** Missed slots come before the fence: a fence stands for everything that was handled. */
  fence(series: Series): void {
    series.fence = 'needed';
    if (!this.#refused.has(series)) this.#advance(series);
  }

  /** Writes as much of the series as this turn and the publisher allow. */
  #advance(series: Series): void {
    while (series.pending.length > 0 || series.fence === 'needed') {
      if (this.#left === 0) {
        // Behind the others.
        this.drop(series);
        this.#waiting.add(series);
        return;
      }
      if (!this.#publishNext(series)) {
        this.#waiting.delete(series);
        this.#refused.add(series);
        return;
      }
      this.#refused.delete(series);
      if (this.#left === LINES_A_TURN) this.#options.clock.after(0, () => this.#nextTurn());
      this.#left--;
    }
    this.drop(series);
  }

  #nextTurn(): void {
    this.#left = LINES_A_TURN;
    for (const series of this.#waiting) {
      if (this.#left === 0) return;
      this.#advance(series);
    }
  }

  #publishRefused(): void {
    // After a refusal the publisher says when there is room again, and only then: each topic has to be refused once.
    const full = new Set<string>();
    for (const series of this.#refused) {
      const { topic } = series.span;
      if (full.has(topic)) continue;
      this.#advance(series);
      if (this.#refused.has(series)) full.add(topic);
    }
  }

  /** Publishes the first line of what is pending, or the fence. */
  #publishNext(series: Series): boolean {
    const [first] = series.pending;
    if (!first) return this.#publishFence(series);
    if (isMissed(first)) return this.#publishMissed(series, first);
    if (!this.#publish(series, first)) return false;
    series.pending.shift();
    return true;
  }

  /** Publishes the first slots of one distance as a range: a reader cannot tell the slots of a cron expression. */
  #publishMissed(series: Series, missed: MissedSlots): boolean {
    const { slots, periodMs } = series.schedule.run(missed.first, missed.last);
    const slot = slots === 1 ? missed.first : missed.first + (slots - 1) * periodMs;
    const result: CheckResult = {
      ...this.#base(series, slot),
      ...(slots === 1 ? undefined : { slots, periodMs }),
      ts: Math.floor(this.#options.timeline.now()),
      outcome: 'missed',
      reason: missed.reason,
      status: null,
      responseTime: null,
      ...(missed.detail === undefined ? undefined : { detail: missed.detail }),
    };
    if (!this.#publish(series, result)) return false;
    missed.count -= slots;
    if (missed.count > 0) missed.first = series.schedule.next(slot);
    else series.pending.shift();
    return true;
  }

  #publishFence(series: Series): boolean {
    const { handled, schedule } = series;
    const fence: CheckResult = {
      ...this.#base(series, handled),
      slots: 0,
      periodMs: schedule.periodMs ?? 0,
      ts: Math.floor(this.#options.timeline.now()),
      outcome: 'missed',
      reason: 'scheduler_down',
      status: null,
      responseTime: null,
    };
    return this.#publish(series, fence);
  }

  /** Any message of the epoch is as good as its fence. */
  #publish(series: Series, result: CheckResult): boolean {
    if (!this.#options.publisher.publish(result, series.span.topic, series)) return false;
    if (series.fence === 'needed') series.fence = 'sent';
    return true;
  }

  #base(series: Series, slot: number) {
    return { jobId: series.jobId, location: this.#options.location, epoch: series.shard.epoch, slot };
  }
}

function isMissed(pending: MissedSlots | CheckResult): pending is MissedSlots {
  return 'count' in pending;
}

/** So many take some milliseconds. */
const LINES_A_TURN = 1000;
