-- Whether others than the person at the machine can reach a process. One that does not say (of an earlier version) might be.
ALTER TABLE instances ADD COLUMN is_public boolean NOT NULL DEFAULT true;
