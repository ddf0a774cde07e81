-- What outlives every process, and a reset of the tables.
CREATE TABLE installation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- How often the tables were made anew.
  resets bigint NOT NULL DEFAULT 0,
  -- No job id up to this one is given out again.
  last_job_id integer NOT NULL DEFAULT 0,
  -- Results that processes which are gone have brought into the stream.
  produced bigint NOT NULL DEFAULT 0
);
INSERT INTO installation DEFAULT VALUES;

-- Results of these shards with an epoch up to this one belong to the time before a reset: they are not counted.
CREATE TABLE epoch_floors (
  location text NOT NULL,
  shard smallint NOT NULL,
  epoch bigint NOT NULL,
  PRIMARY KEY (location, shard)
);

-- Where counting into these tables began, after a reset; what the log has before it was counted into former ones.
ALTER TABLE stream_offsets ADD COLUMN first_offset bigint;
