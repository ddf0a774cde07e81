-- Views for people and tools, in plain units, without the definitions of jobs, which may hold secrets.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Raw results, one row each. What has to be looked up is looked up only for the rows and columns that are asked for.
CREATE VIEW check_results AS
SELECT
  -- When it was due (the partitions are by it); started_at: when it began.
  r.at AS check_time,
  r.job_id,
  (SELECT j.definition ->> 'job_name' FROM jobs j WHERE j.job_id = r.job_id) AS job_name,
  r.location,
  -- NULL: missed, so nothing is known about the site.
  CASE r.outcome WHEN 'up' THEN true WHEN 'degraded' THEN true WHEN 'down' THEN false END AS success,
  r.rt / 1e6::double precision AS response_time,
  r.bytes AS length,
  r.status AS code,
  r.outcome,
  r.reason,
  r.detail,
  -- The version of the job that was in force; NULL for a line that Vedette's scheduler did not write.
  (SELECT s.version FROM schedule_spans s
   WHERE s.job_id = r.job_id AND s.location = r.location AND s.from_slot <= r.slot AND (s.to_slot IS NULL OR s.to_slot >= r.slot)
   ORDER BY s.from_slot DESC LIMIT 1) AS version,
  -- More than 1 only in a range of missed slots.
  r.slots,
  to_timestamp(r.ts / 1e3::double precision) AS started_at,
  r.topic
FROM results r;

-- Every version of every job, with the last result that was made under it: the newest of the raw results that are kept
-- and of the last counted one of the series.
CREATE VIEW job_checks AS
SELECT
  v.job_id,
  v.version,
  v.definition ->> 'job_name' AS job_name,
  -- Without a password.
  regexp_replace(v.definition ->> 'uri', '^([a-z][a-z0-9+.-]*://[^/\\?#:]*:)([^/\\?#]*)@', '\1********@', 'i') AS uri,
  (v.definition ->> 'check_period_seconds')::double precision AS check_period_seconds,
  v.definition ->> 'check_cron' AS check_cron,
  v.valid_from,
  (SELECT n.valid_from FROM job_versions n WHERE n.job_id = v.job_id AND n.version > v.version ORDER BY n.version LIMIT 1) AS valid_to,
  coalesce(j.version = v.version AND j.deleted_at IS NULL, false) AS is_current,
  coalesce(j.version = v.version AND j.running, false) AS running,
  to_timestamp(last.ts / 1e3::double precision) AS last_check,
  CASE last.outcome WHEN 'up' THEN true WHEN 'degraded' THEN true WHEN 'down' THEN false END AS success,
  last.rt / 1e6::double precision AS response_time,
  last.bytes AS length,
  last.status AS code,
  last.outcome,
  last.reason,
  last.location
FROM job_versions v
LEFT JOIN jobs j ON j.job_id = v.job_id
LEFT JOIN LATERAL (
  SELECT s.location, r.*
  FROM schedule_spans s
  CROSS JOIN LATERAL (
    (SELECT r.ts, r.outcome, r.reason, r.status, r.rt, r.bytes, 0 AS place
     FROM results r
     WHERE r.job_id = s.job_id AND r.location = s.location AND r.slot IS NOT NULL
       AND r.at >= to_timestamp(s.from_slot / 1e3::double precision)
       AND r.at <= coalesce(to_timestamp(s.to_slot / 1e3::double precision), 'infinity')
     ORDER BY r.at DESC LIMIT 1)
    UNION ALL
    SELECT p.last_ts, p.last_outcome, p.last_reason, p.last_status, p.last_rt, NULL::bigint, 1
    FROM series_progress p
    WHERE p.job_id = s.job_id AND p.location = s.location AND p.slot >= s.from_slot AND (s.to_slot IS NULL OR p.slot <= s.to_slot)
      AND p.last_ts IS NOT NULL
  ) AS r
  WHERE s.job_id = v.job_id AND s.version = v.version
  ORDER BY r.ts DESC, r.place LIMIT 1
) AS last ON true;

-- How many slots of a job were due in [lo, hi) up to now, by what its scheduler recorded. NULL where that cannot be told:
-- part of a stretch that a cron expression rules.
CREATE FUNCTION due_slots(job integer, lo timestamptz, hi timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  WITH bounds AS (
    SELECT s.*, greatest(s.from_slot, ceil(extract(epoch FROM lo) * 1000)) AS first,
      least(s.to_slot, ceil(extract(epoch FROM hi) * 1000) - 1, floor(extract(epoch FROM now()) * 1000)) AS last
    FROM schedule_spans s WHERE s.job_id = job
  ), counts AS (
    SELECT CASE
      WHEN period_ms IS NOT NULL THEN floor((last - phase_ms) / period_ms) - ceil((first - phase_ms) / period_ms) + 1
      WHEN first = from_slot AND last = to_slot THEN slot_count END AS slots
    FROM bounds WHERE first <= last
  )
  SELECT CASE WHEN coalesce(bool_and(slots IS NOT NULL), true) THEN coalesce(sum(slots), 0)::bigint END FROM counts
$$;

-- What a job was is never rewritten, whoever asks.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'Rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
CREATE TRIGGER job_versions_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON job_versions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Makes the view of a topic, named after it, and answers NULL; or answers why there is none. Whoever may read
-- check_results may read it, and nobody may write through it.
CREATE FUNCTION ensure_topic_view(topic text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  mark constant text := 'Results of this topic; made by Vedette.';
  other record;
  grantee text;
  locked boolean := false;
BEGIN
  IF topic !~ '^[A-Za-z0-9._-]+$' OR length(topic) > 63 THEN
    RETURN 'names of views have at most 63 letters, digits, dots, dashes and underscores';
  END IF;
  IF topic ~ '^(metrics|results|stream_records)_' THEN
    RETURN 'names that begin like this are those of partitions';
  END IF;
  LOOP
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
      relkind = 'v' AND obj_description(oid, 'pg_class') IS NOT DISTINCT FROM mark AS is_ours
    INTO other FROM pg_class WHERE relname = topic AND relnamespace = quote_ident(current_schema())::regnamespace;
    IF FOUND THEN
      RETURN CASE WHEN NOT other.is_ours THEN format('the schema has another %s of this name', other.kind) END;
    END IF;
    IF EXISTS (SELECT FROM pg_type WHERE typname = topic AND typnamespace = quote_ident(current_schema())::regnamespace) THEN
      RETURN 'the schema has a type of this name';
    END IF;
    EXIT WHEN locked;
    -- One at a time; whoever waited looks again.
    PERFORM pg_advisory_xact_lock(hashtextextended('vedette partitions ' || current_schema(), 0));
    locked := true;
  END LOOP;
  EXECUTE format('CREATE VIEW %I AS SELECT * FROM check_results WHERE topic = %L', topic, topic);
  EXECUTE format('COMMENT ON VIEW %I IS %L', topic, mark);
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relname = topic AND c.relnamespace = quote_ident(current_schema())::regnamespace AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM %s', topic, grantee);
  END LOOP;
  FOR grantee IN
    SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'check_results'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT ON %I TO %s', topic, grantee);
  END LOOP;
  RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION ensure_topic_view(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_range_partitions(text, text, integer, timestamptz, timestamptz, text) FROM PUBLIC;
