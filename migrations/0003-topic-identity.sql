-- Which topic of that name the offset belongs to, as the broker tells them apart: one that was deleted and made again has
-- another. NULL where the stream has no such thing, or nothing is known yet.
ALTER TABLE stream_offsets ADD COLUMN topic_id text;
