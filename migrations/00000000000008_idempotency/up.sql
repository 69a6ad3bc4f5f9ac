-- Responses kept for clients that repeat a request because the first response was lost. The request's own transaction
-- writes the row, so either both are committed or neither.
CREATE TABLE idempotency_keys (
    -- The user who sent the key; 0 for an anonymous client.
    caller bigint NOT NULL,
    route text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- The user whose data the response shows: it is deleted with the user.
    owner_id bigint NOT NULL,
    -- Keyed digest of the request body.
    digest bytea NOT NULL,
    status smallint NOT NULL,
    version bigint,
    location text COLLATE "C",
    body bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller, route, key),
    CONSTRAINT idempotency_keys_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_status_check CHECK (status BETWEEN 200 AND 299)
);
CREATE INDEX idempotency_keys_owner_id_idx ON idempotency_keys (owner_id);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
