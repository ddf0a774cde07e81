/** PostgreSQL for the other rooms. Only postgres/ imports pg. int8 columns arrive as numbers. */
export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction on one connection: COMMIT when it resolves, ROLLBACK when it rejects. Throws
   * CommitUnknownError when the connection broke while COMMIT was under way. `statementTimeoutMs` replaces the pool's
   * limit for this transaction; 0 is none.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: { statementTimeoutMs?: number }): Promise<T>;
  /**
   * Calls `onPayload` for each NOTIFY on `channel` (its name is qualified with the schema), and `onPayload(null)` after
   * every reconnect, when notifications may have been lost. The answer stops it.
   */
  listen(channel: string, onPayload: (payload: string | null) => void): Promise<() => Promise<void>>;
  /** Sends a NOTIFY on the same qualified channel; within the transaction `on`, when it commits. */
  notify(channel: string, payload: string, on?: Queryable): Promise<void>;
  /** The channel's name as PostgreSQL sees it, for a pg_notify() that is part of a statement. */
  qualifyChannel(channel: string): string;
  readonly schema: string;
  readonly databaseName: string;
  close(): Promise<void>;
}

export interface Queryable {
  query<Row = Record<string, unknown>>(
    sql: string,
    parameters?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<Row>>;
}

export interface QueryOptions {
  /**
   * Whether the connection keeps the statement parsed and planned for the next time: for the few that come again every
   * second, where both take longer than running it. Their text must be constant.
   */
  prepared?: boolean;
}

export interface QueryResult<Row> {
  rows: Row[];
  rowCount: number;
}

export interface Transaction extends Queryable {
  /** Streams `chunks` into `COPY <target> FROM STDIN`; the target says the columns. */
  copyFrom(
    target: string,
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
    format?: 'text' | 'csv' | 'binary',
  ): Promise<void>;
}

/** The connection broke after COMMIT was sent and before its answer came: it may or may not have happened. */
export class CommitUnknownError extends Error {
  constructor(options: { cause: unknown }) {
    super('The outcome of COMMIT is unknown', options);
    this.name = 'CommitUnknownError';
  }
}

/** A whole number that cannot be held exactly, with the code that PostgreSQL itself gives such an error. */
export class OutOfRangeError extends RangeError {
  readonly code = '22003';

  constructor(message: string) {
    super(message);
    this.name = 'OutOfRangeError';
  }
}
