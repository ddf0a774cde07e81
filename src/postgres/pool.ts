import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFromStdin } from 'pg-copy-streams';
import { withDeadline } from '../core/deadline.ts';
import type { Logger } from '../core/logger.ts';
import { inSlices } from '../core/slices.ts';
import { VedetteError } from '../errors.ts';
import { type ConnectionOptions, toClientConfig } from './connection.ts';
import {
  CommitUnknownError,
  type Database,
  type Queryable,
  type QueryOptions,
  type QueryResult,
  type Transaction,
} from './database.ts';
import { Listener, qualifiedChannel } from './listener.ts';
import { isConnectionLost } from './retryable.ts';
import { Turns } from './turns.ts';

export { isRetryable } from './retryable.ts';

export interface DatabaseOptions extends ConnectionOptions {
  logger: Logger;
  /** Connections at most, the one that listens not counted. */
  poolSize: number;
  /** Oldest major version that will do. Default 14. */
  oldestVersion?: number;
}

/** Major version of PostgreSQL. */
const OLDEST_VERSION = 14;
/** A process of PostgreSQL takes 5 to 10 MB. */
const IDLE_MS = 10_000;
/** A statement at rest takes a few milliseconds. */
const PATIENCE_MS = 100;
/** A server that does not answer must not hold up the end of a process. */
const CLOSE_MS = 3_000;

/**
 * Connects, and checks that PostgreSQL is there and new enough. Throws VED_DATABASE_UNAVAILABLE when it is not (with the
 * cause: `isRetryable(error.cause)` says whether waiting helps).
 */
export async function createDatabase(options: DatabaseOptions): Promise<Database> {
  const database = new PooledDatabase(options);
  try {
    await database.probe();
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

class PooledDatabase implements Database {
  readonly schema: string;
  databaseName = '';
  readonly #pool: pg.Pool;
  readonly #listener: Listener;
  readonly #logger: Logger;
  readonly #statementTimeoutMs: number;
  readonly #graceMs: number;
  readonly #place: string;
  readonly #oldestVersion: number;
  readonly #turns: Turns;
  #closing: Promise<void> | undefined;

  constructor(options: DatabaseOptions) {
    const { config, place, schema, session, statementTimeoutMs, graceMs } = toClientConfig(options);
    this.schema = schema;
    this.#logger = options.logger;
    this.#place = place;
    this.#oldestVersion = options.oldestVersion ?? OLDEST_VERSION;
    this.#statementTimeoutMs = statementTimeoutMs;
    this.#graceMs = graceMs;
    this.#pool = new pg.Pool({
      ...config,
      max: options.poolSize,
      idleTimeoutMillis: IDLE_MS,
      onConnect: async (client) => {
        const timer = setTimeout(() => discard(client), config.connectionTimeoutMillis);
        await client.query(session).finally(() => clearTimeout(timer));
      },
    });
    this.#turns = new Turns(PATIENCE_MS);
    // A reset of an idle connection is raised here; the pool has dropped that connection already.
    this.#pool.on('error', ({ message }) => options.logger.debug({ reason: message }, 'idle database connection lost'));
    this.#listener = new Listener({ config, session, schema, logger: options.logger });
  }

  async probe(): Promise<void> {
    let row: { name: string; version: number } | undefined;
    try {
      const { rows } = await this.query<{ name: string; version: number }>(
        "SELECT current_database() AS name, current_setting('server_version_num')::int AS version",
      );
      row = rows[0];
    } catch (error) {
      const reason = error instanceof Error ? error.message || String(codeOf(error)) : String(error);
      throw new VedetteError('VED_DATABASE_UNAVAILABLE', `PostgreSQL at ${this.#place} cannot be used: ${reason}`, {
        cause: error,
      });
    }
    const version = Math.floor((row?.version ?? 0) / 10_000);
    if (!row || version < this.#oldestVersion) {
      const needed = `needed is ${this.#oldestVersion} or newer`;
      throw new VedetteError('VED_DATABASE_UNAVAILABLE', `PostgreSQL at ${this.#place} is ${version}, ${needed}`);
    }
    this.databaseName = row.name;
  }

  async query<Row = Record<string, unknown>>(
    sql: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<Row>> {
    const session = await this.#acquire(this.#statementTimeoutMs);
    try {
      return await session.query<Row>(sql, parameters, options);
    } finally {
      session.release();
    }
  }

  async transaction<T>(
    work: (tx: Transaction) => Promise<T>,
    options: { statementTimeoutMs?: number } = {},
  ): Promise<T> {
    const timeoutMs = options.statementTimeoutMs ?? this.#statementTimeoutMs;
    const session = await this.#acquire(timeoutMs);
    try {
      await session.query(timeoutMs === this.#statementTimeoutMs ? 'BEGIN' : begin(timeoutMs));
      let result: T;
      try {
        result = await work(session);
      } catch (error) {
        await session.rollback();
        throw error;
      }
      await session.commit();
      return result;
    } finally {
      session.release();
    }
  }

  async #acquire(timeoutMs: number): Promise<Session> {
    await this.#turns.enter(this.#pool.totalCount);
    try {
      const client = await this.#pool.connect();
      // 0 is no limit at all, here as in PostgreSQL.
      return new Session(client, timeoutMs > 0 ? timeoutMs + this.#graceMs : 0, () => this.#turns.leave());
    } catch (error) {
      this.#turns.leave();
      throw error;
    }
  }

  listen(channel: string, onPayload: (payload: string | null) => void): Promise<() => Promise<void>> {
    return this.#listener.listen(channel, onPayload);
  }

  async notify(channel: string, payload: string, on: Queryable = this): Promise<void> {
    await on.query('SELECT pg_notify($1, $2)', [this.qualifyChannel(channel), payload]);
  }

  qualifyChannel(channel: string): string {
    return qualifiedChannel(this.schema, channel);
  }

  close(): Promise<void> {
    this.#closing ??= withDeadline(
      this.#listener.close().then(() => this.#pool.end()),
      CLOSE_MS,
      'connections to the database were not closed',
    ).catch((error: unknown) => this.#logger.warn({ err: error }, 'the database is left as it is'));
    return this.#closing;
  }
}

function begin(timeoutMs: number): string {
  return `BEGIN; SET LOCAL statement_timeout = ${Math.max(0, Math.trunc(timeoutMs))}`;
}

/**
 * One connection borrowed from the pool. It goes back only when it is known to be idle and sound; any doubt (a lost
 * connection, a server that does not answer in time, a failed ROLLBACK) discards it.
 */
class Session implements Transaction {
  readonly #client: pg.PoolClient;
  readonly #timeoutMs: number;
  readonly #onRelease: () => void;
  /** The error that broke the connection, if any. */
  #broken: Error | undefined;
  /** Set when the server was given up because it did not answer. */
  #silence: Error | undefined;
  readonly #onError = (error: Error) => {
    this.#broken ??= error;
  };

  constructor(client: pg.PoolClient, timeoutMs: number, onRelease: () => void) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#onRelease = onRelease;
    // The pool listens only while the connection is idle; without a listener an error between two queries would be fatal.
    client.on('error', this.#onError);
  }

  async query<Row = Record<string, unknown>>(
    sql: string,
    parameters?: readonly unknown[],
    { prepared = false }: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    const running =
      parameters === undefined
        ? this.#client.query(sql)
        : this.#client.query({ text: sql, values: [...parameters], ...(prepared && { name: nameOf(sql) }) });
    const answer: pg.QueryResult | pg.QueryResult[] = await this.#guard(running);
    // Several statements in one text give one result each; the last one is returned.
    const result = Array.isArray(answer) ? answer[answer.length - 1] : answer;
    return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 };
  }

  async copyFrom(
    target: string,
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
    format: 'text' | 'csv' | 'binary' = 'text',
  ): Promise<void> {
    const sink = this.#client.query(copyFromStdin(`COPY ${target} FROM STDIN (FORMAT ${format})`));
    // A socket takes megabytes without a pause: the chunks would be built in one turn of the event loop.
    await this.#guard(pipeline(Readable.from(inSlices(chunks), { objectMode: false }), sink));
  }

  async commit(): Promise<void> {
    if (this.#broken) throw this.#broken;
    let command: string;
    try {
      command = (await this.#guard(this.#client.query('COMMIT'))).command;
    } catch (error) {
      throw isConnectionLost(error) ? new CommitUnknownError({ cause: error }) : error;
    }
    // PostgreSQL answers the COMMIT of a transaction in which a statement failed with a silent ROLLBACK.
    if (command !== 'COMMIT') throw new Error('The transaction was rolled back: an error in it was swallowed');
  }

  async rollback(): Promise<void> {
    if (this.#broken) return;
    try {
      await this.#guard(this.#client.query('ROLLBACK'));
    } catch (error) {
      // The error that led here is thrown; PostgreSQL rolls back when this connection is discarded.
      this.#broken ??= error as Error;
    }
  }

  release(): void {
    this.#client.off('error', this.#onError);
    if (this.#broken) this.#client.on('error', () => undefined); // Late errors of a discarded connection mean nothing.
    this.#client.release(this.#broken);
    this.#onRelease();
  }

  /** Awaits an answer, but not for ever: a peer that swallows everything looks like a slow one to TCP. */
  async #guard<T>(running: Promise<T>): Promise<T> {
    const timer = this.#timeoutMs > 0 ? setTimeout(() => this.#giveUp(), this.#timeoutMs) : undefined;
    try {
      return await running;
    } catch (error) {
      if (isConnectionLost(error)) this.#broken ??= error as Error;
      throw this.#silence ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  #giveUp(): void {
    this.#silence = new Error(`server does not answer within ${this.#timeoutMs} ms`);
    this.#broken ??= this.#silence;
    discard(this.#client);
  }
}

/** The name of a prepared statement, the same on all connections of this process. */
function nameOf(sql: string): string {
  let name = statementNames.get(sql);
  if (name === undefined) {
    name = `vedette_${statementNames.size + 1}`;
    statementNames.set(sql, name);
  }
  return name;
}

const statementNames = new Map<string, string>();

/** Ending a client with a query under way destroys its socket, which rejects that query. PoolClient's type omits end(). */
function discard(client: pg.ClientBase): void {
  void (client as pg.Client).end().catch(() => undefined);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
