-- Where the line of a raw result begins in the value of its record, in bytes. With topic, partition and record_offset it is
-- the identity of the result. Rows written before do not know it.
ALTER TABLE results ADD COLUMN record_position integer;
