/** Advice for errors of connecting, by a pattern of their text; the first that fits counts. */
const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [/28P01|28000|password/, 'See to DB_USER and DB_PASS (or DATABASE_URL), and to pg_hba.conf of the server.'],
  [/3D000 .*"(.*)"/, 'Make the database: createdb $1. Or name another: DB_NAME (or DATABASE_URL).'],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'The name is not known here: look for a typing error in DB_HOST (or DATABASE_URL), and at the DNS.',
  ],
  [/53300/, 'The server has no connection left: raise max_connections, or lower database.pool_size of what uses it.'],
  [/CERT_HAS_EXPIRED/, "The server's certificate is too old (or this machine's clock is wrong): renew it."],
  [/ALTNAME/, 'The certificate is of another host: use a name it holds, or database.tls.mode verify_ca.'],
  [/SELF_SIGNED|UNABLE_TO|LEAF_SIGNATURE/, "DB_CA_FILE must hold the authority that signed the server's certificate."],
  [/SSL/i, 'Server and settings do not agree on TLS: see database.tls.mode, and sslmode in DATABASE_URL.'],
  [/ECONNREFUSED|ENOENT/, 'Is PostgreSQL running there, and are DB_HOST and DB_PORT (or DATABASE_URL) right?'],
  [/timeout|ETIMEDOUT|EHOSTUNREACH/i, 'Nothing answers: look at DB_HOST and DB_PORT, and at firewalls in between.'],
];

/** Returns advice for the error that kept a connection to PostgreSQL from being made; null when there is none. */
export function connectionAdvice(error: unknown): string | null {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  for (const [pattern, advice] of ADVICE) {
    const match = pattern.exec(`${code} ${message}`);
    if (match) return advice.replace('$1', () => match[1] ?? '');
  }
  return null;
}
