import { partitionOf } from '../../messages/partition.ts';
import type { CountedSeries } from '../tables/series.ts';

/** How far the clocks of a scheduler and of the log may be apart. */
const SKEW_MS = 60_000;

/**
 * From when on the log still has every result of each job. A record cannot say anything about slots after the log
 * stamped it, so what was removed before the first retained record only knew slots before that one's time.
 */
export class Retained {
  /** By topic and partition; -Infinity: nothing was ever removed, Infinity: nothing is left. */
  readonly #from = new Map<string, number>();
  readonly #routing: ReadonlyMap<string, number>;
  readonly #topicsOf: ReadonlyMap<number, ReadonlySet<string>>;

  /** `routing`: partitions results of a topic are routed by. `topicsOf`: topics the results of a job came through. */
  constructor(routing: ReadonlyMap<string, number>, topicsOf: ReadonlyMap<number, ReadonlySet<string>>) {
    this.#routing = routing;
    this.#topicsOf = topicsOf;
  }

  set(topic: string, partition: number, fromMs: number): void {
    this.#from.set(`${topic} ${partition}`, fromMs === Number.NEGATIVE_INFINITY ? fromMs : fromMs + SKEW_MS);
  }

  /** Whether the log of this partition is whole from its beginning. */
  isWhole(topic: string, partition: number): boolean {
    return this.#from.get(`${topic} ${partition}`) === Number.NEGATIVE_INFINITY;
  }

  /** The same of the partition that the results of a job come through; false when that may be any. */
  isWholeFor(topic: string, jobId: number): boolean {
    const partitions = this.#routing.get(topic);
    return partitions !== undefined && this.isWhole(topic, partitionOf(jobId, partitions));
  }

  /** ms since the epoch; buckets that begin earlier cannot be judged for this job. */
  fromMs(jobId: number): number {
    let fromMs = Number.NEGATIVE_INFINITY;
    for (const topic of this.#topicsOf.get(jobId) ?? this.#routing.keys()) {
      const partitions = this.#routing.get(topic);
      if (partitions === undefined) {
        // No scheduler of this installation produces there, so that the partition may be any.
        for (const [key, from] of this.#from) if (key.startsWith(`${topic} `)) fromMs = Math.max(fromMs, from);
      } else {
        fromMs = Math.max(fromMs, this.#from.get(`${topic} ${partitionOf(jobId, partitions)}`) ?? fromMs);
      }
    }
    return fromMs;
  }

  /** The latest of all partitions that have any record left. */
  latestMs(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...this.#from.values());
  }
}

/** The topics that results of each job came through. */
export function topicsByJob(progress: readonly CountedSeries[]): Map<number, Set<string>> {
  const topics = new Map<number, Set<string>>();
  for (const { jobId, topic } of progress) {
    const known = topics.get(jobId);
    if (known) known.add(topic);
    else topics.set(jobId, new Set([topic]));
  }
  return topics;
}
