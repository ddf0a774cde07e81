import { boolean, choice, duration, group, integer, pem, text } from './leaf.ts';

export const database = group('PostgreSQL; with neither url nor host, the embedded server under data_dir', {
  url: text('Address of PostgreSQL, as a URL or as `host=... dbname=...`.', {
    default: null,
    env: ['DATABASE_URL'],
    secret: 'url',
    pattern: '^\\s*(postgres(ql)?://|[a-z_]+\\s*=)',
    accepted: 'postgres://user:password@host:port/database, or host=... port=... dbname=... user=... password=...',
  }),
  host: text('Host of PostgreSQL, or the folder of its socket.', { default: null, env: ['DB_HOST'] }),
  port: integer('Port of PostgreSQL; 5432 unless given.', {
    default: null,
    env: ['DB_PORT'],
    minimum: 1,
    maximum: 65_535,
  }),
  user: text('User of PostgreSQL; postgres unless given.', { default: null, env: ['DB_USER'] }),
  password: text('Password of the user.', { default: null, env: ['DB_PASS'], secret: true }),
  name: text('Database; vedette unless given.', { default: null, env: ['DB_NAME'] }),
  tls: group('TLS to PostgreSQL', {
    mode: choice(
      '`auto`: verify_full when a CA is given, else off (or what sslmode in the URL says).',
      ['auto', 'off', 'require', 'verify_ca', 'verify_full'],
      { default: 'auto' },
    ),
    ca: pem('Certificate authority of the server.', { env: ['DB_CA_FILE', 'DB_CA'] }),
    certificate: pem('Certificate of this client.', { env: ['DB_CERTIFICATE_FILE', 'DB_CERTIFICATE'] }),
    key: pem('Private key of this client.', { env: ['DB_KEY_FILE', 'DB_KEY'], secret: true }),
  }),
  pool_size: integer('Limit of connections.', { default: 10, minimum: 2, maximum: 500 }),
  statement_timeout: duration('A statement that takes longer is cancelled.', {
    default: 60_000,
    minimum: 1000,
    maximum: 3_600_000,
  }),
  join: boolean('Use the embedded server that another process on the same data folder runs.', { default: false }),
});
