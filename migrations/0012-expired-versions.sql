-- Versions of jobs and stretches of their schedule that nothing needs any more.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- What a job was is never rewritten, whoever asks. Only the functions below delete, and only what never ran or is no
-- longer kept.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('vedette.expires_versions', true) = 'on' THEN RETURN NULL; END IF;
  RAISE EXCEPTION 'Rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = '42501';
END $$;

CREATE INDEX schedule_spans_version ON schedule_spans (job_id, version);

-- Deletes versions that are neither the present one of their job nor in any span, when they were replaced before
-- `replaced_before` (a scheduler may be about to begin one that was replaced just now), or when more than `most` such
-- versions of a job came after them. `jobs` NULL: of all jobs. Answers how many went.
CREATE FUNCTION expire_job_versions(jobs integer[], replaced_before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  deleted bigint;
BEGIN
  PERFORM set_config('vedette.expires_versions', 'on', true);
  WITH unused AS (
    SELECT v.job_id, v.version,
      (SELECT n.valid_from FROM job_versions n WHERE n.job_id = v.job_id AND n.version > v.version ORDER BY n.version LIMIT 1) AS replaced_at,
      row_number() OVER (PARTITION BY v.job_id ORDER BY v.version DESC) AS place
    FROM job_versions v
    WHERE (expire_job_versions.jobs IS NULL OR v.job_id = ANY (expire_job_versions.jobs))
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.job_id = v.job_id AND j.version <= v.version)
      AND NOT EXISTS (SELECT FROM schedule_spans s WHERE s.job_id = v.job_id AND s.version = v.version)
  )
  DELETE FROM job_versions v USING unused u
  WHERE v.job_id = u.job_id AND v.version = u.version AND (u.replaced_at < replaced_before OR u.place > most);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  PERFORM set_config('vedette.expires_versions', 'off', true);
  RETURN deleted;
END $$;

-- Deletes stretches that ended before the instant `before` (ms since the epoch), but for the last one of each job and
-- location, which says under which version its last results were. Answers how many went.
CREATE FUNCTION expire_spans(before bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  deleted bigint;
BEGIN
  DELETE FROM schedule_spans s
  WHERE s.to_slot < before AND s.from_slot < before AND EXISTS (
    SELECT FROM schedule_spans n WHERE n.job_id = s.job_id AND n.location = s.location AND n.from_slot > s.from_slot);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  RETURN deleted;
END $$;

REVOKE ALL ON FUNCTION expire_job_versions(integer[], timestamptz, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION expire_spans(bigint) FROM PUBLIC;
