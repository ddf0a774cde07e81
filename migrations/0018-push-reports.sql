-- Reports of programs whose jobs are not checked (monitor type push).
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The token in the address to which the program of a job reports. It is shown to people, so it is kept as it is.
CREATE TABLE push_tokens (
  job_id integer PRIMARY KEY,
  token text NOT NULL UNIQUE CHECK (token ~ '^[0-9a-f]{32}$')
);

-- One row for each report. `id` names the request that brought it, so that a repeated statement writes it once.
CREATE TABLE push_reports (
  job_id integer NOT NULL,
  received_ms bigint NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('start', 'up', 'degraded', 'down')),
  message text,
  duration_us bigint,
  numbers jsonb,
  PRIMARY KEY (job_id, received_ms, id)
);
CREATE INDEX push_reports_received ON push_reports (received_ms);

-- Writes a report to the job of a token, received `waited_ms` ago, and notifies `channel`. Returns the job's id; null for
-- an unknown token, -1 when the job had `most` reports in the last minute.
--
-- A reader that has the time may rely on having seen every report received before: writers hold the lock of the job's
-- part while they write, and take the time after they have it; a reader waits for them.
CREATE FUNCTION take_report(
  given text, waited_ms bigint, report_id uuid, report_kind text, report_message text, report_duration_us bigint,
  report_numbers jsonb, most integer, channel text
) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  job integer;
  received bigint;
BEGIN
  SELECT t.job_id INTO job FROM push_tokens t WHERE t.token = given;
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

-- For each job the first report at or after `froms` that is no start, and the last start before it since the report before
-- that; all null when there is none. `now_ms` is the time up to which this is certain.
CREATE FUNCTION read_reports(jobs integer[], froms bigint[])
RETURNS TABLE (
  job_id integer, now_ms bigint, received_ms bigint, kind text, message text, duration_us bigint, numbers jsonb,
  begun_ms bigint
)
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
  part integer;
  moment bigint;
BEGIN
  FOR part IN SELECT DISTINCT job & 63 FROM unnest(jobs) AS job ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(1886745448, part);
  END LOOP;
  moment := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  -- A statement of its own sees what was written while the locks were waited for.
  RETURN QUERY
  SELECT asked.job, moment, found.received_ms, found.kind, found.message, found.duration_us, found.numbers, begun.ms
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
  ) AS begun ON true;
END $$;

REVOKE ALL ON FUNCTION take_report(text, bigint, uuid, text, text, bigint, jsonb, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION read_reports(integer[], bigint[]) FROM PUBLIC;
