-- Answers kept for a client that asks again because the first answer was lost. A row is written by the transaction that it
-- answers for, so either both are there or neither.
CREATE TABLE idempotency_keys (
    -- The user who sent the key; 0 for nobody.
    caller bigint NOT NULL,
    route text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- Whose data the answer shows: it goes with them.
    owner_id bigint NOT NULL,
    -- Keyed digest of the request's body.
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
