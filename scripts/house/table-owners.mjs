// Which folder owns each table: only its files write the table. A new table of the migrations needs an entry here.
export const TABLE_OWNERS = {
  jobs: 'src/jobs/',
  job_versions: 'src/jobs/',
  job_revision: 'src/jobs/',
  scheduler_members: 'src/scheduler/tables/',
  shard_leases: 'src/scheduler/tables/',
  schedule_spans: 'src/scheduler/tables/',
  series_progress: 'src/processor/tables/',
  stream_offsets: 'src/processor/tables/',
  dead_letters: 'src/processor/tables/',
  metrics: 'src/processor/tables/',
  results: 'src/processor/tables/',
  stream_topics: 'src/streaming/',
  stream_heads: 'src/streaming/embedded/',
  stream_records: 'src/streaming/embedded/',
  stream_members: 'src/streaming/embedded/',
  stream_leases: 'src/streaming/embedded/',
  instances: 'src/installation/',
  installation: 'src/installation/',
  epoch_floors: 'src/installation/',
  api_keys: 'src/access/',
  users: 'src/access/',
  sessions: 'src/access/',
  sign_in_failures: 'src/access/',
  audit: 'src/access/',
  idempotency_keys: 'src/access/',
  push_tokens: 'src/push/',
  push_reports: 'src/push/',
  schema_migrations: 'src/postgres/',
  granted_roles: 'src/postgres/',
};

/** The read model may read every table. */
export const READ_MODEL = 'src/stats/';

/** Functions of the migrations that write a table. */
export const FUNCTION_WRITES = {
  expire_job_versions: 'job_versions',
  expire_spans: 'schedule_spans',
  take_report: 'push_reports',
};

/** Files that write tables of others; they may read them too. */
export const OTHER_WRITERS = {
  'src/installation/reset.ts': {
    tables: [
      'job_revision',
      'stream_offsets',
      'schema_migrations',
      'jobs',
      'shard_leases',
      'stream_heads',
      'stream_topics',
    ],
    reason: 'makes all tables again in one transaction, and keeps in them the line between before and after',
  },
  'src/jobs/expired-versions.ts': {
    tables: ['schedule_spans'],
    reason: 'spans and the versions that they name expire together',
  },
};

/** Files that read tables of others. */
export const OTHER_READERS = {
  'src/doctor/examinations/counting.ts': { tables: ['dead_letters'], reason: 'examines whether results are counted' },
  'src/doctor/examinations/fleet.ts': { tables: ['jobs'], reason: 'examines whether anybody checks the jobs' },
  'src/doctor/examinations/kafka-topics.ts': { tables: ['stream_topics'], reason: 'examines the topics in use' },
  'src/jobs/list.ts': { tables: ['series_progress'], reason: 'filters jobs by the state of their series' },
  'src/jobs/next-job-id.ts': {
    tables: ['installation', 'series_progress'],
    reason: 'gives no id again that had results or belonged to a job before a reset',
  },
  'src/jobs/reach.ts': {
    tables: ['series_progress', 'schedule_spans'],
    reason: 'gives whoever is limited to tags no id under which others were counted',
  },
  'src/lag/positions.ts': {
    tables: ['stream_offsets', 'instances'],
    reason: 'compares the stream with the counted offsets, for any process, with or without a processor',
  },
  'src/processor/tables/offsets.ts': { tables: ['epoch_floors'], reason: 'refuses results from before a reset' },
  'src/processor/tables/series.ts': { tables: ['epoch_floors'], reason: 'refuses results from before a reset' },
  'src/push/unheard-jobs.ts': {
    tables: ['jobs', 'series_progress'],
    reason: 'finds the jobs that could have reported and never have',
  },
  'src/push/tokens.ts': { tables: ['jobs'], reason: 'makes the tokens of the jobs that were changed' },
  'src/processor/verify/stored-rows.ts': {
    tables: ['metrics', 'stream_offsets', 'results', 'stream_topics', 'schedule_spans'],
    reason: 'compares everything that is stored with the stream, in one snapshot',
  },
};
