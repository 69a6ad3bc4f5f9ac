DROP TABLE login_prefixes;
DROP TABLE throttle_buckets;
DROP TABLE account_tokens;
DROP INDEX sessions_expires_at_idx;
ALTER TABLE sessions DROP COLUMN rotations;
