import { VedetteError } from '../errors.ts';
import type { Settings } from '../settings.ts';
import type { Database } from '../storage/database.ts';
import { type Examination, type Finding, ok, problem, warning } from './examination.ts';

interface ServerFacts {
  version: string;
  tls: string | null;
  connections: number;
  limit: number;
  fsync: string;
}

const FACTS = `
  SELECT current_setting('server_version') AS version,
    (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
    (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS "limit",
    current_setting('fsync') AS fsync`;

export const postgres: Examination = {
  name: 'postgres',
  settings: ['database', 'data_dir'],
  async examine(patient) {
    const { settings } = patient;
    let database: Database | null;
    try {
      database = await patient.database();
    } catch (error) {
      if (!(error instanceof VedetteError)) throw error;
      return [unusable(error, settings)];
    }
    if (!database) return [ok('postgres.server', `embedded in ${settings.dataDir}, started and ended with Vedette`)];
    const facts = (await database.query<ServerFacts>(FACTS)).rows[0] as ServerFacts;
    return [
      ok('postgres.server', `PostgreSQL ${facts.version}, database ${database.databaseName}`),
      ...judgeTls(facts, settings),
      ...judgeLimits(facts, settings),
    ];
  },
};

function unusable({ message, cause }: VedetteError, settings: Settings): Finding {
  const { code, message: reason } = (cause ?? {}) as { code?: string; message?: string };
  const server = settings.databaseServer;
  if (cause === undefined)
    return problem('postgres.version', message, 'Upgrade PostgreSQL, or name a newer server (DATABASE_URL).');
  const text = `${code ?? ''} ${reason ?? ''}`;
  const advice: Array<[RegExp, string]> = [
    [/28P01|28000|password/, `See to DB_USER and DB_PASS (or DATABASE_URL), and to pg_hba.conf of the server.`],
    [/3D000/, `Make the database: createdb ${server?.database ?? 'vedette'}. Or name another: DB_NAME.`],
    [
      /ENOTFOUND|EAI_AGAIN/,
      'The name is not known here: look for a typing error in DB_HOST (or DATABASE_URL), and at the DNS.',
    ],
    [/53300/, 'The server has no connection left: raise max_connections, or lower database.pool_size of what uses it.'],
    [/CERT_HAS_EXPIRED/, "The server's certificate is too old (or this machine's clock is wrong): renew it."],
    [/ALTNAME/, 'The certificate is of another host: use a name it holds, or database.tls.mode verify_ca.'],
    [
      /SELF_SIGNED|UNABLE_TO|LEAF_SIGNATURE/,
      "DB_CA_FILE must hold the authority that signed the server's certificate.",
    ],
    [/SSL/i, 'Server and settings do not agree on TLS: see database.tls.mode, and sslmode in DATABASE_URL.'],
    [/ECONNREFUSED|ENOENT/, 'Is PostgreSQL running there, and are DB_HOST and DB_PORT (or DATABASE_URL) right?'],
    [/timeout|ETIMEDOUT|EHOSTUNREACH/i, 'Nothing answers: look at DB_HOST and DB_PORT, and at firewalls in between.'],
  ];
  const match = advice.find(([pattern]) => pattern.test(text));
  return problem('postgres.server', message, match?.[1] ?? "Look into the server's log.");
}

function judgeTls({ tls, version }: ServerFacts, { databaseServer: server }: Settings): Finding[] {
  if (!server || server.host.startsWith('/')) return [];
  if (tls) {
    if (server.tls?.rejectUnauthorized !== false) return [ok('postgres.tls', tls)];
    const found = `${tls}, but the server is not verified: anybody in between could be it`;
    return [
      warning('postgres.tls', found, 'Give its authority (DB_CA_FILE) and set database.tls.mode to verify_full.'),
    ];
  }
  if (/^(localhost$|127\.|::1$)/.test(server.host)) return [];
  const found = `the connection to ${server.host} (PostgreSQL ${version}) is not encrypted`;
  return [
    warning(
      'postgres.tls',
      found,
      'Set database.tls.mode to verify_full, with DB_CA_FILE for an authority of your own.',
    ),
  ];
}

function judgeLimits({ connections, limit, fsync }: ServerFacts, { database }: Settings): Finding[] {
  const findings: Finding[] = [];
  const free = limit - connections;
  if (free < database.poolSize) {
    const found = `${free} of ${limit} connections are free, a process may want ${database.poolSize}`;
    findings.push(warning('postgres.connections', found, 'Raise max_connections, or lower database.pool_size.'));
  }
  if (fsync === 'off') {
    const found = 'fsync is off: a machine that loses power loses what was counted, or the whole database';
    findings.push(warning('postgres.fsync', found, 'Set fsync = on in postgresql.conf.'));
  }
  return findings;
}
