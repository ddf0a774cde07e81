-- Histograms of response times as bytes instead of JSONB, and how often each row of metrics was written.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The bytes of a histogram: for each bin in ascending order its distance from the one before (the first: from 0) and its
-- count, both as base-128 numbers, low digits first, the top bit set in all bytes of a number but its last. No bin: no
-- byte. The same numbers always give the same bytes.
CREATE FUNCTION histogram_of(bins integer[], counts bigint[]) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  bytes bytea := '';
  last integer := 0;
  number bigint;
BEGIN
  FOR at IN 1 .. cardinality(bins) LOOP
    FOREACH number IN ARRAY ARRAY[(bins[at] - last)::bigint, counts[at]] LOOP
      WHILE number > 127 LOOP
        bytes := bytes || set_byte('\x00', 0, (number & 127)::integer | 128);
        number := number >> 7;
      END LOOP;
      bytes := bytes || set_byte('\x00', 0, number::integer);
    END LOOP;
    last := bins[at];
  END LOOP;
  RETURN bytes;
END $$;

-- The bins of a histogram such as metrics.rt_hist: which response times (integer microseconds) each holds, and how many.
-- Log-linear: every number below 128 has its own bin, beyond that each octave has 64.
CREATE FUNCTION histogram_bins(histogram bytea, OUT bin integer, OUT least_us bigint, OUT greatest_us bigint, OUT count bigint)
RETURNS SETOF record
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  size integer := length(histogram);
  at integer := 0;
  byte integer;
  shift integer := 0;
  number bigint := 0;
  is_count boolean := false;
  octave integer;
BEGIN
  bin := 0;
  WHILE at < size LOOP
    byte := get_byte(histogram, at);
    at := at + 1;
    number := number | ((byte & 127)::bigint << shift);
    IF byte > 127 THEN
      shift := shift + 7;
      CONTINUE;
    END IF;
    IF is_count THEN
      count := number;
      octave := CASE WHEN bin < 128 THEN 0 ELSE bin / 64 - 1 END;
      least_us := (bin - octave * 64)::bigint << octave;
      greatest_us := least_us + (1::bigint << octave) - 1;
      RETURN NEXT;
    ELSE
      bin := bin + number;
    END IF;
    is_count := NOT is_count;
    number := 0;
    shift := 0;
  END LOOP;
END $$;

-- Histograms added up. It is exact: that of an hour is that of its minutes.
CREATE FUNCTION histogram_sum(histograms bytea[]) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
  SELECT coalesce(histogram_of(array_agg(bin ORDER BY bin), array_agg(total ORDER BY bin)), '')
  FROM (
    SELECT bin, sum(count)::bigint AS total FROM unnest(histograms) AS h (histogram), histogram_bins(histogram) GROUP BY bin
  ) AS summed;
$$;
CREATE AGGREGATE histogram_merge(bytea) (SFUNC = array_append, STYPE = bytea[], INITCOND = '{}', FINALFUNC = histogram_sum);

-- The p-th percentile (0 < p <= 100) in microseconds by nearest rank: the response time of rank ceil(p / 100 * count), as
-- the middle of its bin; NULL for an empty histogram. Over several rows: histogram_percentile(95, histogram_merge(rt_hist)).
CREATE FUNCTION histogram_percentile(p double precision, histogram bytea) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT AS $$
BEGIN
  IF NOT (p > 0 AND p <= 100) THEN
    RAISE EXCEPTION 'percentile %: more than 0, at most 100', p USING ERRCODE = '22003';
  END IF;
  RETURN (
    SELECT (least_us + greatest_us) / 2
    FROM (
      SELECT bin, least_us, greatest_us, sum(count) OVER (ORDER BY bin) AS reached,
        (sum(count) OVER ())::double precision AS total
      FROM histogram_bins(histogram)
    ) AS counted
    -- 99.9 % of 1000 is 999.0000000000001 in floating point, and its rank 999.
    WHERE reached >= greatest(1, ceil(p * total / 100 - 1e-9::double precision * total))
    ORDER BY bin LIMIT 1
  );
END $$;

CREATE FUNCTION histogram_from_json(bins jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
  SELECT coalesce(histogram_of(array_agg(key::integer ORDER BY key::integer), array_agg(value::bigint ORDER BY key::integer)), '')
  FROM jsonb_each_text(bins);
$$;
ALTER TABLE metrics ALTER COLUMN rt_hist DROP DEFAULT;
ALTER TABLE metrics ALTER COLUMN rt_hist TYPE bytea USING histogram_from_json(rt_hist);
ALTER TABLE metrics ALTER COLUMN rt_hist SET DEFAULT '';
DROP FUNCTION histogram_from_json(jsonb);

-- Raised by every write. A writer that knows what a row held replaces it, if nobody else has written it since.
ALTER TABLE metrics ADD COLUMN writes integer NOT NULL DEFAULT 1;
