-- When the last few rotations were, the newest last: for some seconds after its rotation a token keeps answering, even if
-- its successor was used meanwhile. Older ones are dropped with the next rotation.
ALTER TABLE sessions ADD COLUMN rotations timestamptz[] NOT NULL DEFAULT '{}';
-- For the purge.
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- The tokens of mails: confirm an address, set a new password. Like refresh tokens they are derived, from the row's id and the
-- program's secret, and only when the mail is sent; at rest there is a hash.
CREATE TABLE account_tokens (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    -- Where the mail goes, and for a confirmation the address that is confirmed.
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

-- Who tries too often waits. A bucket's key is a keyed digest of what is counted, so that it holds no name and no address. It
-- drains evenly, so what is in it is no whole number.
CREATE TABLE throttle_buckets (
    key bytea NOT NULL,
    attempts double precision NOT NULL,
    last_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL,
    CONSTRAINT throttle_buckets_pkey PRIMARY KEY (key)
);
CREATE INDEX throttle_buckets_last_at_idx ON throttle_buckets (last_at);

-- From which networks (/24, /64) a user logged in lately: there strangers cannot lock the owner out.
CREATE TABLE login_prefixes (
    user_id bigint NOT NULL,
    prefix text COLLATE "C" NOT NULL,
    last_login_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT login_prefixes_pkey PRIMARY KEY (user_id, prefix),
    CONSTRAINT login_prefixes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX login_prefixes_last_login_at_idx ON login_prefixes (last_login_at);
