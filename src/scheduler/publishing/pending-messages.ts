import type { CheckResult } from '../../messages/check-result.ts';
import type { Timeline } from '../clock/timeline.ts';
import type { MissedSlots, Series } from '../series.ts';
import type { Publisher } from './publisher.ts';

export interface PendingMessagesOptions {
  timeline: Pick<Timeline, 'now'>;
  publisher: Pick<Publisher, 'publish' | 'onRoom'>;
  location: string;
}

/** Publishes missed slots and fences; those for which the publisher has no room wait in the series. */
export class PendingMessages {
  readonly #options: PendingMessagesOptions;
  /** Series with messages that the publisher had no room for. */
  readonly #unpublished = new Set<Series>();

  constructor(options: PendingMessagesOptions) {
    this.#options = options;
    options.publisher.onRoom(() => this.#publishAll());
  }

  drop(series: Series): void {
    this.#unpublished.delete(series);
  }

  /** Missed slots before the fence: a fence stands for everything that was handled. */
  publish(series: Series): boolean {
    const isDone = this.#publishMissed(series) && (series.fence !== 'needed' || this.#publishFence(series));
    if (isDone) this.#unpublished.delete(series);
    else this.#unpublished.add(series);
    return isDone;
  }

  #publishAll(): void {
    // The publisher calls back only for topics that it has refused: each topic has to be refused once.
    const refused = new Set<string>();
    for (const series of this.#unpublished) {
      const { topic } = series.span;
      if (!refused.has(topic) && !this.publish(series)) refused.add(topic);
    }
  }

  #publishMissed(series: Series): boolean {
    const { missed, schedule } = series;
    if (!missed) return true;
    // A reader cannot compute the slots of a cron expression, so each has a message of its own.
    const whole = schedule.periodMs !== null;
    while (missed.count > 0) {
      const slot = whole ? missed.last : missed.first;
      const slots = whole ? missed.count : 1;
      if (!this.#publishRange(series, slot, slots, missed.reason)) return false;
      missed.count -= slots;
      missed.first = schedule.next(slot);
    }
    series.missed = null;
    if (series.fence === 'needed') series.fence = 'sent';
    return true;
  }

  #publishRange(series: Series, slot: number, slots: number, reason: MissedSlots['reason']): boolean {
    const result: CheckResult = {
      ...this.#base(series, slot),
      ...(slots === 1 ? undefined : { slots, periodMs: series.schedule.periodMs as number }),
      ts: Math.floor(this.#options.timeline.now()),
      outcome: 'missed',
      reason,
      status: null,
      responseTime: null,
    };
    return this.#options.publisher.publish(result, series.span.topic, series);
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
    if (!this.#options.publisher.publish(fence, series.span.topic, series)) return false;
    series.fence = 'sent';
    return true;
  }

  #base(series: Series, slot: number) {
    return { jobId: series.jobId, location: this.#options.location, epoch: series.shard.epoch, slot };
  }
}
