-- Why a line was put aside. `unreadable`: its bytes say so, to anybody at any time. Everything else was decided once, when
-- the line was counted (`database`: PostgreSQL did not take it, `epoch`, `future`, `locations`, `repaired`), and is to be
-- taken from here by whoever counts the stream again.
ALTER TABLE dead_letters ADD COLUMN kind text NOT NULL DEFAULT 'unreadable';
UPDATE dead_letters SET kind = 'database' WHERE starts_with(error, 'refused by PostgreSQL: ');
CREATE INDEX dead_letters_decided ON dead_letters (topic, partition, record_offset) WHERE kind <> 'unreadable';
