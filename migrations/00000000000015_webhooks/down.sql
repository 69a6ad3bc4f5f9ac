DROP TRIGGER jobs_fail_delivery ON jobs;
DROP FUNCTION fail_delivery();
DELETE FROM jobs WHERE delivery_id IS NOT NULL;
ALTER TABLE jobs DROP COLUMN delivery_id;
DROP TABLE deliveries;
DROP TABLE webhooks;
