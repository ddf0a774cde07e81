-- Who may do what, and what was done by whom. A reset of the tables keeps these (src/installation/reset.ts): all
-- statements here are written so that they may be repeated.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Keys of programs. A key is shown once: of its text only the SHA-256 is known.
CREATE TABLE IF NOT EXISTS api_keys (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  -- The beginning of the key, by which it is found.
  prefix text NOT NULL UNIQUE,
  hash bytea NOT NULL,
  scopes text[] NOT NULL,
  -- The key reaches only jobs with one of these tags; NULL: all jobs.
  tags text[],
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- People.
CREATE TABLE IF NOT EXISTS users (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- In lower case.
  email text NOT NULL UNIQUE,
  name text,
  -- Hash with its parameters; NULL: signs in by a provider only.
  password text,
  scopes text[] NOT NULL,
  tags text[],
  -- Base32 secret of the second factor, and the last time step that was accepted, which counts once.
  totp_secret text,
  totp_step bigint,
  -- A secret that no code has confirmed yet, and the SHA-256 of each recovery code that was not used.
  totp_pending text,
  recovery_codes bytea[] NOT NULL DEFAULT '{}',
  -- Whose subject of which OpenID provider this is.
  oidc_issuer text,
  oidc_subject text,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  last_sign_in_at timestamptz,
  disabled_at timestamptz,
  UNIQUE (oidc_issuer, oidc_subject)
);

-- By tag: lists with a tag, and all that whoever is limited to tags asks.
CREATE INDEX IF NOT EXISTS jobs_tags ON jobs USING gin ((definition -> 'tags'));

-- Signed-in browsers: of the cookie only the SHA-256 is known.
CREATE TABLE IF NOT EXISTS sessions (
  hash bytea PRIMARY KEY,
  -- By which its owner names it.
  id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  -- One of the three: a person, a key, or the SHA-256 of a key of the settings.
  user_id integer REFERENCES users ON DELETE CASCADE,
  key_id integer REFERENCES api_keys ON DELETE CASCADE,
  settings_key bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- To the minute.
  seen_at timestamptz NOT NULL DEFAULT now(),
  ends_at timestamptz NOT NULL,
  -- The password was right, the code of the second factor is still to come: nobody is signed in yet.
  waits_for_code boolean NOT NULL DEFAULT false,
  address text,
  user_agent text,
  CHECK (num_nonnulls(user_id, key_id, settings_key) = 1)
);
CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_key ON sessions (key_id);

-- Failed sign-ins, by account and by address, whether or not there is such an account: of what was typed only the SHA-256
-- is known, as it may be a password in the wrong field.
CREATE TABLE IF NOT EXISTS sign_in_failures (
  subject text PRIMARY KEY,
  failures integer NOT NULL,
  last_at timestamptz NOT NULL DEFAULT now()
);

-- What was changed, by whom and from where.
CREATE TABLE IF NOT EXISTS audit (
  id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT now(),
  -- 'key:grafana', 'user:ada@example.com', 'os:root', 'file:jobs.json', ...
  actor text NOT NULL,
  -- The address the request came from; NULL: no request.
  address text,
  -- 'job.update', 'key.add', ...
  action text NOT NULL,
  -- 'job:17', 'key:grafana', ...
  subject text NOT NULL,
  -- Without secrets.
  before jsonb,
  after jsonb,
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX IF NOT EXISTS audit_at ON audit (at, id);
CREATE INDEX IF NOT EXISTS audit_subject ON audit (subject, id);

-- As with versions of jobs: what happened is never rewritten, whoever asks.
CREATE OR REPLACE TRIGGER audit_is_fixed BEFORE UPDATE OR DELETE ON audit
  FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Answers to requests with an Idempotency-Key, by who sent it. A row is written by the transaction that made what the
-- answer tells of.
CREATE TABLE IF NOT EXISTS idempotency_keys (
  actor text NOT NULL,
  key text NOT NULL,
  -- SHA-256 of all that makes it the same request.
  request bytea NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (actor, key)
);
CREATE INDEX IF NOT EXISTS idempotency_keys_created ON idempotency_keys (created_at);

-- Partitions of the audit for [lo, hi), a month each. Answers how many it made.
CREATE OR REPLACE FUNCTION ensure_audit_partition(lo timestamptz, hi timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  RETURN ensure_range_partitions('audit', 'month', 1, lo, hi, '');
END $$;

REVOKE ALL ON FUNCTION ensure_audit_partition(timestamptz, timestamptz) FROM PUBLIC;
SELECT ensure_audit_partition(now(), now() + interval '1 month');

-- As before, and for the audit too.
CREATE OR REPLACE FUNCTION drop_expired_partitions(parent text, granularity text, before timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
  branch regclass;
  leaf record;
  dropped text[] := '{}';
BEGIN
  IF parent NOT IN ('metrics', 'results', 'stream_records', 'audit') THEN
    RAISE EXCEPTION 'No such partitioned table: %', parent USING ERRCODE = '42P01';
  END IF;
  branch := to_regclass(parent);
  IF parent = 'metrics' THEN
    SELECT i.inhrelid::regclass INTO branch FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('metrics') AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (%L)', granularity);
  END IF;
  -- Two callers must not wait for each other; whoever comes second has nothing to do.
  IF branch IS NULL OR NOT pg_try_advisory_xact_lock(hashtextextended('vedette partitions ' || current_schema(), 0)) THEN
    RETURN dropped;
  END IF;
  FOR leaf IN
    SELECT c.oid::regclass AS name, c.relname
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = branch
      AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz <= before
    ORDER BY c.relname
  LOOP
    BEGIN
      EXECUTE format('DROP TABLE %s', leaf.name);
      dropped := dropped || leaf.relname::text;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      EXIT;
    END;
  END LOOP;
  RETURN dropped;
END $$;
