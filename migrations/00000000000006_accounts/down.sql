DROP TABLE login_prefixes;
DROP TABLE throttle_buckets;
DROP TABLE account_tokens;
DROP TRIGGER users_keep_login_names ON users;
DROP FUNCTION keep_login_names;
DROP TABLE login_names;
DROP INDEX sessions_expires_at_idx;
ALTER TABLE sessions DROP COLUMN rotations;
