-- What people may see of addresses and of texts with addresses in them. src/core/masking.ts does the same: a search, an
-- order and a view must tell no more than an answer does.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- `names`: a list of further parameters that are secret.
CREATE FUNCTION masked_address(address text, names jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  ascii constant text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  small constant text := 'abcdefghijklmnopqrstuvwxyz';
  secret constant text := '(^|[^a-z])(key|pass|pwd|auth|sig|sid|jwt|otp|pin|hmac)([^a-z]|$)'
    '|token|secret|passw|passphrase|credential|signature|session|authoriz|bearer|hmac'
    '|(api|app|access|account|auth|client|license|master|private|shared|subscription)[-_]?key|%';
  hash constant integer := position('#' IN address);
  whole constant text := CASE hash WHEN 0 THEN address ELSE left(address, hash - 1) END;
  mark constant integer := position('?' IN whole);
  head text := CASE mark WHEN 0 THEN whole ELSE left(whole, mark - 1) END;
  scheme text;
  userinfo text;
  colon integer;
  part text;
  parameter text;
  name text;
  separator text;
  is_secret boolean;
BEGIN
  IF address IS NULL THEN RETURN NULL; END IF;
  IF position('@' IN head) > 0 THEN
    scheme := substring(head FROM E'^[\t\n\x0b\f\r ]*[A-Za-z][A-Za-z0-9+.-]*:[\t\n\x0b\f\r /\\\\]*');
    userinfo := substring(substr(head, length(scheme) + 1) FROM E'^[^/\\\\]*@');
    IF userinfo NOT IN ('@', ':@') THEN
      colon := position(':' IN userinfo);
      head := scheme || CASE colon
          WHEN 0 THEN '********@'
          WHEN length(userinfo) - 1 THEN '********:@'
          ELSE left(userinfo, colon) || '********@'
        END || substr(head, length(scheme) + length(userinfo) + 1);
    END IF;
  END IF;
  IF mark = 0 AND hash = 0 THEN RETURN head; END IF;
  FOREACH part IN ARRAY ARRAY[CASE mark WHEN 0 THEN '' ELSE substr(whole, mark) END,
    CASE hash WHEN 0 THEN '' ELSE substr(address, hash) END] LOOP
    separator := left(part, 1);
    FOREACH parameter IN ARRAY string_to_array(substr(part, 2), '&') LOOP
      name := translate(split_part(parameter, '=', 1), ascii, small);
      IF length(parameter) > length(name) + 1 THEN
        is_secret := replace(replace(name, '%5b', '_'), '%5d', '_') ~ secret;
        -- A statement of its own: what has a subquery in it takes ten times as long.
        IF NOT is_secret AND names IS NOT NULL THEN
          is_secret := EXISTS (SELECT FROM jsonb_array_elements_text(names) AS listed WHERE translate(listed, ascii, small) = name);
        END IF;
        IF is_secret THEN parameter := left(parameter, length(name)) || '=********'; END IF;
      END IF;
      head := head || separator || parameter;
      separator := '&';
    END LOOP;
    -- A sign with nothing behind it.
    IF length(part) = 1 THEN head := head || part; END IF;
  END LOOP;
  RETURN head;
END $$;

CREATE FUNCTION masked_text(given text, names jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
DECLARE
  word text;
  address text;
  masked text := '';
BEGIN
  IF given IS NULL OR position(':' IN given) = 0 THEN RETURN given; END IF;
  FOR word IN SELECT piece[1] FROM regexp_matches(given, E'[^\t\n\x0b\f\r "\'<>]+|[\t\n\x0b\f\r "\'<>]+', 'g') AS piece LOOP
    address := substring(word FROM E'[A-Za-z][A-Za-z0-9+.-]*:[/\\\\]{2}.*$');
    masked := masked || CASE WHEN address IS NULL THEN word
      ELSE left(word, length(word) - length(address)) || masked_address(address, names) END;
  END LOOP;
  RETURN masked;
END $$;

-- What a job is called and what it checks, as people see it: lists are searched and sorted by these.
ALTER TABLE jobs
  ADD COLUMN shown_name text GENERATED ALWAYS AS (coalesce(
    masked_text(definition ->> 'job_name', definition -> 'secrets'),
    masked_address(definition ->> 'uri', definition -> 'secrets'),
    'job ' || job_id::text)) STORED,
  ADD COLUMN shown_address text GENERATED ALWAYS AS (masked_address(definition ->> 'uri', definition -> 'secrets')) STORED;
CREATE INDEX jobs_shown_name ON jobs (lower(shown_name), job_id) WHERE deleted_at IS NULL;

CREATE OR REPLACE VIEW job_names AS
SELECT job_id, shown_name AS job_name, running, version, deleted_at IS NOT NULL AS is_removed FROM jobs;

-- Columns as before, without secrets in any of them.
CREATE OR REPLACE VIEW check_results AS
SELECT
  -- When it was due (the partitions are by it); started_at: when it began.
  r.at AS check_time,
  r.job_id,
  (SELECT j.shown_name FROM jobs j WHERE j.job_id = r.job_id) AS job_name,
  r.location,
  -- NULL: missed, so nothing is known about the site.
  CASE r.outcome WHEN 'up' THEN true WHEN 'degraded' THEN true WHEN 'down' THEN false END AS success,
  r.rt / 1e6::double precision AS response_time,
  r.bytes AS length,
  r.status AS code,
  r.outcome,
  r.reason,
  masked_text(r.detail, NULL) AS detail,
  -- The version of the job that was in force; NULL for a line that Vedette's scheduler did not write.
  (SELECT s.version FROM schedule_spans s
   WHERE s.job_id = r.job_id AND s.location = r.location AND s.from_slot <= r.slot AND (s.to_slot IS NULL OR s.to_slot >= r.slot)
   ORDER BY s.from_slot DESC LIMIT 1) AS version,
  -- More than 1 only in a range of missed slots.
  r.slots,
  to_timestamp(r.ts / 1e3::double precision) AS started_at,
  r.topic
FROM results r;

CREATE OR REPLACE VIEW job_checks AS
SELECT
  v.job_id,
  v.version,
  coalesce(
    masked_text(v.definition ->> 'job_name', v.definition -> 'secrets'),
    masked_address(v.definition ->> 'uri', v.definition -> 'secrets'),
    'job ' || v.job_id) AS job_name,
  masked_address(v.definition ->> 'uri', v.definition -> 'secrets') AS uri,
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
