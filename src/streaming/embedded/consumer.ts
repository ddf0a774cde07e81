import { type Clock, sleep } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { ConsumerHandler, RecordBatch, StreamConsumer, TopicPartition } from '../driver.ts';
import { offsetLost } from '../offset-lost.ts';
import type { GroupMembership } from './group.ts';
import type { EmbeddedLog, Head, Position } from './log.ts';

export interface EmbeddedConsumerOptions {
  log: EmbeddedLog;
  membership: GroupMembership;
  topics: readonly string[];
  handler: ConsumerHandler;
  logger: Logger;
  clock: Clock;
  /** Life of a lease; it is renewed four times as often. */
  leaseMs: number;
  /** How often heads are looked at when no notification comes. */
  pollMs: number;
  onClosed: () => void;
}

/** A partition of ours, from the moment it is assigned until it is revoked or reset. */
interface Assignment extends TopicPartition {
  /** Null until onAssigned has answered. */
  position: Position | null;
  head: Head | null;
  /** Revoked or reset: nothing more is delivered under it. */
  over: boolean;
  /** Begins at the first retained record, whichever that is by then. */
  isFresh: boolean;
  /** Its first offset was beyond the end that was known. */
  doubtful: boolean;
  /** Runs while there is something to deliver. */
  delivering: Promise<void> | null;
  /** The call of onBatch under way, also one of the assignment before. */
  running: Promise<void>;
}

/** Fetches under way at a time, so that one consumer does not take the whole pool. */
const MAX_FETCHES = 3;
const CLOSE_TIMEOUT_MS = 3_000;
/** How often it is asked whether somebody has set a lost offset anew. */
const LOST_AGAIN_MS = 30_000;

/**
 * One member of a group. Two loops: the beat keeps the leases and follows what they say; the look asks for the heads of
 * the assigned partitions, woken by notifications, and starts a delivery for each that has something new.
 */
export class EmbeddedConsumer implements StreamConsumer {
  readonly #options: EmbeddedConsumerOptions;
  readonly #assignments = new Map<string, Assignment>();
  readonly #abort = new AbortController();
  readonly #beating: Promise<void>;
  readonly #looking: Promise<void>;
  #wakeBeat: () => void = () => undefined;
  #wakeLook: () => void = () => undefined;
  #beatWanted = false;
  #lookWanted = false;
  /** Monotonic time until which the leases are known to be ours; after it nothing is delivered until they are again. */
  #leasedUntil = 0;
  /** After onAssigned has failed, others may try first. */
  #claimAfter = 0;
  #failedAssignments = 0;
  #fetches = 0;
  readonly #fetchQueue: Array<() => void> = [];
  #closing: Promise<void> | undefined;

  constructor(options: EmbeddedConsumerOptions) {
    this.#options = options;
    this.#beating = this.#beatLoop();
    this.#looking = this.#lookLoop();
  }

  /** Something was appended. */
  look(): void {
    this.#lookWanted = true;
    this.#wakeLook();
  }

  /** Something changed in the group. */
  beat(): void {
    this.#beatWanted = true;
    this.#wakeBeat();
  }

  reset(partitions: readonly TopicPartition[]): void {
    if (this.#abort.signal.aborted) return;
    const fresh: Assignment[] = [];
    for (const { topic, partition } of partitions) {
      const current = this.#assignments.get(keyOf({ topic, partition }));
      if (!current) continue;
      current.over = true;
      fresh.push(this.#add({ topic, partition }, current.running));
    }
    if (fresh.length > 0) void this.#assign(fresh);
  }

  reportCommitted(): void {
    // Lag is told from stream_offsets, in the same database; there is nobody else to report to.
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#abort.abort();
    this.#wakeBeat();
    this.#wakeLook();
    const assignments = [...this.#assignments.values()];
    for (const assignment of assignments) assignment.over = true;
    await Promise.all(assignments.map(({ running }) => running));
    this.#revoke(assignments);
    // Leaving is a courtesy: leases of a member that cannot say goodbye expire.
    const leaving = Promise.all([this.#beating, this.#looking]).then(() => this.#options.membership.leave());
    const { clock, logger } = this.#options;
    await Promise.race([
      leaving.catch((error) => logger.debug({ err: error }, 'could not leave the consumer group')),
      sleep(clock, CLOSE_TIMEOUT_MS),
    ]);
    this.#options.onClosed();
  }

  // --- leases

  async #beatLoop(): Promise<void> {
    const { clock, leaseMs, logger } = this.#options;
    const { signal } = this.#abort;
    let failing = false;
    let missing = '';
    // Not before the caller has the consumer in hand.
    await new Promise((resolve) => setImmediate(resolve));
    while (!signal.aborted) {
      this.#beatWanted = false;
      const started = clock.monotonicMs();
      try {
        const beat = await this.#options.membership.beat(started >= this.#claimAfter);
        if (signal.aborted) return;
        if (failing) logger.info('consumer group reached again');
        failing = false;
        this.#leasedUntil = started + leaseMs;
        this.#follow(beat.owned);
        if (beat.excess.length > 0) await this.#giveUp(beat.excess.map(keyOf));
        if (beat.missing.join() !== missing && beat.missing.length > 0) {
          const message = `These topics do not exist (yet): ${beat.missing.join(', ')}`;
          this.#options.handler.onError(new VedetteError('VED_TOPIC_MISSING', message));
        }
        missing = beat.missing.join();
        this.look();
      } catch (error) {
        if (!failing) logger.warn({ err: error }, 'the database of the stream cannot be reached');
        failing = true;
      }
      // A beat that was asked for meanwhile follows soon, but not at once: a failing database is not to be stormed.
      const pause = failing ? leaseMs / 8 : this.#beatWanted ? 0 : leaseMs / 4;
      await this.#pause(pause, (wake) => {
        this.#wakeBeat = failing ? () => undefined : wake;
      });
    }
  }

  #follow(owned: readonly TopicPartition[]): void {
    const keys = new Set(owned.map(keyOf));
    const lost = [...this.#assignments.values()].filter((assignment) => !keys.has(keyOf(assignment)));
    this.#revoke(lost);
    const gained = owned.filter((partition) => !this.#assignments.has(keyOf(partition)));
    if (gained.length > 0) void this.#assign(gained.map((partition) => this.#add(partition, Promise.resolve())));
  }

  /** Stops delivery, waits for what runs (within the lease, which others respect), then lets others have them. */
  async #giveUp(keys: readonly string[]): Promise<void> {
    const { clock, leaseMs, membership, logger } = this.#options;
    const leaving = keys.map((key) => this.#assignments.get(key)).filter((one) => one !== undefined);
    this.#revoke(leaving);
    await Promise.race([Promise.all(leaving.map(({ running }) => running)), sleep(clock, leaseMs / 2)]);
    await membership.release(leaving).catch((error) => {
      logger.debug({ err: error }, 'could not release partitions; their leases expire');
    });
  }

  #revoke(assignments: readonly Assignment[]): void {
    if (assignments.length === 0) return;
    for (const assignment of assignments) {
      assignment.over = true;
      if (this.#assignments.get(keyOf(assignment)) === assignment) this.#assignments.delete(keyOf(assignment));
    }
    this.#options.handler.onRevoked(assignments.map(({ topic, partition }) => ({ topic, partition })));
  }

  #add({ topic, partition }: TopicPartition, running: Promise<void>): Assignment {
    const assignment = {
      topic,
      partition,
      position: null,
      head: null,
      over: false,
      isFresh: false,
      doubtful: false,
      delivering: null,
      running,
    };
    this.#assignments.set(keyOf(assignment), assignment);
    return assignment;
  }

  async #assign(assignments: readonly Assignment[]): Promise<void> {
    const { handler, logger, clock } = this.#options;
    const partitions = assignments.map(({ topic, partition }) => ({ topic, partition }));
    try {
      const offsets = await handler.onAssigned(partitions);
      this.#failedAssignments = 0;
      assignments.forEach((assignment, index) => {
        const { topic, partition } = assignment;
        assignment.isFresh = (offsets[index] ?? null) === null;
        assignment.position = { topic, partition, offset: offsets[index] ?? 0, seenAt: null };
      });
      this.look();
    } catch (error) {
      const current = assignments.filter(({ over }) => !over);
      logger.warn({ err: error, partitions: current.length }, 'partitions given up: where to begin is not known');
      this.#claimAfter = clock.monotonicMs() + Math.min(5_000, 250 * 2 ** this.#failedAssignments++);
      await this.#giveUp(current.map(keyOf));
      clock.after(this.#claimAfter - clock.monotonicMs(), () => this.beat());
    }
  }

  // --- delivery

  async #lookLoop(): Promise<void> {
    const { log, topics, logger, pollMs } = this.#options;
    const { signal } = this.#abort;
    let failing = false;
    while (!signal.aborted) {
      this.#lookWanted = false;
      try {
        if ([...this.#assignments.values()].some(({ position }) => position)) {
          for (const head of await log.heads(topics)) this.#advance(head);
        }
        failing = false;
      } catch (error) {
        if (!failing) logger.debug({ err: error }, 'cannot look for new records');
        failing = true;
      }
      const pause = this.#lookWanted && !failing ? 0 : failing ? Math.min(250, pollMs) : pollMs;
      await this.#pause(pause, (wake) => {
        this.#wakeLook = failing ? () => undefined : wake;
      });
    }
  }

  #advance(head: Head): void {
    const assignment = this.#assignments.get(keyOf(head));
    if (!assignment?.position || assignment.over) return;
    if (assignment.position.offset > head.nextOffset) {
      this.#doubt(assignment, assignment.position, head);
      return;
    }
    assignment.head = head;
    if (assignment.delivering || assignment.position.offset >= head.nextOffset) return;
    assignment.delivering = this.#deliver(assignment).finally(() => {
      assignment.delivering = null;
    });
  }

  /** The answer of onAssigned names an offset beyond the end. */
  #doubt(assignment: Assignment, position: Position, head: Head): void {
    // A head may have been read before the record that was delivered last, or before the answer was given: the next
    // look is certain.
    if (position.seenAt !== null) return;
    if (assignment.doubtful) {
      this.#lose(assignment, position.offset, head.nextOffset, head.nextOffset);
    } else {
      assignment.doubtful = true;
      this.look();
    }
  }

  /** The log does not hold what is to be read next. Nothing is delivered until onAssigned answers another offset. */
  #lose(assignment: Assignment, offset: number, low: number, high: number): void {
    const { clock, handler } = this.#options;
    const { topic, partition } = assignment;
    assignment.over = true;
    const lost = this.#add({ topic, partition }, assignment.running);
    handler.onError(offsetLost(topic, partition, offset, low, high), { topic, partition });
    void sleep(clock, LOST_AGAIN_MS, this.#abort.signal).then(() => {
      if (!lost.over && !this.#abort.signal.aborted) void this.#assign([lost]);
    });
  }

  async #deliver(assignment: Assignment): Promise<void> {
    const { clock, logger } = this.#options;
    await assignment.running;
    while (!assignment.over && clock.monotonicMs() < this.#leasedUntil) {
      const position = assignment.position as Position;
      const head = assignment.head as Head;
      if (position.offset >= head.nextOffset) return;
      let fetched: Awaited<ReturnType<EmbeddedLog['fetch']>>;
      try {
        fetched = await this.#fetch(position, head);
      } catch (error) {
        logger.debug({ err: error, topic: position.topic, partition: position.partition }, 'cannot fetch records');
        return; // The look, which polls, starts the next try.
      }
      if (assignment.over || clock.monotonicMs() >= this.#leasedUntil) return;
      const { records, next } = fetched;
      const first = records[0]?.offset ?? head.nextOffset;
      // Everything below the head is visible and offsets have no gaps: what is not there was dropped by retention.
      if (first > position.offset && !assignment.isFresh) {
        if (position.seenAt === null) return this.#lose(assignment, position.offset, first, head.nextOffset);
        // Or the clock was set back, and what was looked for by its time is there all the same.
        assignment.position = { ...position, seenAt: null };
        continue;
      }
      assignment.isFresh = false;
      if (records.length === 0) {
        assignment.position = { ...position, offset: head.nextOffset, seenAt: null };
        continue;
      }
      const { topic, partition } = assignment;
      const highWatermark = Math.max(head.nextOffset, next.offset);
      assignment.running = this.#call(assignment, { topic, partition, records, highWatermark });
      await assignment.running;
      assignment.position = next;
    }
  }

  async #fetch(position: Position, head: Head): ReturnType<EmbeddedLog['fetch']> {
    while (this.#fetches >= MAX_FETCHES) await new Promise<void>((resolve) => this.#fetchQueue.push(resolve));
    this.#fetches++;
    try {
      return await this.#options.log.fetch(position, head);
    } finally {
      this.#fetches--;
      this.#fetchQueue.shift()?.();
    }
  }

  /** A handler must not reject; one that does is a defect, which is told and does not end the delivery of others. */
  async #call(assignment: Assignment, batch: RecordBatch): Promise<void> {
    // So that `running` is set when the handler calls reset() at once.
    await Promise.resolve();
    if (assignment.over) return;
    try {
      await this.#options.handler.onBatch(batch);
    } catch (error) {
      this.#options.handler.onError(error);
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

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`;
}
