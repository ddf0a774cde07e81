import pg from 'pg';
import { OutOfRangeError } from './database.ts';

/** How PostgreSQL is reached. Either `connectionString` or the parts; `tls` wins over what the string says. */
export interface ConnectionOptions {
  connectionString?: string;
  host?: string;
  port?: number;
  database?: string;
  user?: string;
  password?: string;
  /** `true`: TLS checked against the system's authorities. Default: what the connection string says, else no TLS. */
  tls?: boolean | TlsOptions;
  /** Schema of every table; becomes the search_path. */
  schema: string;
  applicationName?: string;
  /** Limit of one statement; 0 is none. */
  statementTimeoutMs: number;
  /** Time beyond that limit before a client gives up a server that does not answer at all. Default 5,000. */
  graceMs?: number;
  /** Limit of connecting, and of waiting for a free connection of the pool. Default 5,000. */
  connectionTimeoutMs?: number;
}

/** Certificates as PEM text. */
interface TlsOptions {
  ca?: string;
  cert?: string;
  key?: string;
  /** Default true: the server's certificate must be valid for its host. */
  rejectUnauthorized?: boolean;
  /** Given where any name of the server will do. */
  checkServerIdentity?: () => undefined;
}

export interface ClientConfig {
  config: pg.ClientConfig;
  /** Host, port and database, for messages; never the password. */
  place: string;
  schema: string;
  /** SQL that every new connection runs first. */
  session: string;
  statementTimeoutMs: number;
  graceMs: number;
}

export function toClientConfig(options: ConnectionOptions): ClientConfig {
  const { schema, statementTimeoutMs, connectionTimeoutMs = 5_000, graceMs = 5_000 } = options;
  const config: pg.ClientConfig = {
    ...endpoint(options),
    application_name: options.applicationName ?? 'vedette',
    connectionTimeoutMillis: connectionTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  };
  const { host, port, database } = new pg.Client(config);
  const session = [
    `SET search_path = ${pg.escapeIdentifier(schema)}`,
    "SET TIME ZONE 'UTC'",
    `SET statement_timeout = ${Math.trunc(statementTimeoutMs)}`,
    // A process that freezes inside a transaction must not hold up those who take its work over.
    'SET idle_in_transaction_session_timeout = 10000',
  ].join('; ');
  return { config, place: `${host}:${port}/${database}`, schema, session, statementTimeoutMs, graceMs };
}

function endpoint(options: ConnectionOptions): pg.ClientConfig {
  const { connectionString, host, port, database, user, password, tls } = options;
  const ssl = tls === undefined || typeof tls === 'boolean' ? tls : { ...tls };
  if (connectionString !== undefined) {
    if (ssl === undefined) return { connectionString };
    return { connectionString: withoutTlsParameters(connectionString), ssl };
  }
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(database === undefined ? {} : { database }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ssl: ssl ?? false,
  };
}

/** pg lets the string win over `ssl`; here it is the other way round. */
function withoutTlsParameters(connectionString: string): string {
  const [base, query] = connectionString.split(/\?(.*)/s, 2) as [string, string | undefined];
  if (query === undefined) return connectionString;
  const parameters = new URLSearchParams(query);
  for (const name of ['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'uselibpqcompat']) parameters.delete(name);
  return parameters.size > 0 ? `${base}?${parameters}` : base;
}

const INT8 = 20;
const INT8_ARRAY = 1016;

/** int8 arrives as a number; a value that a number cannot hold exactly is refused rather than rounded. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (format !== 'binary') {
    if (oid === INT8) return toSafeInteger;
    if (oid === INT8_ARRAY) return toSafeIntegers;
  }
  return pg.types.getTypeParser(oid, format as 'text');
};

function toSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new OutOfRangeError(`int8 ${text} does not fit a number exactly`);
  return value;
}

/** pg's type names no array types. */
const textParser = pg.types.getTypeParser as (oid: number) => (text: string) => unknown;
const parseTextArray = textParser(INT8_ARRAY) as (text: string) => Array<string | null>;

function toSafeIntegers(text: string): Array<number | null> {
  return parseTextArray(text).map((item) => (item === null ? null : toSafeInteger(item)));
}
