import { createHash } from 'node:crypto';
import pg from 'pg';
import { withDeadline } from '../core/deadline.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';

type OnPayload = (payload: string | null) => void;

interface ListenerOptions {
  config: pg.ClientConfig;
  session: string;
  schema: string;
  logger: Logger;
}

/** PostgreSQL's limit for the name of a channel, in bytes. */
const MAX_CHANNEL_BYTES = 63;
/** How often a silent connection is asked whether it is still there, and how long it may take to answer. */
const PING_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
const UNLISTEN_MS = 1_000;

/**
 * LISTEN on one connection of its own, shared by all channels and opened by the first. It reconnects for ever; after
 * each reconnect everyone is called with null, because notifications may have been lost.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #subscribers = new Map<string, Set<OnPayload>>();
  readonly #abort = new AbortController();
  #client: pg.Client | undefined;
  /** Resolves when a connection listens to everything subscribed at that time. */
  #connecting: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Resolves when the server listens, which may take until it can be reached; rejects when closed before that. */
  async listen(channel: string, onPayload: OnPayload): Promise<() => Promise<void>> {
    const name = qualifiedChannel(this.#options.schema, channel);
    const subscribers = this.#subscribers.get(name) ?? new Set();
    this.#subscribers.set(name, subscribers);
    // An identity of its own, so that one function may subscribe twice.
    const subscriber: OnPayload = (payload) => onPayload(payload);
    subscribers.add(subscriber);
    try {
      await this.#ensureListening(name);
    } catch (error) {
      subscribers.delete(subscriber);
      throw error;
    }
    return async () => {
      subscribers.delete(subscriber);
      if (subscribers.size > 0 || this.#subscribers.get(name) !== subscribers) return;
      this.#subscribers.delete(name);
      // When the connection is lost, so is its LISTEN; no callback is called any more even while the server is silent.
      const client = this.#client;
      const unlisten = `UNLISTEN ${pg.escapeIdentifier(name)}`;
      if (client) await withDeadline(this.#run(client, unlisten), UNLISTEN_MS, 'not answered').catch(() => undefined);
    };
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#subscribers.clear();
    const client = this.#client;
    this.#client = undefined;
    await Promise.all([client?.end().catch(() => undefined), this.#connecting?.catch(() => undefined)]);
  }

  async #ensureListening(name: string): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const client = this.#client;
      if (!client) {
        await this.#connect();
        continue;
      }
      try {
        await this.#run(client, `LISTEN ${pg.escapeIdentifier(name)}`);
        return;
      } catch (error) {
        if (this.#client === client) throw error;
      }
    }
    throw new Error('The database was closed');
  }

  /** One statement at a time: pg is to stop queueing them itself. */
  #run(client: pg.Client, sql: string): Promise<unknown> {
    const result = this.#turn.then(() => client.query(sql));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #connect(): Promise<void> {
    this.#connecting ??= this.#reconnect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #reconnect(): Promise<void> {
    const { logger } = this.#options;
    await retry(() => this.#open(), {
      minDelayMs: 50,
      maxDelayMs: 2_000,
      signal: this.#abort.signal,
      onTransition: (state) => {
        if (state.failing) logger.warn({ err: state.error }, 'cannot listen to the database');
        else logger.info({ attempts: state.attempts }, 'listening to the database again');
      },
    });
  }

  async #open(): Promise<void> {
    const client = new pg.Client(this.#options.config);
    let lost = false;
    client.on('error', () => undefined); // Every way a connection ends leads to 'end'.
    client.on('notification', ({ channel, payload }) => this.#dispatch(channel, payload ?? ''));
    const pinging = this.#keepAlive(client);
    client.once('end', () => {
      lost = true;
      clearInterval(pinging);
      this.#onLost(client);
    });
    try {
      await client.connect();
      await this.#run(client, this.#options.session);
      for (const name of this.#subscribers.keys()) await this.#run(client, `LISTEN ${pg.escapeIdentifier(name)}`);
      if (lost || this.#abort.signal.aborted) throw new Error('Connection terminated');
    } catch (error) {
      clearInterval(pinging);
      void client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
  }

  #onLost(client: pg.Client): void {
    if (this.#abort.signal.aborted || this.#client !== client) return;
    this.#client = undefined;
    this.#connect().then(
      () => {
        for (const name of this.#subscribers.keys()) this.#dispatch(name, null);
      },
      () => undefined, // Only closing ends the retries.
    );
  }

  #dispatch(name: string, payload: string | null): void {
    for (const subscriber of [...(this.#subscribers.get(name) ?? [])]) subscriber(payload);
  }

  /** A connection that only listens never sends, so it would not notice that its peer is gone. */
  #keepAlive(client: pg.Client): NodeJS.Timeout {
    const timer = setInterval(() => {
      const giveUp = setTimeout(() => void client.end().catch(() => undefined), PING_TIMEOUT_MS);
      this.#run(client, 'SELECT 1')
        .catch(() => undefined) // Followed by 'end'.
        .finally(() => clearTimeout(giveUp));
    }, PING_MS);
    timer.unref();
    return timer;
  }
}

/** The channel's name within the schema; a long one is shortened to a hash. */
export function qualifiedChannel(schema: string, channel: string): string {
  const name = `${schema}.${channel}`;
  if (Buffer.byteLength(name) <= MAX_CHANNEL_BYTES) return name;
  return `vedette.${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}
