-- Other users whose data the response shows, such as the writer of a comment's post. It is deleted with any of them.
ALTER TABLE idempotency_keys ADD COLUMN about bigint[] NOT NULL DEFAULT '{}';
CREATE INDEX idempotency_keys_about_idx ON idempotency_keys USING gin (about);

CREATE FUNCTION forget_answers() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM idempotency_keys WHERE about && ARRAY(SELECT id FROM gone);
    RETURN NULL;
END
$$;

CREATE TRIGGER users_forget_answers AFTER DELETE ON users
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_answers();
