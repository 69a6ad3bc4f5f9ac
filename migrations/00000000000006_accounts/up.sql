-- The times of the last few rotations, the newest last. A token stays valid for some seconds after its rotation, even if
-- its successor has been used in the meantime. The next rotation drops older times.
ALTER TABLE sessions ADD COLUMN rotations timestamptz[] NOT NULL DEFAULT '{}';
-- For the periodic purge of expired sessions.
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- All names that users can log in with: usernames and addresses in one table, so that no user can take a username that is
-- another user's address. A login therefore identifies one account, and failed attempts are counted for that account.
CREATE TABLE login_names (
    key text COLLATE "C" NOT NULL,
    user_id bigint NOT NULL,
    CONSTRAINT login_names_pkey PRIMARY KEY (key),
    CONSTRAINT login_names_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX login_names_user_id_idx ON login_names (user_id);

CREATE FUNCTION keep_login_names() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM login_names
        WHERE user_id = NEW.id AND key NOT IN (NEW.username_key, NEW.email_key);
    END IF;
    INSERT INTO login_names (key, user_id) VALUES (NEW.username_key, NEW.id) ON CONFLICT (key) DO NOTHING;
    INSERT INTO login_names (key, user_id) VALUES (NEW.email_key, NEW.id) ON CONFLICT (key) DO NOTHING;
    IF (SELECT user_id FROM login_names WHERE key = NEW.username_key) <> NEW.id THEN
        RAISE unique_violation USING
            MESSAGE = 'the username is another user''s address',
            CONSTRAINT = 'users_username_key_key', TABLE = 'users';
    END IF;
    IF (SELECT user_id FROM login_names WHERE key = NEW.email_key) <> NEW.id THEN
        RAISE unique_violation USING
            MESSAGE = 'the address is another user''s name',
            CONSTRAINT = 'users_email_key_key', TABLE = 'users';
    END IF;
    RETURN NULL;
END
$$;

-- Existing users keep the names that they have. Where a username is another user's address, the username wins.
INSERT INTO login_names (key, user_id) SELECT username_key, id FROM users;
INSERT INTO login_names (key, user_id) SELECT email_key, id FROM users ON CONFLICT (key) DO NOTHING;

CREATE TRIGGER users_keep_login_names AFTER INSERT OR UPDATE OF username_key, email_key ON users
    FOR EACH ROW EXECUTE FUNCTION keep_login_names();

-- The tokens in mails, which confirm an address or set a new password. Like refresh tokens they are derived from the
-- row's id and the program's secret, and only when the mail is sent. The database stores only a hash.
CREATE TABLE account_tokens (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    -- The recipient of the mail. For a confirmation, also the address to confirm.
    email text COLLATE "und-x-icu" NOT NULL,
    email_key text COLLATE "C" NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT account_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT account_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT account_tokens_purpose_check CHECK (purpose IN ('confirm_address', 'reset_password'))
);
CREATE INDEX account_tokens_user_id_idx ON account_tokens (user_id);
CREATE INDEX account_tokens_expires_at_idx ON account_tokens (expires_at);

-- Rate limits: a client with too many attempts has to wait. A bucket's key is a keyed digest of what is counted, so the
-- table contains no names and no addresses. Buckets drain continuously, so attempts is not a whole number.
CREATE TABLE throttle_buckets (
    key bytea NOT NULL,
    attempts double precision NOT NULL,
    last_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL,
    CONSTRAINT throttle_buckets_pkey PRIMARY KEY (key)
);
CREATE INDEX throttle_buckets_last_at_idx ON throttle_buckets (last_at);

-- The networks (/24, /64) from which a user logged in recently. Attempts from elsewhere cannot lock the user out there.
CREATE TABLE login_prefixes (
    user_id bigint NOT NULL,
    prefix text COLLATE "C" NOT NULL,
    last_login_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT login_prefixes_pkey PRIMARY KEY (user_id, prefix),
    CONSTRAINT login_prefixes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX login_prefixes_last_login_at_idx ON login_prefixes (last_login_at);
