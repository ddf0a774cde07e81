import { randomBytes } from 'node:crypto';
import { type Clock, sleep, systemClock } from '../../core/clock.ts';
import { Lifecycle } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';
import { isRetryable } from '../../postgres/retryable.ts';
import type { ConsumerOptions, OutgoingRecord, StreamConsumer, StreamDriver, StreamProducer } from '../driver.ts';
import { EmbeddedConsumer } from './consumer.ts';
import { GROUP_CHANNEL, GroupMembership } from './group.ts';
import { APPENDED_CHANNEL, EmbeddedLog } from './log.ts';
import { type Appends, readRanges } from './reader.ts';

export interface EmbeddedDriverOptions {
  database: Database;
  logger: Logger;
  clock?: Clock;
  /** Minimum retention of records; a topic may have a longer one. Default: that of the topics, or for ever. */
  retentionMs?: number;
  /** Life of a lease: a member that died is replaced within five quarters of it. Default 4 s. */
  leaseMs?: number;
  /** How often readers look without being notified. Default 2 s. */
  pollMs?: number;
}

const HOUSEKEEPING_MS = 60_000;
/** Records that were not counted before the machine was off for long are counted before they may expire. */
const EXPIRE_AFTER_MS = 10 * 60_000;

/** The stream as an append-only log in PostgreSQL: durable, ordered per partition, no broker needed. */
export function createEmbeddedDriver(options: EmbeddedDriverOptions): StreamDriver {
  const { database, logger, clock = systemClock, leaseMs = 4_000, pollMs = 2_000 } = options;
  const log = new EmbeddedLog(database);
  const lifecycle = new Lifecycle();
  const consumers = new Map<EmbeddedConsumer, string>();
  const readers = new Set<() => void>();
  let retentionMs = options.retentionMs;
  let listening = false;
  let appended = 0;

  // One listener for all consumers and readers. It is not waited for: without it they poll.
  const listen = () => {
    if (listening) return;
    listening = true;
    const subscribe = (channel: string, onPayload: (payload: string | null) => void) => {
      const subscription = database.listen(channel, onPayload);
      subscription.catch(() => undefined); // The database was closed.
      lifecycle.defer(async () => {
        const stop = await Promise.race([subscription.catch(() => undefined), sleep(clock, 100)]);
        await stop?.();
      });
    };
    subscribe(APPENDED_CHANNEL, () => {
      appended++;
      for (const consumer of consumers.keys()) consumer.poll();
      for (const wake of readers) wake();
    });
    subscribe(GROUP_CHANNEL, (group) => {
      for (const [consumer, itsGroup] of consumers) if (group === null || group === itsGroup) consumer.heartbeat();
    });
  };

  // Partitions of the coming hours are made ahead, those that are too old dropped.
  const keepHouse = startHousekeeping(log, logger, clock, () => retentionMs);
  lifecycle.defer(() => keepHouse.stop());

  const appends: Appends = {
    count: () => appended,
    async untilAfter(count, signal) {
      if (appended !== count) return;
      const waking = new AbortController();
      const wake = () => waking.abort();
      readers.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      await sleep(clock, pollMs, waking.signal);
      signal?.removeEventListener('abort', wake);
      readers.delete(wake);
    },
  };

  return {
    name: 'embedded',

    ensureTopics: (topics, { create }) =>
      coded(async () => {
        for (const spec of topics) if (spec.retentionMs) retentionMs = Math.max(retentionMs ?? 0, spec.retentionMs);
        if (create) {
          await log.createTopics(topics);
          await log.prepareAhead();
        }
        const counts = await log.countPartitions(topics.map(({ topic }) => topic));
        const missing = topics.filter(({ topic }) => !counts.has(topic)).map(({ topic }) => topic);
        if (missing.length > 0) {
          throw new VedetteError('VED_TOPIC_MISSING', `These topics do not exist: ${missing.join(', ')}`);
        }
        return counts;
      }),

    ends: (topic) =>
      coded(async () => {
        const ends = new Map((await log.heads([topic])).map(({ partition, nextOffset }) => [partition, nextOffset]));
        if (ends.size === 0) throw new VedetteError('VED_TOPIC_MISSING', `Topic ${topic} does not exist`);
        return ends;
      }),

    ranges: (topic) => coded(() => log.ranges(topic)),

    offsetsAt: (topic, timestampMs) => coded(() => log.offsetsAt(topic, timestampMs)),

    async createProducer() {
      keepHouse.start();
      const producer = new EmbeddedProducer(log);
      lifecycle.defer(() => producer.close());
      return producer;
    },

    async createConsumer({ group, topics, handler }: ConsumerOptions): Promise<StreamConsumer> {
      keepHouse.start();
      listen();
      const member = `${process.pid}-${randomBytes(6).toString('hex')}`;
      const membership = new GroupMembership(database, group, member, topics, leaseMs);
      const onClosed = () => void consumers.delete(consumer);
      const consumer = new EmbeddedConsumer({
        log,
        membership,
        topics,
        handler,
        logger,
        clock,
        leaseMs,
        pollMs,
        onClosed,
      });
      consumers.set(consumer, group);
      lifecycle.defer(() => consumer.close());
      return consumer;
    },

    async *read(topic, ranges, signal) {
      listen();
      try {
        yield* readRanges(log, topic, ranges, appends, signal);
      } catch (error) {
        throw toStreamError(error);
      }
    },

    close: () => lifecycle.close(),
  };
}

class EmbeddedProducer implements StreamProducer {
  readonly #log: EmbeddedLog;
  readonly #sending = new Set<Promise<void>>();
  #closed = false;

  constructor(log: EmbeddedLog) {
    this.#log = log;
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#closed) throw new VedetteError('VED_STREAM_UNAVAILABLE', 'The producer is closed');
    const sending = coded(() => this.#log.append(records));
    this.#sending.add(sending);
    try {
      await sending;
    } finally {
      this.#sending.delete(sending);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#sending);
  }
}

/** A database that is away is a stream that is away. */
async function coded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStreamError(error);
  }
}

function toStreamError(error: unknown): unknown {
  if (!isRetryable(error)) return error;
  const message = `The database of the stream cannot be used: ${(error as Error).message}`;
  return new VedetteError('VED_STREAM_UNAVAILABLE', message, { cause: error });
}

function startHousekeeping(log: EmbeddedLog, logger: Logger, clock: Clock, retentionMs: () => number | undefined) {
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  const run = async () => {
    const startMs = clock.monotonicMs();
    while (!abort.signal.aborted) {
      try {
        await log.prepareAhead();
        const keepMs = clock.monotonicMs() - startMs < EXPIRE_AFTER_MS ? undefined : retentionMs();
        const dropped = keepMs === undefined ? [] : await log.expire(keepMs);
        if (dropped.length > 0) logger.info({ dropped }, 'old records of the stream dropped');
      } catch (error) {
        // Partitions exist two hours ahead, and a producer that finds none makes it: the next round will do.
        logger.debug({ err: error }, 'housekeeping of the stream failed');
      }
      await sleep(clock, HOUSEKEEPING_MS, abort.signal);
    }
  };
  return {
    start: () => {
      running ??= run();
    },
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}
