-- When the last public process that has gone was seen: its jobs are still there, so checks are restricted a while longer.
ALTER TABLE installation ADD COLUMN public_seen_at timestamptz;
