-- Further numbers of a result, by name, and whether a window of maintenance held at its slot.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

ALTER TABLE results ADD COLUMN "values" jsonb, ADD COLUMN maintenance boolean;

-- Of up, degraded and down, those in maintenance: they are left out of the uptime.
ALTER TABLE metrics
  ADD COLUMN maintenance_up bigint NOT NULL DEFAULT 0,
  ADD COLUMN maintenance_degraded bigint NOT NULL DEFAULT 0,
  ADD COLUMN maintenance_down bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW check_results AS
SELECT
  r.at AS check_time,
  r.job_id,
  (SELECT j.definition ->> 'job_name' FROM jobs j WHERE j.job_id = r.job_id) AS job_name,
  r.location,
  CASE r.outcome WHEN 'up' THEN true WHEN 'degraded' THEN true WHEN 'down' THEN false END AS success,
  r.rt / 1e6::double precision AS response_time,
  r.bytes AS length,
  r.status AS code,
  r.outcome,
  r.reason,
  r.detail,
  (SELECT s.version FROM schedule_spans s
   WHERE s.job_id = r.job_id AND s.location = r.location AND s.from_slot <= r.slot AND (s.to_slot IS NULL OR s.to_slot >= r.slot)
   ORDER BY s.from_slot DESC LIMIT 1) AS version,
  r.slots,
  to_timestamp(r.ts / 1e3::double precision) AS started_at,
  r.topic,
  r."values",
  coalesce(r.maintenance, false) AS maintenance
FROM results r;

-- The views of topics get the new columns, too.
DO $$
DECLARE
  topic text;
BEGIN
  FOR topic IN
    SELECT relname FROM pg_class
    WHERE relkind = 'v' AND relnamespace = quote_ident(current_schema())::regnamespace
      AND obj_description(oid, 'pg_class') = 'Results of this topic; made by Vedette.'
  LOOP
    EXECUTE format('CREATE OR REPLACE VIEW %I AS SELECT * FROM check_results WHERE topic = %L', topic, topic);
  END LOOP;
END $$;
