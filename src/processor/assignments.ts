import { firstOf } from '../core/first-of.ts';
import type { Logger } from '../core/logger.ts';
import { VedetteError } from '../errors.ts';
import type { Database } from '../postgres/database.ts';
import type { StreamRecord, TopicPartition } from '../streaming/driver.ts';
import type { AssignedPartition } from './counting/partition.ts';
import { type ClaimedPartition, claimPartitions } from './tables/offsets.ts';

/** Records of a partition that could not be written together with others: they are counted alone, a few a flush. */
export interface IsolatedRange {
  /** The first offset behind them. */
  until: number;
  /** Records per flush. */
  step: number;
}

export interface AssignmentsOptions {
  database: Database;
  logger: Logger;
  /** Written as the owner of the partitions. */
  owner: string;
  /** Which topic of that name there is now; null where the stream cannot tell. */
  identity: (topic: string) => Promise<string | null>;
  create: (topic: string, claimed: ClaimedPartition) => AssignedPartition;
}

/** The partitions this process counts now. */
export class Assignments {
  readonly #options: AssignmentsOptions;
  readonly #owned = new Map<string, AssignedPartition>();
  /** Claims under way; one that is not the latest of its partition comes to nothing. */
  readonly #claims = new Map<string, symbol>();
  readonly #isolated = new Map<string, IsolatedRange>();
  /** Where a partition began again behind the offset asked for. */
  readonly #gaps = new Map<string, number>();

  constructor(options: AssignmentsOptions) {
    this.#options = options;
  }

  all(): AssignedPartition[] {
    return [...this.#owned.values()];
  }

  get(place: TopicPartition): AssignedPartition | undefined {
    return this.#owned.get(keyOf(place));
  }

  /**
   * Raises the epoch of each partition, which shuts its last owner out, and returns where each is to be read from. Throws
   * VED_OFFSET_LOST when the stored offsets belong to a topic that is gone.
   */
  async claim(partitions: readonly TopicPartition[]): Promise<Array<number | null>> {
    const { database, owner, create, identity } = this.#options;
    const claim = Symbol();
    for (const partition of partitions) {
      this.drop(partition);
      this.#claims.set(keyOf(partition), claim);
    }
    const offsets = new Map<string, number | null>();
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      const wanted = partitions.filter((partition) => partition.topic === topic).map(({ partition }) => partition);
      const topicId = await identity(topic);
      for (const claimed of await claimPartitions(database, topic, wanted, owner, topicId)) {
        assertSameTopic(topic, claimed, topicId);
        const key = keyOf({ topic, partition: claimed.partition });
        offsets.set(key, claimed.nextOffset);
        if (this.#claims.get(key) !== claim) continue; // Revoked, or assigned again, in the meantime.
        this.#claims.delete(key);
        const owned = create(topic, claimed);
        const range = this.#isolated.get(key) ?? null;
        this.isolate(owned, range && (claimed.nextOffset ?? 0) < range.until ? range : null);
        this.#owned.set(key, owned);
      }
    }
    return partitions.map((partition) => offsets.get(keyOf(partition)) ?? null);
  }

  drop(place: TopicPartition): void {
    const key = keyOf(place);
    this.#claims.delete(key);
    const owned = this.#owned.get(key);
    if (!owned) return;
    owned.dropped = true;
    this.#owned.delete(key);
  }

  /** From now on, and over new assignments, the records of `owned` before `range.until` are counted alone. */
  isolate(owned: AssignedPartition, range: IsolatedRange | null): void {
    owned.isolated = range;
    if (range === null) this.#isolated.delete(keyOf(owned));
    else this.#isolated.set(keyOf(owned), range);
  }

  /**
   * The records that are not counted yet. Returns null when some may have been left out before them: the partition is
   * to be read again. When the same records come again, the log itself has no others: its retention removed them.
   */
  fresh(owned: AssignedPartition, records: readonly StreamRecord[]): readonly StreamRecord[] | null {
    const { next } = owned;
    if (next === null) return records;
    const first = firstOf(records).offset;
    if (first < next) return records.filter((record) => record.offset >= next);
    const key = keyOf(owned);
    if (first === next) {
      this.#gaps.delete(key);
      return records;
    }
    if (this.#gaps.get(key) !== first) {
      this.#gaps.set(key, first);
      return null;
    }
    this.#gaps.delete(key);
    const { topic, partition } = owned;
    this.#options.logger.error({ topic, partition, from: next, to: first }, 'the stream has no such records any more');
    return records;
  }
}

/** Offsets of another topic of the same name may well lie within the new one: reading on there would skip results. */
function assertSameTopic(
  topic: string,
  { partition, nextOffset, topicId }: ClaimedPartition,
  now: string | null,
): void {
  if (nextOffset === null || topicId == null || now === null || topicId === now) return;
  throw new VedetteError(
    'VED_OFFSET_LOST',
    `Topic ${topic} was deleted and made again (id ${topicId} before, ${now} now): offset ${nextOffset} of partition ` +
      `${partition} belongs to the old one. It is not read until its next_offset in stream_offsets is set to NULL.`,
  );
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic} ${partition}`;
}
