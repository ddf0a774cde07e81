-- What the jobs are called, for those who may not see their definitions.
CREATE VIEW job_names AS
SELECT job_id, definition ->> 'job_name' AS job_name, running, version, deleted_at IS NOT NULL AS is_removed FROM jobs;
