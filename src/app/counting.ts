import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import type { Database } from '../postgres/database.ts';
import type { Processor } from '../processor/processor.ts';
import type { ProcessorStats } from '../processor/stats.ts';
import { readCountedTopics, watchTopics } from '../streaming/topics.ts';

export interface CountingOptions {
  database: Database;
  logger: Logger;
  /** Topic that is counted whether or not it was used yet. */
  resultsTopic: string;
  /** Makes a processor of these topics; each must exist by now. */
  create(topics: readonly string[]): Promise<Processor>;
}

/** The processor of this process, made anew when jobs begin to use another topic. */
export interface Counting {
  start(): Promise<void>;
  stop(): Promise<void>;
  stats(): ProcessorStats | null;
  /** What keeps it from counting, now, in its own words; without a topic all partitions are meant. */
  problems(): ProcessorStats['problems'];
}

export function createCounting(options: CountingOptions): Counting {
  return new TopicsFollower(options);
}

class TopicsFollower implements Counting {
  readonly #options: CountingOptions;
  #processor: Processor | undefined;
  #topics: string[] = [];
  /** Why the topics cannot be followed; null when they can. */
  #problem: string | null = null;
  #unwatch: () => Promise<void> = async () => {};
  /** Changes are worked off one after the other. */
  #queue: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  constructor(options: CountingOptions) {
    this.#options = options;
  }

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
    await this.#processor?.stop();
  }

  stats(): ProcessorStats | null {
    return this.#processor?.stats() ?? null;
  }

  problems(): ProcessorStats['problems'] {
    if (this.#problem !== null) return [{ reason: `topics cannot be followed: ${this.#problem}` }];
    return this.#processor?.stats().problems ?? [];
  }

  /** The processor before has ended by then: without the next one nothing would be counted. */
  async #followUntilDone(): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    await retry(() => this.#follow(), {
      signal,
      onTransition: (state) => {
        this.#problem = state.failing ? String((state.error as Error).message) : null;
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
    await this.#processor?.stop();
    this.#topics = [];
    const processor = await create(topics);
    await processor.start();
    this.#processor = processor;
    this.#topics = topics;
    logger.info({ topics }, 'counting results');
  }
}
