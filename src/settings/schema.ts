import type { TSchema } from 'typebox';
import { Type } from 'typebox';
import { boolean, bytes, choice, data, duration, group, integer, list, path, paths, retention, text } from './leaf.ts';
import { oidc, sessions } from './schema-access.ts';
import { database } from './schema-database.ts';
import { kafka, publisher, stream, topics } from './schema-stream.ts';

const ROLES = ['api', 'scheduler', 'processor'] as const;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const metric = Type.Object(
  {
    granularity: Type.String({
      pattern: '^(minute|hour|day|[1-9][0-9]*(s|m|h|d))$',
      description: 'minute, hour, day, or a duration such as 5m',
    }),
    aggregates: Type.Optional(
      Type.Array(
        Type.Object(
          {
            function: Type.Optional(Type.String({ minLength: 1 })),
            aggregate_function: Type.Optional(Type.String({ minLength: 1, description: 'another name for function' })),
            field: Type.String({ minLength: 1 }),
          },
          { additionalProperties: false },
        ),
      ),
    ),
    types: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'monitor types such as tls: only their jobs have these metrics',
      }),
    ),
    tags: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'only jobs with one of these tags have these metrics',
      }),
    ),
  },
  { additionalProperties: false },
);

/** One schema: types, defaults, texts, names in the environment. The only place where a setting is declared. */
export const settingsSchema = group('Settings of Vedette', {
  server: group('REST API and web page', {
    host: text(
      'Address to listen on. Anything but a loopback address makes the server public: it then asks for keys.',
      {
        default: '127.0.0.1',
        env: ['HOST'],
        accepted: 'a host name or an IP address',
        pattern: '^[A-Za-z0-9.:_-]+$',
      },
    ),
    port: integer('Port to listen on; 0 takes a free one.', {
      default: 8080,
      env: ['PORT'],
      minimum: 0,
      maximum: 65_535,
    }),
    probes: boolean('Whether a process without the role api serves probes and /metrics on this port.', {
      default: false,
    }),
    api_keys: list(
      'Keys that may do everything (`Authorization: Bearer <key>`), to begin with; `vedette keys add` makes others.',
      {
        default: [],
        secret: true,
        pattern: '^[\\x21-\\x7e]{16,}$',
        accepted: 'keys of at least 16 characters, without spaces',
      },
    ),
    anonymous: choice(
      'What a public server answers without a key or a sign-in: nothing but health and what is published, or all that a key with the scope `read` may read.',
      ['none', 'read'],
      { default: 'none' },
    ),
    public_url: text('Address of the page as people see it, for links and for sign-in by a provider.', {
      default: null,
      pattern: '^https?://[^/?#\\s@]+$',
      accepted: 'an address such as https://status.example.com, without a path',
    }),
    sessions,
    oidc,
    allow_reset: boolean('Whether `POST /db/init` may drop all tables.', { default: false }),
    body_limit: bytes('Largest request body.', { default: 2 ** 20, minimum: 1024, maximum: 2 ** 28 }),
    rate_limit_per_minute: integer('Requests a client may make in a minute; 0 for no limit.', {
      default: 6000,
      minimum: 0,
      maximum: 1_000_000,
    }),
    trust_proxy: list('Proxies whose `X-Forwarded-*` headers are trusted.', {
      default: [],
      pattern: '^(loopback|linklocal|uniquelocal|[0-9a-fA-F.:]+(/[0-9]{1,3})?)$',
      accepted: 'IP addresses, networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal',
    }),
    allowed_hosts: list(
      'Host names besides localhost that requests to a server on a loopback address may use, e.g. of a proxy.',
      {
        default: [],
        pattern: '^[A-Za-z0-9.:_-]+$',
        accepted: 'host names or IP addresses',
      },
    ),
    request_timeout: duration('A request that takes longer is ended.', {
      default: 30_000,
      minimum: 1000,
      maximum: 10 * MINUTE,
    }),
  }),
  roles: list('Roles of this process.', {
    default: ROLES,
    choices: ROLES,
    minItems: 1,
    accepted: `one or more of ${ROLES.join(', ')}`,
  }),
  instance: text('Name of this process, unique among those on one database; by default host name and process id.', {
    default: null,
    accepted: 'letters, digits, dots, dashes and underscores, at most 63',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
  }),
  location: text('Location of this scheduler. A job runs at each location that it names.', {
    default: 'default',
    accepted: 'letters, digits, dots, dashes and underscores, at most 63',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
  }),
  database,
  storage: group('Tables', {
    schema: text('PostgreSQL schema of the tables.', {
      default: 'public',
      accepted: 'lower-case letters, digits and underscores, at most 48',
      pattern: '^[a-z_][a-z0-9_]{0,47}$',
    }),
    topic_views: boolean('Whether each topic gets a view of the same name with its raw results in plain units.', {
      default: true,
    }),
    retention: group('Retention of rows', {
      results: retention('Raw results.', { default: 48 * HOUR }),
      minute: retention('Numbers per minute.', { default: 7 * DAY }),
      hour: retention('Numbers per hour.', { default: 90 * DAY }),
      day: retention('Numbers per day.', { default: null }),
      audit: retention('Who changed what.', { default: 365 * DAY }),
      dead_letters: retention('Records that could not be read.', { default: 30 * DAY }),
    }),
  }),
  results: group('Raw results', {
    store: choice('Which raw results are stored, besides the numbers.', ['all', 'failures', 'none'], {
      default: 'all',
    }),
  }),
  metrics: data(Type.Array(metric, { minItems: 1 }), {
    description:
      'Metrics that are computed: a list of granularities, each with functions of fields (by default the built-in ones); with types or tags, those of some jobs beside them.',
    accepted: 'a list of { granularity, aggregates: [{ function, field }] }',
    default: [{ granularity: 'minute' }, { granularity: 'hour' }, { granularity: 'day' }],
  }),
  scheduler: group('Scheduling of checks', {
    concurrency: integer('Limit of concurrent checks.', { default: 2000, minimum: 1, maximum: 100_000 }),
    concurrency_per_host: integer('Limit of concurrent checks of one host.', {
      default: 100,
      minimum: 1,
      maximum: 100_000,
    }),
    threads: text(
      'Threads that run checks, so that nothing else of the process delays them; 0: they run on the main thread. `auto`: 0 on one or two cores, else one less than there are, at most 4.',
      {
        default: 'auto',
        pattern: '^(auto|[0-9]|[1-5][0-9]|6[0-4])$',
        accepted: 'auto, or a whole number from 0 to 64',
      },
    ),
    lease: duration('A scheduler without a sign of life for this long loses its shards to another.', {
      default: 6000,
      minimum: 1000,
      maximum: 10 * MINUTE,
    }),
    late_limit: duration('A check that has not begun this long after its slot is published as missed.', {
      default: 5000,
      minimum: 10,
      maximum: HOUR,
    }),
    progress_interval: duration('Interval in which the progress of the shards is stored.', {
      default: 2000,
      minimum: 100,
      maximum: MINUTE,
    }),
  }),
  publisher,
  processor: group('Counting', {
    flush_interval: duration(
      'Interval in which counted results are written to PostgreSQL. One that changes the outcome of its job waits no longer than 250 ms, and the others with it.',
      { default: 5000, minimum: 20, maximum: MINUTE },
    ),
    flush_rows: integer('Rows of numbers after which they are written at once.', {
      default: 20_000,
      minimum: 100,
      maximum: 1_000_000,
    }),
    group: text('Consumer group: processors that share the work.', {
      default: 'vedette',
      accepted: 'letters, digits, dots, dashes and underscores, at most 100',
      pattern: '^[A-Za-z0-9._-]{1,100}$',
    }),
  }),
  stream,
  topics,
  kafka,
  gate: group('Outgoing connections', {
    allow: list('Networks that checks may always connect to, such as your own.', {
      default: [],
      pattern: '^[0-9a-fA-F.:]+(/[0-9]{1,3})?$',
      accepted: 'IP addresses or networks such as 10.1.0.0/16',
    }),
  }),
  monitors: group('Checks', {
    gate: choice(
      'Whether checks may connect to loopback, private and metadata addresses; `auto` denies it unless every process on the database listens on loopback only.',
      ['auto', 'off', 'deny_internal'],
      { default: 'auto' },
    ),
    allow: list('As `gate.allow`.', {
      default: [],
      pattern: '^[0-9a-fA-F.:]+(/[0-9]{1,3})?$',
      accepted: 'IP addresses or networks such as 10.1.0.0/16',
    }),
    user_agent: text('Header User-Agent of checks.', {
      default: 'Vedette/0.1 (website monitor)',
      pattern: '^[\\x20-\\x7e]{1,200}$',
    }),
  }),
  secrets: group(
    'Places of the secrets that jobs refer to (docs/jobs.md); the first that has one counts, in this order',
    {
      folder: path(
        'Folder whose files are secrets: the name of the file, and its content without a line feed at the end.',
        {
          default: null,
        },
      ),
      file: path('File of secrets: YAML or JSON, a mapping of names to texts.', { default: null }),
      env_prefix: text(
        'Beginning of the variables of the environment that are secrets; a name follows in upper case, with `_` for dots and dashes.',
        {
          default: 'VEDETTE_SECRET_',
          pattern: '^[A-Z][A-Z0-9_]{0,61}_$',
          accepted: 'upper-case letters, digits and underscores, an underscore at the end',
        },
      ),
    },
  ),
  logging: group('Logs', {
    level: choice(
      'Least severe log line that is written; `auto` is warn on a terminal and info elsewhere.',
      ['auto', 'trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      { default: 'auto' },
    ),
    format: choice(
      'Format of log lines; `auto` is pretty, for people, on a terminal and json elsewhere.',
      ['auto', 'pretty', 'json'],
      { default: 'auto' },
    ),
  }),
  data_dir: path('Folder of the embedded PostgreSQL.', { default: './data' }),
  jobs_file: paths('Files of jobs, or folders of them (docs/jobs.md), applied at start and whenever they change.', {
    default: ['jobs.json'],
    env: ['JOBS_FILE'],
  }),
  site: group('Sites to check without job files', {
    url: list('Addresses of the sites; the scheme of each tells the type of the check.', {
      default: [],
      pattern: '^[a-zA-Z][a-zA-Z0-9+]*://\\S+$',
      accepted: 'addresses with a scheme, such as https:// or tcp://',
      // Addresses may contain commas.
      separator: /[\s,]+(?=[a-z][a-z0-9+]*:\/\/)/i,
    }),
    seconds: text('Seconds from one check to the next, or a duration such as 5m.', {
      default: '60',
      pattern: '^\\s*[0-9]+(\\.[0-9]+)?\\s*(ms|s|m|min|h|d)?\\s*$',
      accepted: 'seconds such as 30, or a duration such as 5m',
    }),
    pattern: text('Regular expression (RE2) that each body must match; with http:// and https:// addresses alone.', {
      default: null,
    }),
  }),
});

export interface SettingLeaf {
  /** Dotted path, e.g. `scheduler.lease`. */
  path: string;
  schema: TSchema;
  /** All names in the environment, the derived one last. */
  env: readonly string[];
}

/** `scheduler.lease` -> `VEDETTE_SCHEDULER_LEASE` */
export const envName = (path: string): string => `VEDETTE_${path.replaceAll('.', '_').toUpperCase()}`;
