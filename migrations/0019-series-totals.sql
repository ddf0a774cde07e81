-- Of up, degraded and down of a series, those in maintenance: they are left out of its uptime. The names of values that are
-- counted by name for a series: the first ones that came. They never become fewer.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

ALTER TABLE series_progress
  ADD COLUMN maintenance_up bigint NOT NULL DEFAULT 0,
  ADD COLUMN maintenance_degraded bigint NOT NULL DEFAULT 0,
  ADD COLUMN maintenance_down bigint NOT NULL DEFAULT 0,
  ADD COLUMN value_names jsonb NOT NULL DEFAULT '[]';

-- Foreign lines of records before it were counted by their status alone, as versions did that read no other fields of them.
ALTER TABLE stream_offsets ADD COLUMN plain_until bigint;
UPDATE stream_offsets SET plain_until = next_offset;
