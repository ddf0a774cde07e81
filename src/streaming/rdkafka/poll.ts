import type { RdConsumer, RdError, RdMessage } from './module.ts';

const MAX_MESSAGES = 4_096;
const MAX_BYTES = 2 * 2 ** 20;
const IDLE_MS = 100;
const GATHER_MS = 10;
const QUICK_MS = 5;
const SLOW_MS = 25;

/**
 * Fetches messages in calls of `consume(n)`. Such a call waits its timeout again for each message until n are there, so
 * that a slow trickle could hold the first message back for very long: n follows what really comes. One message at a
 * time when little does, doubled while calls fill up at once, bounded by the size of the messages.
 */
export class MessagePoll {
  readonly #consumer: RdConsumer;
  #limit = 1;
  #averageBytes = 1_024;

  constructor(consumer: RdConsumer) {
    this.#consumer = consumer;
  }

  async next(): Promise<RdMessage[]> {
    const limit = this.#limit;
    // A single message is returned when it comes; more of them only when there are so many or time is over.
    this.#consumer.setDefaultConsumeTimeout(limit === 1 ? IDLE_MS : GATHER_MS);
    const started = performance.now();
    const messages = await new Promise<RdMessage[]>((resolve, reject) => {
      this.#consumer.consume(limit, (error: RdError | null | undefined, given) => {
        if (error) reject(error);
        else resolve(given);
      });
    });
    this.#adapt(limit, messages, performance.now() - started);
    return messages;
  }

  #adapt(limit: number, messages: readonly RdMessage[], tookMs: number): void {
    if (messages.length === 0) {
      this.#limit = 1;
      return;
    }
    const bytes = messages.reduce((sum, { size }) => sum + size, 0);
    this.#averageBytes += (bytes / messages.length - this.#averageBytes) / 4;
    let next = limit;
    if (messages.length < limit) next = messages.length;
    else if (tookMs < QUICK_MS || bytes > MAX_BYTES / 4) next = limit * 2;
    else if (tookMs > SLOW_MS) next = limit / 2;
    const most = Math.max(1, Math.min(MAX_MESSAGES, Math.floor(MAX_BYTES / this.#averageBytes)));
    this.#limit = Math.max(1, Math.min(most, Math.floor(next)));
  }
}
