import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import type { Database } from '../postgres/database.ts';
import { readCountedTopics, watchTopics } from './topics.ts';

/** Consumes a fixed list of topics between start and stop. */
export interface TopicConsumer {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface TopicFollowerOptions<Consumer extends TopicConsumer> {
  database: Database;
  logger: Logger;
  /** Topic that is counted whether or not it was used yet. */
  resultsTopic: string;
  /** Makes a consumer of these topics; each must exist when it returns. */
  create(topics: readonly string[]): Promise<Consumer>;
}

/** Keeps one consumer of all counted topics; it is replaced when jobs begin to use another topic. */
export class TopicFollower<Consumer extends TopicConsumer> {
  readonly #options: TopicFollowerOptions<Consumer>;
  #consumer: Consumer | undefined;
  #topics: string[] = [];
  #problem: string | null = null;
  #unwatch: () => Promise<void> = async () => {};
  /** Changes are worked off one after the other. */
  #queue: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  constructor(options: TopicFollowerOptions<Consumer>) {
    this.#options = options;
  }

  /** The consumer that runs; null before the start. */
  get consumer(): Consumer | null {
    return this.#consumer ?? null;
  }

  /** Why the topics cannot be followed; null when they can. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Rejects when the first consumer cannot start; it may be called again. */
  async start(): Promise<void> {
    await this.#follow();
    this.#unwatch = await watchTopics(this.#options.database, () => {
      this.#queue = this.#queue.then(() => this.#followUntilDone());
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#unwatch();
    await this.#queue;
    await this.#consumer?.stop();
  }

  /** The consumer before has ended by then: without the next one nothing would be consumed. */
  async #followUntilDone(): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    await retry(() => this.#follow(), {
      signal,
      onTransition: (state) => {
        this.#problem = state.failing ? `topics cannot be followed: ${(state.error as Error).message}` : null;
        if (state.failing) logger.error({ err: state.error }, 'topics cannot be followed, trying again');
      },
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async #follow(): Promise<void> {
    const { database, resultsTopic, create, logger } = this.#options;
    const topics = await readCountedTopics(database, resultsTopic);
    if (this.#stopping.signal.aborted || topics.join() === this.#topics.join()) return;
    await this.#consumer?.stop();
    this.#topics = [];
    const consumer = await create(topics);
    await consumer.start();
    this.#consumer = consumer;
    this.#topics = topics;
    logger.info({ topics }, 'counting results');
  }
}
