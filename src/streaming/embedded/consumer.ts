import { type Clock, inStep, sleep } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { ConsumerHandler, StreamConsumer, TopicPartition } from '../driver.ts';
import { keyOf } from '../offset-check.ts';
import { offsetLost } from '../offset-lost.ts';
import { type OwnedPartition, PartitionBook } from '../partition-book.ts';
import { Fetches } from './fetches.ts';
import type { GroupMembership } from './group.ts';
import type { EmbeddedLog, Fetched, Head } from './log.ts';

export interface EmbeddedConsumerOptions {
  log: EmbeddedLog;
  membership: GroupMembership;
  topics: readonly string[];
  handler: ConsumerHandler;
  logger: Logger;
  clock: Clock;
  /** Life of a lease; it is renewed four times as often, or twice as often by a member that is alone. */
  leaseMs: number;
  /** How often heads are read when no notification comes. */
  pollMs: number;
  onClosed: () => void;
}

/** How far the log of an active partition was read. */
interface Reading {
  /** Time of the record before, as in Position. */
  seenAt: string | null;
  head: Head;
  isFetching: boolean;
}

/** No poll follows sooner on one that found records: what comes meanwhile is fetched together. */
const GATHER_MS = 100;
const CLOSE_TIMEOUT_MS = 3_000;

/**
 * One member of a group. Two loops: the heartbeat keeps the leases and follows their changes; the poll reads the heads of
 * the topics, woken by notifications, and starts to fetch each partition that has something new.
 */
export class EmbeddedConsumer implements StreamConsumer {
  readonly #options: EmbeddedConsumerOptions;
  readonly #book: PartitionBook;
  readonly #readings = new WeakMap<OwnedPartition, Reading>();
  readonly #abort = new AbortController();
  readonly #heartbeats: Promise<void>;
  readonly #polls: Promise<void>;
  #wakeHeartbeat: () => void = () => undefined;
  #wakePoll: () => void = () => undefined;
  #heartbeatWanted = false;
  #pollWanted = false;
  /** Monotonic time until which the leases are known to be held; after it nothing is delivered until they are renewed. */
  #leasedUntil = 0;
  /** After onAssigned has failed, others may try first. */
  #claimAfter = 0;
  readonly #fetches: Fetches;
  #closing: Promise<void> | undefined;

  constructor(options: EmbeddedConsumerOptions) {
    this.#options = options;
    const { handler, logger, clock, log } = options;
    this.#fetches = new Fetches(log);
    this.#book = new PartitionBook({
      handler,
      logger,
      clock,
      log: { ranges: (topic) => log.ranges(topic) },
      onKnown: (partitions) => {
        for (const partition of partitions) partition.state = 'active';
        this.poll();
      },
      onRefused: (partitions, pauseMs) => void this.#refuse(partitions, pauseMs),
    });
    this.#heartbeats = this.#heartbeatLoop();
    this.#polls = this.#pollLoop();
  }

  /** Something was appended. */
  poll(): void {
    this.#pollWanted = true;
    this.#wakePoll();
  }

  /** Something changed in the group. */
  heartbeat(): void {
    this.#heartbeatWanted = true;
    this.#wakeHeartbeat();
  }

  reset(partitions: readonly TopicPartition[]): void {
    this.#book.reset(partitions);
  }

  reportCommitted(): void {
    // Lag is computed from stream_offsets, in the same database; no other tool asks for it.
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#abort.abort();
    this.#wakeHeartbeat();
    this.#wakePoll();
    await this.#book.close();
    this.#book.revokeAll();
    // Leaving only makes it quicker: leases of a member that cannot leave expire.
    const leaving = Promise.all([this.#heartbeats, this.#polls]).then(() => this.#options.membership.leave());
    const { clock, logger } = this.#options;
    await Promise.race([
      leaving.catch((error) => logger.debug({ err: error }, 'could not leave the consumer group')),
      sleep(clock, CLOSE_TIMEOUT_MS),
    ]);
    this.#options.onClosed();
  }

  // --- leases

  async #heartbeatLoop(): Promise<void> {
    const { clock, leaseMs, logger } = this.#options;
    const { signal } = this.#abort;
    let failing = false;
    let isAlone = false;
    let missing = '';
    // Not before the caller has the consumer in hand.
    await new Promise((resolve) => setImmediate(resolve));
    while (!signal.aborted) {
      this.#heartbeatWanted = false;
      const started = clock.monotonicMs();
      try {
        const beat = await this.#options.membership.beat(started >= this.#claimAfter);
        if (signal.aborted) return;
        if (failing) logger.info('consumer group reached again');
        failing = false;
        // Records that came while nothing was delivered wait; partitions that are assigned now are polled for by themselves.
        if (clock.monotonicMs() >= this.#leasedUntil) this.poll();
        this.#leasedUntil = started + leaseMs;
        this.#follow(beat.owned);
        if (beat.excess.length > 0) await this.#giveUp(this.#ownedOf(beat.excess));
        if (beat.missing.join() !== missing && beat.missing.length > 0) {
          const message = `These topics do not exist (yet): ${beat.missing.join(', ')}`;
          this.#options.handler.onError(new VedetteError('VED_TOPIC_MISSING', message));
        }
        missing = beat.missing.join();
        // Others whose leases might run out are looked for more often; one that comes notifies the group.
        isAlone = beat.isAlone;
      } catch (error) {
        if (!failing) logger.warn({ err: error }, 'the database of the stream cannot be reached');
        failing = true;
      }
      // One that was asked for meanwhile follows at once, but not while the database fails: many members would storm it.
      const pause = failing ? leaseMs / 8 : this.#heartbeatWanted ? 0 : inStep(clock, leaseMs / (isAlone ? 2 : 4));
      await this.#pause(pause, (wake) => {
        this.#wakeHeartbeat = failing ? () => undefined : wake;
      });
    }
  }

  #follow(leased: readonly TopicPartition[]): void {
    const keys = new Set(leased.map(keyOf));
    this.#book.revoke(this.#book.all().filter((owned) => !keys.has(keyOf(owned))));
    this.#book.assign(leased.filter(({ topic, partition }) => !this.#book.get(topic, partition)));
  }

  /** Stops delivery, waits for running calls (within the lease, which others respect), then releases the leases. */
  async #giveUp(leaving: readonly OwnedPartition[]): Promise<void> {
    const { clock, leaseMs, membership, logger } = this.#options;
    this.#book.revoke(leaving);
    await Promise.race([this.#book.settled(leaving), sleep(clock, leaseMs / 2)]);
    await membership.release(leaving).catch((error) => {
      logger.debug({ err: error }, 'could not release partitions; their leases expire');
    });
  }

  async #refuse(partitions: readonly OwnedPartition[], pauseMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#claimAfter = clock.monotonicMs() + pauseMs;
    await this.#giveUp(partitions);
    clock.after(this.#claimAfter - clock.monotonicMs(), () => this.heartbeat());
  }

  #ownedOf(partitions: readonly TopicPartition[]): OwnedPartition[] {
    return partitions.flatMap(({ topic, partition }) => this.#book.get(topic, partition) ?? []);
  }

  // --- delivery

  async #pollLoop(): Promise<void> {
    const { log, topics, logger, pollMs, clock } = this.#options;
    const { signal } = this.#abort;
    let failing = false;
    let foundAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const restMs = foundAt + GATHER_MS - clock.monotonicMs();
      if (restMs > 0) await sleep(clock, restMs, signal);
      this.#pollWanted = false;
      try {
        if (this.#book.all().some(({ state }) => state === 'active')) {
          const begun = (await log.heads(topics)).filter((head) => this.#advance(head));
          if (begun.length > 0) foundAt = clock.monotonicMs();
        }
        failing = false;
      } catch (error) {
        if (!failing) logger.debug({ err: error }, 'cannot look for new records');
        failing = true;
      }
      const pause = this.#pollWanted && !failing ? 0 : failing ? Math.min(250, pollMs) : pollMs;
      await this.#pause(pause, (wake) => {
        this.#wakePoll = failing ? () => undefined : wake;
      });
    }
  }

  /** Returns whether it has begun to fetch records. */
  #advance(head: Head): boolean {
    const owned = this.#book.get(head.topic, head.partition);
    // A head that was read before the last record was delivered may lie behind it.
    if (owned?.state !== 'active' || owned.next > head.nextOffset) return false;
    const reading = this.#readings.get(owned) ?? { seenAt: null, head, isFetching: false };
    this.#readings.set(owned, reading);
    reading.head = head;
    if (reading.isFetching || owned.next >= head.nextOffset) return false;
    reading.isFetching = true;
    void this.#read(owned, reading).finally(() => {
      reading.isFetching = false;
    });
    return true;
  }

  /** Fetches and delivers up to the head, while the partition is owned and leased. */
  async #read(owned: OwnedPartition, reading: Reading): Promise<void> {
    await this.#book.settled([owned]);
    while (this.#mayDeliver(owned) && owned.next < reading.head.nextOffset) {
      const { topic, partition, next } = owned;
      const { head, seenAt } = reading;
      const fetched = await this.#fetch(owned, reading);
      if (fetched === null || !this.#mayDeliver(owned)) return;
      const { records } = fetched;
      const first = records[0]?.offset ?? head.nextOffset;
      // Everything below the head is visible and offsets have no gaps: a missing record was dropped by retention.
      if (first > next && !owned.isFresh) {
        if (seenAt === null) return this.#book.lose(owned, offsetLost(topic, partition, next, first, head.nextOffset));
        // Or the clock was set back, and a search without the time finds the record.
        reading.seenAt = null;
        continue;
      }
      owned.isFresh = false;
      if (records.length === 0) {
        owned.next = head.nextOffset;
        reading.seenAt = null;
        continue;
      }
      reading.seenAt = fetched.next.seenAt;
      await this.#book.push(owned, records, head.nextOffset);
    }
  }

  #mayDeliver(owned: OwnedPartition): boolean {
    const { clock } = this.#options;
    return !this.#abort.signal.aborted && this.#book.owns(owned) && clock.monotonicMs() < this.#leasedUntil;
  }

  /** Null when the database did not return them: the next poll starts the next attempt. */
  async #fetch({ topic, partition, next }: OwnedPartition, { seenAt, head }: Reading): Promise<Fetched | null> {
    try {
      return await this.#fetches.fetch({ topic, partition, offset: next, seenAt }, head);
    } catch (error) {
      this.#options.logger.debug({ err: error, topic, partition }, 'cannot fetch records');
      return null;
    }
  }

  async #pause(ms: number, onWake: (wake: () => void) => void): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const waking = new AbortController();
    onWake(() => waking.abort());
    const end = () => waking.abort();
    this.#abort.signal.addEventListener('abort', end, { once: true });
    await sleep(this.#options.clock, ms, waking.signal);
    this.#abort.signal.removeEventListener('abort', end);
  }
}
