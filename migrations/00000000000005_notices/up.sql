-- Nodes notify each other over one NOTIFY channel per schema. All schemas of a database share its channels, so the
-- channel's name contains the schema's name. It is hashed, since identifiers are limited to 63 bytes.
CREATE FUNCTION channel() RETURNS text
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$ SELECT 'plaza_' || md5(current_schema()) $$;

-- Nodes cache the user of each token, and drop the entry when they receive this notice: `user <id>`.
CREATE FUNCTION tell_of_changed_user() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_notify(channel(), 'user ' || NEW.id);
    RETURN NULL;
END
$$;

-- No trigger for deletions: deleting a user cascades to the user's sessions, whose own trigger sends the notice.
CREATE TRIGGER users_tell_of_change AFTER UPDATE OF username, is_active, is_staff ON users
    FOR EACH ROW EXECUTE FUNCTION tell_of_changed_user();

CREATE FUNCTION tell_of_ended_sessions() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- An expired session's tokens are dead already; a purge need not wake anybody.
    PERFORM pg_notify(channel(), 'user ' || user_id)
    FROM (SELECT DISTINCT user_id FROM ended WHERE expires_at > now()) AS users;
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_tell_of_end AFTER DELETE ON sessions
    REFERENCING OLD TABLE AS ended
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_ended_sessions();

-- A refresh extends a session. An update that shortens a session has ended it.
CREATE FUNCTION tell_of_shortened_session() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_notify(channel(), 'user ' || NEW.user_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_tell_of_shortening AFTER UPDATE OF expires_at ON sessions
    FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at) EXECUTE FUNCTION tell_of_shortened_session();

-- A TRUNCATE trigger has no transition table, so the notice names no user.
CREATE FUNCTION tell_of_no_sessions() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_notify(channel(), 'users');
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_tell_of_truncation AFTER TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_no_sessions();

CREATE FUNCTION tell_of_changed_keys() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM pg_notify(channel(), 'keys');
    RETURN NULL;
END
$$;

CREATE TRIGGER signing_keys_tell_of_change AFTER INSERT OR UPDATE OR DELETE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_changed_keys();

-- A key is published before it starts to sign, so that clients that cache the published keys know it in time.
ALTER TABLE signing_keys ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now();
UPDATE signing_keys SET signs_from = created_at;
