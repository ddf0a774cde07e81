-- Partitions by time of metrics, results and stream_records. The functions run with the rights of their owner, so that
-- Vedette itself needs no right to create anything; their search_path is fixed, with pg_temp last.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- How long the partitions of a granularity are: minute daily, hour monthly, day yearly, a duration such as 30s, 5m, 6h,
-- 1d, 1w or a number of seconds by its length, anything else monthly.
CREATE FUNCTION partition_unit(granularity text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
  parts text[] := regexp_match(granularity, '^(\d{1,9})(ms|s|m|h|d|w)?$');
  seconds double precision;
BEGIN
  IF parts IS NOT NULL THEN
    seconds := parts[1]::double precision * CASE parts[2]
      WHEN 'ms' THEN 0.001 WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 WHEN 'w' THEN 604800 ELSE 1 END;
  ELSE
    seconds := CASE granularity
      WHEN 'second' THEN 1 WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 WHEN 'day' THEN 86400 WHEN 'week' THEN 604800
      ELSE 3600 END;
  END IF;
  RETURN CASE WHEN seconds < 60 THEN 'hours' WHEN seconds < 3600 THEN 'day' WHEN seconds < 86400 THEN 'month' ELSE 'year' END;
END $$;

-- Read from pg_class rather than by to_regclass(), which may answer from a cache that is older than a lock just waited for.
CREATE FUNCTION is_partition(name text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pg_class WHERE relname = name AND relnamespace = quote_ident(current_schema())::regnamespace AND relispartition);
END $$;

-- Creates the missing partitions of `parent` that cover [lo, hi), at least the one that holds lo. A table is made and
-- then attached, because that blocks neither readers nor writers of the parent, as CREATE TABLE ... PARTITION OF would.
-- Answers how many it made. `hours` are stretches of `step` hours.
CREATE FUNCTION ensure_range_partitions(
  parent text, unit text, step integer, lo timestamptz, hi timestamptz, options text
) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
  length interval := CASE unit WHEN 'hours' THEN make_interval(hours => step) ELSE ('1 ' || unit)::interval END;
  format_of_name text := CASE unit WHEN 'hours' THEN 'YYYYMMDDHH24' WHEN 'day' THEN 'YYYYMMDD' WHEN 'month' THEN 'YYYYMM' ELSE 'YYYY' END;
  low timestamptz;
  leaf text;
  locked boolean := false;
  made integer := 0;
BEGIN
  IF lo < '1970-01-01' OR lo >= '10000-01-01' OR hi > '10000-01-01' THEN
    RAISE EXCEPTION 'No partition of % for %: accepted are the years 1970 to 9999', parent, lo USING ERRCODE = '22008';
  END IF;
  IF hi - lo > 1000 * length THEN
    RAISE EXCEPTION 'More than 1000 partitions of % asked for at once', parent USING ERRCODE = '54000';
  END IF;
  low := CASE unit WHEN 'hours' THEN to_timestamp(floor(extract(epoch FROM lo) / (step * 3600)) * (step * 3600))
    ELSE date_trunc(unit, lo) END;
  LOOP
    leaf := parent || '_' || to_char(low, format_of_name);
    IF NOT is_partition(leaf) THEN
      IF NOT locked THEN
        -- One at a time; whoever waited looks again. Released at the end of the caller's transaction.
        PERFORM pg_advisory_xact_lock(hashtextextended('vedette partitions ' || current_schema(), 0));
        locked := true;
        CONTINUE;
      END IF;
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) %s', leaf, parent, options);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, leaf, low, low + length);
      made := made + 1;
    END IF;
    low := low + length;
    EXIT WHEN low >= hi;
  END LOOP;
  RETURN made;
END $$;

-- Partitions of metrics of one granularity for buckets in [lo, hi).
CREATE FUNCTION ensure_metric_partition(granularity text, lo timestamptz, hi timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  unit text := partition_unit(granularity);
  branch text := 'metrics_' || granularity;
BEGIN
  IF granularity !~ '^[a-z0-9]{1,24}$' THEN
    branch := 'metrics_' || md5(granularity);
  END IF;
  IF NOT is_partition(branch) THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('vedette partitions ' || current_schema(), 0));
    IF NOT is_partition(branch) THEN
      EXECUTE format('CREATE TABLE %I (LIKE metrics INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) PARTITION BY RANGE (dt)', branch);
      EXECUTE format('ALTER TABLE metrics ATTACH PARTITION %I FOR VALUES IN (%L)', branch, granularity);
    END IF;
  END IF;
  -- Room for updates on the same page: rows of the current buckets are increased all the time.
  RETURN ensure_range_partitions(branch, unit, 6, lo, hi, 'WITH (fillfactor = 60)');
END $$;

-- Partitions of raw results in [lo, hi), four hours each.
CREATE FUNCTION ensure_result_partition(lo timestamptz, hi timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT ensure_range_partitions('results', 'hours', 4, lo, hi, '');
$$;

-- Partitions of the embedded stream's log in [lo, hi), one hour each.
CREATE FUNCTION ensure_stream_partition(lo timestamptz, hi timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT ensure_range_partitions('stream_records', 'hours', 1, lo, hi, '');
$$;

-- Drops the partitions of `parent` (metrics of one granularity, results, stream_records) that end at `before` or
-- earlier. Dropping needs the parent for itself for a moment: a partition for which that cannot be had within a second
-- stays for the next call, so that nobody waits long behind a slow reader. Answers the names dropped.
CREATE FUNCTION drop_expired_partitions(parent text, granularity text, before timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
  branch regclass;
  leaf record;
  dropped text[] := '{}';
BEGIN
  IF parent NOT IN ('metrics', 'results', 'stream_records') THEN
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

REVOKE ALL ON FUNCTION ensure_metric_partition(text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_result_partition(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_stream_partition(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_expired_partitions(text, text, timestamptz) FROM PUBLIC;
