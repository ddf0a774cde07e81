import { setMaxListeners } from 'node:events';
import { sleep } from '../../core/clock.ts';
import { elementAt } from '../../core/element-at.ts';
import { retry } from '../../core/retry.ts';
import type { CheckResult } from '../../messages/check-result.ts';
import { resultEvent } from '../../messages/cloud-events.ts';
import { encodeResult } from '../../messages/encode.ts';
import { partitionOf } from '../../messages/partition.ts';
import { blockKeys, type RecordForm } from '../../messages/record.ts';
import type { OutgoingRecord, StreamProducer } from '../../streaming/driver.ts';
import { OutcomeChanges } from './outcome-changes.ts';
import { type Block, PartitionQueue, type QueuedLine, type Receipt } from './partition-queue.ts';
import type { PublisherOptions } from './publisher-options.ts';

interface PublisherStats {
  /** Results the log has acknowledged. */
  published: number;
  queuedResults: number;
  queuedBytes: number;
  /** Wall time in ms since which the log has not taken some partition's results; null when all is well. */
  failingSince: number | null;
  /** Copies for topics.success and topics.failures that were given up. */
  droppedCopies: number;
}

/**
 * Brings results into the log, in order per partition. A send that fails is repeated for ever: readers drop the
 * repetition. Memory is bounded: what does not fit is refused, and the caller makes it a missed slot.
 */
export interface Publisher {
  /**
   * Takes the result, or returns false when there is no room for its topic. `receipt` is called when it is in the log; receipts
   * of one job and topic come in the order of its results.
   */
  publish(result: CheckResult, topic: string, receipt?: Receipt): boolean;
  /** Whether a result for the topic would be refused now. */
  isFull(topic: string): boolean;
  /** Calls back each time there is room again for a topic whose results were refused. */
  onRoom(callback: () => void): void;
  /** Sends what waits without lingering; returns whether everything is in the log, false when `signal` aborts first. */
  flush(signal?: AbortSignal): Promise<boolean>;
  /** Flushes for at most `graceMs`, then gives up what is left and closes its producer. */
  close(graceMs?: number): Promise<void>;
  stats(): PublisherStats;
}

export function createPublisher(options: PublisherOptions): Publisher {
  return new StreamPublisher(options);
}

interface Route {
  queues: PartitionQueue[] | null;
  /** Bytes that wait for the log. */
  bytes: number;
  /** Lines that wait for the number of partitions. */
  waiting: QueuedLine[];
  copies: boolean;
}

class StreamPublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #routes = new Map<string, Route>();
  readonly #abort = new AbortController();
  readonly #roomCallbacks: Array<() => void> = [];
  readonly #idleCallbacks = new Set<() => void>();
  readonly #producers = new Map<'own' | 'any', Promise<StreamProducer>>();
  readonly #changes = new OutcomeChanges();
  #cancelLinger: (() => void) | undefined;
  /** Monotonic time at which the linger ends. */
  #ripeMs = 0;
  #closed: Promise<void> | undefined;
  /** Topics for which there was no room. */
  readonly #refused = new Set<Route>();
  #queuedBytes = 0;
  #queuedResults = 0;
  #copyBytes = 0;
  #published = 0;
  #droppedCopies = 0;
  #failing = 0;
  #failingSince: number | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
    // While the stream is away every partition waits to try again, and all of them for this.
    setMaxListeners(0, this.#abort.signal);
  }

  isFull(topic: string): boolean {
    return this.#closed !== undefined || (this.#routes.get(topic)?.bytes ?? 0) >= this.#boundOfOne();
  }

  publish(result: CheckResult, topic: string, receipt?: Receipt): boolean {
    if (this.#closed) return false;
    const route = this.#route(topic, false);
    if (route.bytes >= this.#boundOfOne()) {
      this.#refused.add(route);
      return false;
    }
    const line = encodeResult(this.#readable(result));
    const byteLength = Buffer.byteLength(line);
    this.#queuedBytes += byteLength + 1;
    this.#queuedResults++;
    const { jobId, slot } = result;
    const event = this.#options.cloudEventsSource === null ? undefined : resultEvent(result);
    const queued = { line, byteLength, jobId, slot, receipt, event };
    this.#add(route, queued);
    if (this.#changes.isChange(result)) this.#linger(URGENT_LINGER_MS);
    const { successTopic, failuresTopic } = this.#options;
    const copyTopic = result.outcome === 'up' ? successTopic : failuresTopic;
    if (copyTopic !== null && result.slots !== 0) this.#copy(copyTopic, { ...queued, receipt: undefined });
    return true;
  }

  #readable(result: CheckResult): CheckResult {
    if (result.values === undefined && result.maintenance === undefined) return result;
    if (this.#options.sendsLaterFields?.() ?? true) return result;
    const { values: _values, maintenance: _maintenance, ...rest } = result;
    return rest;
  }

  onRoom(callback: () => void): void {
    this.#roomCallbacks.push(callback);
  }

  async flush(signal?: AbortSignal): Promise<boolean> {
    while (this.#queuedResults > 0 && !signal?.aborted) {
      this.#ripen();
      await new Promise<void>((resolve) => {
        const finish = () => {
          this.#idleCallbacks.delete(finish);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        this.#idleCallbacks.add(finish);
        signal?.addEventListener('abort', finish, { once: true });
      });
    }
    return this.#queuedResults === 0;
  }

  close(graceMs = 5000): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  stats(): PublisherStats {
    return {
      published: this.#published,
      queuedResults: this.#queuedResults,
      queuedBytes: this.#queuedBytes,
      failingSince: this.#failingSince,
      droppedCopies: this.#droppedCopies,
    };
  }

  /** Bytes that may wait for one topic: a multiple of what is free, so that topics that are not taken leave room for others. */
  #boundOfOne(): number {
    return SHARE_OF_FREE * (this.#options.maxQueueBytes - this.#queuedBytes);
  }

  async #close(graceMs: number): Promise<void> {
    const { clock, logger } = this.#options;
    const grace = new AbortController();
    const cancel = clock.after(graceMs, () => grace.abort());
    const flushed = await this.flush(grace.signal);
    cancel();
    if (!flushed) logger.warn({ results: this.#queuedResults }, 'results given up, their slots will be missed');
    this.#abort.abort();
    for (const producer of this.#producers.values()) {
      try {
        await (await producer).close();
      } catch (error) {
        // Nothing depends on it any more: what was not acknowledged counts as not sent.
        logger.debug({ err: error }, 'producer not closed');
      }
    }
  }

  #copy(topic: string, line: QueuedLine): void {
    if (this.#copyBytes + line.byteLength > this.#options.maxQueueBytes / 8) {
      this.#droppedCopies++;
      return;
    }
    this.#copyBytes += line.byteLength + 1;
    this.#add(this.#route(topic, true), line);
  }

  #route(topic: string, copies: boolean): Route {
    const key = copies ? `copies ${topic}` : topic;
    let route = this.#routes.get(key);
    if (!route) {
      route = { queues: null, bytes: 0, waiting: [], copies };
      this.#routes.set(key, route);
      void this.#resolve(topic, route);
    }
    return route;
  }

  async #resolve(topic: string, route: Route): Promise<void> {
    const partitions = await this.#persist(() => this.#options.partitionsOf(topic), { topic });
    if (partitions === undefined) return;
    const { maxBlockBytes, cloudEventsSource: eventSource } = this.#options;
    const form = this.#formOf(route.copies);
    route.queues = blockKeys(partitions).map(
      (blockKey, index) => new PartitionQueue(topic, index, { form, blockKey, eventSource }, maxBlockBytes),
    );
    for (const line of route.waiting.splice(0)) {
      elementAt(route.queues, partitionOf(line.jobId, partitions)).add(line);
    }
    this.#pump();
    this.#linger();
  }

  #add(route: Route, line: QueuedLine): void {
    route.bytes += line.byteLength + 1;
    if (!route.queues) {
      route.waiting.push(line);
      return;
    }
    const queue = elementAt(route.queues, partitionOf(line.jobId, route.queues.length));
    if (queue.add(line) && queue.ready) this.#pump();
    this.#linger();
  }

  #formOf(copies: boolean): RecordForm {
    return copies ? 'record' : this.#options.format;
  }

  /** Sends what waits after this time, or sooner where that is planned already. */
  #linger(ms = this.#options.lingerMs): void {
    const { clock } = this.#options;
    const ripeMs = clock.monotonicMs() + ms;
    if (this.#cancelLinger && ripeMs >= this.#ripeMs) return;
    this.#cancelLinger?.();
    this.#ripeMs = ripeMs;
    this.#cancelLinger = clock.after(ms, () => {
      this.#cancelLinger = undefined;
      this.#ripen();
    });
  }

  #ripen(): void {
    for (const { queues } of this.#routes.values()) for (const queue of queues ?? []) queue.ripen();
    this.#pump();
  }

  /** Sends one block of every partition that has one ready and none on its way. */
  #pump(): void {
    if (this.#abort.signal.aborted) return;
    for (const route of this.#routes.values()) {
      const shipments: Shipment[] = [];
      for (const queue of route.queues ?? []) {
        const block = queue.ready ? queue.take() : undefined;
        if (!block) continue;
        queue.sending = true;
        if (route.copies) void this.#sendCopies({ route, queue, block });
        else shipments.push({ route, queue, block });
      }
      if (shipments.length > 0) void this.#send(shipments);
    }
  }

  /** All of a topic together first; when that fails, each partition for itself, so that a broken one holds up no other. */
  async #send(shipments: Shipment[]): Promise<void> {
    try {
      await this.#sendOnce(shipments);
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'send failed');
      await Promise.all(shipments.map((shipment) => this.#sendAlone(shipment)));
      return;
    }
    for (const shipment of shipments) this.#acknowledge(shipment);
    this.#settled();
  }

  async #sendAlone(shipment: Shipment): Promise<void> {
    const { topic, partition } = shipment.queue;
    const sent = await this.#persist(
      async () => {
        await this.#sendOnce([shipment]);
        return true;
      },
      { topic, partition },
    );
    if (!sent) return;
    this.#acknowledge(shipment);
    this.#settled();
  }

  async #sendCopies(shipment: Shipment): Promise<void> {
    try {
      await this.#sendOnce([shipment]);
    } catch (error) {
      // Copies are best effort, by contract. A pause keeps a broken topic from being hammered.
      this.#droppedCopies += shipment.block.lines;
      this.#options.logger.debug({ err: error }, 'copies of results not sent');
      await sleep(this.#options.clock, COPY_PAUSE_MS, this.#abort.signal);
    }
    this.#copyBytes -= shipment.block.bytes;
    shipment.route.bytes -= shipment.block.bytes;
    shipment.queue.sending = false;
    this.#pump();
  }

  async #sendOnce(shipments: Shipment[]): Promise<void> {
    const producer = await this.#connect(shipments.some(({ route }) => route.copies));
    const records: OutgoingRecord[] = [];
    for (const { queue, block } of shipments) {
      for (const record of block.toRecords(queue.topic, queue.partition, queue.layout)) records.push(record);
    }
    await producer.send(records);
  }

  /** Single lines are for programs of all kinds, blocks for Vedette's own processors. */
  #connect(copies: boolean): Promise<StreamProducer> {
    const readers = this.#formOf(copies) === 'record' ? 'any' : 'own';
    let producer = this.#producers.get(readers);
    if (!producer) {
      producer = this.#options.driver.createProducer({ readers }).catch((error: unknown) => {
        this.#producers.delete(readers);
        throw error;
      });
      this.#producers.set(readers, producer);
    }
    return producer;
  }

  #acknowledge({ route, queue, block }: Shipment): void {
    queue.sending = false;
    route.bytes -= block.bytes;
    this.#queuedBytes -= block.bytes;
    this.#queuedResults -= block.lines;
    this.#published += block.lines;
    block.acknowledge();
  }

  #settled(): void {
    this.#pump();
    if (this.#queuedResults === 0) for (const callback of [...this.#idleCallbacks]) callback();
    const eased = [...this.#refused].filter(({ bytes }) => bytes <= ROOM * this.#boundOfOne());
    for (const route of eased) this.#refused.delete(route);
    if (eased.length > 0) for (const callback of this.#roomCallbacks) callback();
  }

  /** Repeats `work` until it succeeds; undefined when the publisher closes first. Logged once per outage, not per try. */
  async #persist<T>(work: () => Promise<T>, fields: object): Promise<T | undefined> {
    const { clock, logger } = this.#options;
    const onTransition = (state: { failing: true; error: unknown } | { failing: false }) => {
      if (state.failing) {
        if (this.#failing++ > 0) return;
        this.#failingSince = clock.wallMs();
        logger.warn({ err: state.error, ...fields }, 'stream does not take results, they wait');
      } else if (--this.#failing === 0) {
        this.#failingSince = null;
        logger.info('stream takes results again');
      }
    };
    try {
      return await retry(work, { clock, signal: this.#abort.signal, onTransition });
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      throw error;
    }
  }
}

interface Shipment {
  route: Route;
  queue: PartitionQueue;
  block: Block;
}

/** One topic alone may take three quarters, two a little less than half each. */
const SHARE_OF_FREE = 3;
/** How empty a topic's share must be before those who were refused are called again. */
const ROOM = 0.9;
const COPY_PAUSE_MS = 1000;
/** Changes of outcome that come together are sent together. */
const URGENT_LINGER_MS = 50;
