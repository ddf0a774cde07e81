-- Vedette's tables. Times of slots are bigint, ms since the epoch, UTC; response times are integer microseconds.

-- Serialises writers of jobs, so that revisions become visible in their order.
CREATE TABLE job_revision (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), value bigint NOT NULL);
INSERT INTO job_revision (value) VALUES (0);

CREATE TABLE jobs (
  job_id integer PRIMARY KEY CHECK (job_id > 0),
  definition jsonb NOT NULL,
  version integer NOT NULL,
  running boolean NOT NULL,
  source text NOT NULL CHECK (source IN ('file', 'api')),
  revision bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE INDEX jobs_revision ON jobs (revision);

-- Every definition a job ever had: a change never rewrites history.
CREATE TABLE job_versions (
  job_id integer NOT NULL,
  version integer NOT NULL,
  definition jsonb NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, version)
);

-- Schedulers that are alive, so that shards can be shared out among them.
CREATE TABLE scheduler_members (
  location text NOT NULL,
  owner text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (location, owner)
) WITH (fillfactor = 50);

-- Who checks the jobs of a shard. `progress`: every slot up to this instant is in the stream. Without an owner and an
-- expiry the last owner let go in peace: it began nothing after `progress`.
CREATE TABLE shard_leases (
  location text NOT NULL,
  shard smallint NOT NULL,
  owner text,
  epoch bigint NOT NULL DEFAULT 0,
  expires_at timestamptz,
  progress bigint,
  PRIMARY KEY (location, shard)
);

-- What was due: each stretch in which a job ran under one definition. to_slot is its last slot, NULL while it runs,
-- and less than from_slot when it was closed before its first slot.
CREATE TABLE schedule_spans (
  job_id integer NOT NULL,
  location text NOT NULL,
  version integer NOT NULL,
  period_ms bigint,
  phase_ms bigint,
  cron text,
  cron_timezone text,
  topic text NOT NULL,
  epoch bigint NOT NULL,
  from_slot bigint NOT NULL,
  to_slot bigint,
  -- How many slots it had; set when it is closed.
  slot_count bigint,
  PRIMARY KEY (job_id, location, from_slot, version)
);
CREATE UNIQUE INDEX schedule_spans_open ON schedule_spans (job_id, location) WHERE to_slot IS NULL;

-- How far each series has been counted (the rule that makes a repetition harmless), with its last result and totals.
CREATE TABLE series_progress (
  job_id integer NOT NULL,
  location text NOT NULL,
  topic text NOT NULL,
  epoch bigint NOT NULL,
  slot bigint NOT NULL,
  last_ts bigint,
  last_outcome text,
  last_reason text,
  last_status text,
  last_rt bigint,
  -- The slot at which last_outcome began.
  since_slot bigint,
  count bigint NOT NULL DEFAULT 0,
  up bigint NOT NULL DEFAULT 0,
  degraded bigint NOT NULL DEFAULT 0,
  down bigint NOT NULL DEFAULT 0,
  missed bigint NOT NULL DEFAULT 0,
  codes jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (job_id, location, topic)
) WITH (fillfactor = 60);

-- How far each partition of the stream has been counted, and by whom. The consumer's offsets are these and no others.
CREATE TABLE stream_offsets (
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint,
  epoch bigint NOT NULL DEFAULT 0,
  owner text,
  results bigint NOT NULL DEFAULT 0,
  foreign_results bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0,
  fenced bigint NOT NULL DEFAULT 0,
  dead_letters bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 60);

-- The number of partitions results are routed by. It is fixed here, because a series may not change its partition
-- while results of it wait in the old one.
-- A topic that is not counted holds copies.
CREATE TABLE stream_topics (
  topic text PRIMARY KEY,
  partitions integer NOT NULL CHECK (partitions > 0),
  counted boolean NOT NULL DEFAULT true
);

CREATE TABLE dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  -- Which line of the record, from 0.
  line integer NOT NULL,
  bytes bytea NOT NULL,
  error text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

-- Aggregated numbers. One list partition per granularity, range partitions by time below it.
CREATE TABLE metrics (
  granularity text NOT NULL,
  job_id integer NOT NULL,
  location text NOT NULL,
  dt timestamptz NOT NULL,
  count bigint NOT NULL DEFAULT 0,
  up bigint NOT NULL DEFAULT 0,
  degraded bigint NOT NULL DEFAULT 0,
  down bigint NOT NULL DEFAULT 0,
  missed bigint NOT NULL DEFAULT 0,
  rt_count bigint NOT NULL DEFAULT 0,
  rt_min bigint,
  rt_max bigint,
  rt_sum bigint NOT NULL DEFAULT 0,
  -- Status counters such as {"200": 2470, "404": 679}; only results with a response have a status.
  data jsonb NOT NULL DEFAULT '{}',
  -- Reasons of what was not up, such as {"timeout": 3}.
  reasons jsonb NOT NULL DEFAULT '{}',
  -- Sparse histogram of response times: bin -> count.
  rt_hist jsonb NOT NULL DEFAULT '{}',
  -- Values of configured aggregates that have no column of their own, by their key.
  extra jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (granularity, job_id, location, dt)
) PARTITION BY LIST (granularity);

-- Raw results, partitioned by time.
CREATE TABLE results (
  job_id integer NOT NULL,
  location text NOT NULL,
  -- The slot, or ts for a foreign result.
  at timestamptz NOT NULL,
  epoch bigint,
  slot bigint,
  slots integer NOT NULL DEFAULT 1,
  period_ms bigint,
  ts bigint NOT NULL,
  outcome text NOT NULL,
  reason text,
  status text,
  rt bigint,
  timings jsonb,
  bytes bigint,
  attempt smallint,
  detail text,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX results_series ON results (job_id, at DESC);

-- Processes that are alive, for an API process that has to speak for all of them.
CREATE TABLE instances (
  instance_id text PRIMARY KEY,
  roles text[] NOT NULL,
  location text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  stats jsonb NOT NULL
) WITH (fillfactor = 60);

-- The embedded stream: an append-only log. Offsets are given out under the row lock of stream_heads, so that they
-- become visible in their order; last_at keeps the times of a partition in order too.
CREATE TABLE stream_heads (
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL DEFAULT 0,
  last_at timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE stream_records (
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  at timestamptz NOT NULL,
  -- Bytes of the value before compression.
  size integer NOT NULL,
  -- How value is stored: 0 as it is, 1 raw deflate.
  codec smallint NOT NULL DEFAULT 0,
  key text,
  value bytea NOT NULL,
  headers jsonb,
  PRIMARY KEY (topic, partition, record_offset, at)
) PARTITION BY RANGE (at);
ALTER TABLE stream_records ALTER COLUMN value SET STORAGE EXTERNAL;

-- Live members of a consumer group of the embedded stream; together they share the partitions.
CREATE TABLE stream_members (
  consumer_group text NOT NULL,
  member text NOT NULL,
  topics text[] NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (consumer_group, member)
) WITH (fillfactor = 50);

-- Which member of a consumer group owns a partition.
CREATE TABLE stream_leases (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  owner text,
  epoch bigint NOT NULL DEFAULT 0,
  expires_at timestamptz,
  PRIMARY KEY (consumer_group, topic, partition)
) WITH (fillfactor = 50);

-- For people and tools that expect the plain shape: response times in seconds.
CREATE VIEW stats AS
SELECT job_id, dt, granularity, location,
  rt_min / 1e6::double precision AS rt_min,
  rt_max / 1e6::double precision AS rt_max,
  data
FROM metrics;
