DROP TABLE jobs;
DROP FUNCTION tell_of_jobs;
