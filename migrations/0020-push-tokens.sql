-- Tokens of push jobs are found by their hash, and readers hold the locks of reports only for a moment.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The time that a comparison takes would say how much of a guessed token is right.
ALTER TABLE push_tokens DROP CONSTRAINT push_tokens_token_key;
CREATE UNIQUE INDEX push_tokens_hash ON push_tokens (sha256(decode(token, 'hex')));

-- As before, but for the token.
CREATE OR REPLACE FUNCTION take_report(
  given text, waited_ms bigint, report_id uuid, report_kind text, report_message text, report_duration_us bigint,
  report_numbers jsonb, most integer, channel text
) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  job integer;
  received bigint;
BEGIN
  IF given !~ '^[0-9a-f]{32}$' THEN RETURN NULL; END IF;
  SELECT t.job_id INTO job FROM push_tokens t WHERE sha256(decode(t.token, 'hex')) = sha256(decode(given, 'hex'));
  IF job IS NULL THEN RETURN NULL; END IF;
  PERFORM pg_advisory_xact_lock_shared(1886745448, job & 63);
  received := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - waited_ms;
  -- The statement is repeated when its outcome is not known.
  IF EXISTS (SELECT FROM push_reports r WHERE r.job_id = job AND r.received_ms > received - 300000 AND r.id = report_id) THEN
    RETURN job;
  END IF;
  IF (SELECT count(*) FROM push_reports r WHERE r.job_id = job AND r.received_ms > received - 60000) >= most THEN
    RETURN -1;
  END IF;
  INSERT INTO push_reports (job_id, received_ms, id, kind, message, duration_us, numbers)
  VALUES (job, received, report_id, report_kind, report_message, report_duration_us, report_numbers);
  PERFORM pg_notify(channel, job::text);
  RETURN job;
END $$;

-- A reader that was frozen with its answer half read held these locks, and with them all reports. Now there are two
-- functions, each a transaction: the first has the locks and a short answer, the second the reports and no locks.
DROP FUNCTION read_reports(integer[], bigint[]);

-- Waits for the reports of these jobs that are being written. Every report received before the time that it returns is seen
-- by whoever begins to read after that, unless it waits for the database.
CREATE FUNCTION await_reports(jobs integer[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
  part integer;
BEGIN
  FOR part IN SELECT DISTINCT job & 63 FROM unnest(jobs) AS job ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(1886745448, part);
  END LOOP;
  RETURN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
END $$;

-- For each job the first report at or after `froms` that is no start, and the last start before it since the report before
-- that; all null when there is none. `moment` is what await_reports() returned.
CREATE FUNCTION find_reports(jobs integer[], froms bigint[], moment bigint)
RETURNS TABLE (
  job_id integer, received_ms bigint, kind text, message text, duration_us bigint, numbers jsonb, begun_ms bigint
)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  SELECT asked.job, found.received_ms, found.kind, found.message, found.duration_us, found.numbers, begun.ms
  FROM unnest(jobs, froms) AS asked (job, from_ms)
  LEFT JOIN LATERAL (
    SELECT r.* FROM push_reports r
    WHERE r.job_id = asked.job AND r.received_ms >= asked.from_ms AND r.kind <> 'start'
    ORDER BY r.received_ms, r.id LIMIT 1
  ) AS found ON true
  LEFT JOIN LATERAL (
    SELECT CASE r.kind WHEN 'start' THEN r.received_ms END AS ms FROM push_reports r
    WHERE r.job_id = asked.job AND r.received_ms <= coalesce(found.received_ms, moment) AND r.id IS DISTINCT FROM found.id
    ORDER BY r.received_ms DESC, r.id DESC LIMIT 1
  ) AS begun ON true
$$;

REVOKE ALL ON FUNCTION await_reports(integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION find_reports(integer[], bigint[], bigint) FROM PUBLIC;
