import { formatDuration } from '../core/duration.ts';
import type { KafkaOptions } from '../streaming/kafka/options.ts';
import { CERTIFICATE_USER } from './aliases.ts';
import { parseConnectionString, URL_FORMS } from './connection-string.ts';
import type { SettingsOf } from './leaf.ts';
import { pairProblem } from './pem.ts';
import type { SettingProblem } from './problems.ts';
import type { Given } from './resolve.ts';
import type { settingsSchema } from './schema.ts';

export type SettingsTree = SettingsOf<typeof settingsSchema>;

/** A PostgreSQL server, as `createDatabase` of postgres/pool.ts accepts it. */
export interface DatabaseServer {
  /** Host name, address, or the folder of a socket (begins with a slash). */
  host: string;
  port: number;
  user: string;
  password?: string;
  database: string;
  /** Absent: no TLS. */
  tls?: DatabaseTls;
}

/** PEM texts, and the verification of the server; without `ca` by the authorities of Node.js. */
interface DatabaseTls {
  ca?: string;
  cert?: string;
  key?: string;
  rejectUnauthorized: boolean;
  /** Present if any name is accepted (`verify_ca`). */
  checkServerIdentity?: () => undefined;
}

/** The connection to Kafka of the settings. */
export type KafkaConnection = Omit<KafkaOptions, 'logger'>;

type GivenMap = ReadonlyMap<string, Given>;

const SSL_MODES = {
  disable: 'off',
  require: 'require',
  'verify-ca': 'verify_ca',
  'verify-full': 'verify_full',
} as const;
/** Keywords accepted in a connection string, besides sslmode. */
const KEYWORDS = new Set(['host', 'hostaddr', 'port', 'dbname', 'user', 'password', 'application_name']);
const PARTS = ['database.host', 'database.port', 'database.user', 'database.password', 'database.name'] as const;

/** Returns the server of the url or the parts; null if neither is given, for the embedded server. */
export function databaseServer(
  { database }: SettingsTree,
  given: GivenMap,
  problems: SettingProblem[],
): DatabaseServer | null {
  const from = (path: string) => given.get(path)?.source ?? 'default';
  const parts = PARTS.filter((path) => isGiven(given, path));
  if (database.url !== null) {
    for (const path of parts) {
      problems.push({
        path,
        given: `a value (${from(path)}) beside database.url (${from('database.url')})`,
        accepted: 'one of the two: the URL, or the parts',
      });
    }
    return parts.length > 0 ? null : fromUrl(database.url, database, from('database.url'), problems);
  }
  if (database.host === null) {
    const [part] = parts;
    if (part) problems.push({ path: 'database.host', accepted: `a host, because ${part} is given (${from(part)})` });
    return null;
  }
  return {
    host: database.host,
    port: database.port ?? 5432,
    user: database.user ?? 'postgres',
    ...(database.password === null ? {} : { password: database.password }),
    database: database.name ?? 'vedette',
    ...databaseTls(database, database.tls.mode, problems),
  };
}

function fromUrl(
  url: string,
  database: SettingsTree['database'],
  source: string,
  problems: SettingProblem[],
): DatabaseServer | null {
  const refuse = (given: string, accepted: string) => {
    problems.push({ path: 'database.url', given, source, accepted });
    return null;
  };
  const parsed = parseConnectionString(url);
  if (typeof parsed === 'string') return refuse('an unreadable text', parsed);
  let mode = database.tls.mode;
  for (const [name, value] of parsed) {
    if (name === 'sslmode' && Object.hasOwn(SSL_MODES, value)) {
      if (mode === 'auto') mode = SSL_MODES[value as keyof typeof SSL_MODES];
    } else if (name === 'sslmode') {
      refuse(`sslmode=${value}`, `sslmode one of ${Object.keys(SSL_MODES).join(', ')}`);
    } else if (!KEYWORDS.has(name)) {
      refuse(`parameter ${name}`, `${[...KEYWORDS].join(', ')} and sslmode; certificates go to database.tls`);
    }
  }
  const host = parsed.get('host') || parsed.get('hostaddr');
  const name = parsed.get('dbname');
  const port = parsed.get('port') || '5432';
  if (!host) return refuse('no host', URL_FORMS);
  if (!name) return refuse('no database', URL_FORMS);
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    return refuse(`port ${port}`, 'a port from 1 to 65535');
  const password = parsed.get('password');
  return {
    host,
    port: Number(port),
    user: parsed.get('user') || 'postgres',
    ...(password ? { password } : {}),
    database: name,
    ...databaseTls(database, mode, problems),
  };
}

function databaseTls(
  { tls }: SettingsTree['database'],
  mode: SettingsTree['database']['tls']['mode'],
  problems: SettingProblem[],
): { tls?: DatabaseTls } {
  const { ca, certificate, key } = tls;
  requirePair('database.tls', certificate, key, problems);
  const anyGiven = (ca ?? certificate ?? key) !== null;
  if (mode === 'off' && anyGiven) {
    problems.push({
      path: 'database.tls.mode',
      given: '"off" beside certificates',
      accepted: 'another mode, or no certificates',
    });
  }
  if (mode === 'off' || (mode === 'auto' && !anyGiven)) return {};
  const pems = {
    ...(ca === null ? {} : { ca }),
    ...(certificate === null || key === null ? {} : { cert: certificate, key }),
  };
  // As in libpq: `require` verifies only with a given authority, and then not the name.
  if (mode === 'require' && ca === null) return { tls: { ...pems, rejectUnauthorized: false } };
  const isAnyName = mode === 'require' || mode === 'verify_ca';
  return { tls: { ...pems, rejectUnauthorized: true, ...(isAnyName ? { checkServerIdentity: () => undefined } : {}) } };
}

/** Returns the connection to Kafka; null without bootstrap servers. */
export function kafkaConnection(
  { kafka, stream }: SettingsTree,
  given: GivenMap,
  problems: SettingProblem[],
): KafkaConnection | null {
  requirePair('kafka.tls', kafka.tls.certificate, kafka.tls.key, problems);
  const { mode, ca, certificate, key } = kafka.tls;
  const anyGiven = (ca ?? certificate ?? key) !== null;
  if (mode === 'off' && anyGiven) {
    problems.push({
      path: 'kafka.tls.mode',
      given: '"off" beside certificates',
      accepted: 'auto or on, or no certificates',
    });
  }
  const { mechanism, user, password } = kafka.sasl;
  const isOwner =
    given.get('kafka.sasl.user')?.variable === CERTIFICATE_USER && certificate !== null && password === null;
  const saslGiven = ['user', 'password', 'mechanism'].filter(
    (name) => isGiven(given, `kafka.sasl.${name}`) && !(isOwner && name === 'user'),
  );
  if (saslGiven.length > 0 && saslGiven.length < 3) {
    for (const name of ['mechanism', 'user', 'password'].filter((name) => !saslGiven.includes(name))) {
      problems.push({ path: `kafka.sasl.${name}`, accepted: `a value, because kafka.sasl.${saslGiven[0]} is given` });
    }
  }
  const isKafka = kafka.bootstrapServers.length > 0;
  if (!isKafka && (stream.driver === 'kafkajs' || stream.driver === 'rdkafka')) {
    problems.push({
      path: 'kafka.bootstrap_servers',
      accepted: `host:port, because stream.driver is ${stream.driver}`,
    });
  }
  if (kafka.heartbeatMs > kafka.sessionTimeoutMs / 2) {
    problems.push({
      path: 'kafka.heartbeat',
      given: formatDuration(kafka.heartbeatMs),
      accepted: `at most half of kafka.session_timeout (${formatDuration(kafka.sessionTimeoutMs)})`,
    });
  }
  if (kafka.rebalanceTimeoutMs < kafka.sessionTimeoutMs) {
    problems.push({
      path: 'kafka.rebalance_timeout',
      given: formatDuration(kafka.rebalanceTimeoutMs),
      accepted: `at least kafka.session_timeout (${formatDuration(kafka.sessionTimeoutMs)})`,
    });
  }
  if (!isKafka) return null;
  return {
    ...kafka,
    tls: mode === 'on' || (mode === 'auto' && anyGiven) ? { ca, certificate, key } : null,
    sasl: mechanism && user && password ? { mechanism, user, password } : null,
  };
}

function requirePair(group: string, certificate: string | null, key: string | null, problems: SettingProblem[]): void {
  if (certificate !== null && key === null)
    problems.push({ path: `${group}.key`, accepted: 'a key, because a certificate is given' });
  if (key !== null && certificate === null)
    problems.push({ path: `${group}.certificate`, accepted: 'a certificate, because a key is given' });
  const mismatch = certificate === null || key === null ? null : pairProblem(certificate, key);
  if (mismatch === null) return;
  const { of, ...rest } = mismatch;
  problems.push({ path: `${group}.${of}`, ...rest });
}

const isGiven = (given: GivenMap, path: string): boolean => (given.get(path)?.value ?? null) !== null;
