import { VedetteError } from '../../errors.ts';
import { connectionAdvice } from '../../postgres/connection-advice.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

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
  async examine(context) {
    const { settings } = context;
    let database: Database | null;
    try {
      database = await context.database();
    } catch (error) {
      if (!(error instanceof VedetteError)) throw error;
      return [unusable(error)];
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

function unusable({ message, cause }: VedetteError): Finding {
  if (cause === undefined)
    return problem('postgres.version', message, 'Upgrade PostgreSQL, or name a newer server (DATABASE_URL).');
  return problem('postgres.server', message, connectionAdvice(cause) ?? "Look into the server's log.");
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
