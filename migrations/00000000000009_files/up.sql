-- The purpose of a picture determines which variants it has.
ALTER TABLE pictures ADD COLUMN purpose text COLLATE "C" NOT NULL DEFAULT 'avatar';
ALTER TABLE pictures ALTER COLUMN purpose DROP DEFAULT;
ALTER TABLE pictures ADD CONSTRAINT pictures_purpose_check CHECK (purpose IN ('avatar', 'cover'));

-- Every file that is or may be in the store. The row is written before the file and deleted before it: the server records
-- an upload or a variant here before it writes the first byte, and deleting a row queues a job that removes the file. So
-- a crash at any point leaves no file in the store that has neither a row nor a job.
CREATE TABLE files (
    key text COLLATE "C" NOT NULL,
    -- NULL while an upload is only announced. A picture's original has its own key here.
    picture_key text COLLATE "C",
    -- When the file was known to be complete; NULL while it is being written.
    stored_at timestamptz,
    -- The deadline of the writer. After it, a periodic sweep deletes the row, and the file with it.
    claimed_until timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT files_pkey PRIMARY KEY (key),
    CONSTRAINT files_stored_at_check CHECK (stored_at IS NULL OR picture_key IS NOT NULL)
);
CREATE INDEX files_picture_key_idx ON files (picture_key);
CREATE INDEX files_claimed_until_idx ON files (claimed_until) WHERE stored_at IS NULL;

-- Until now every picture had one variant in two formats, written together with the picture.
INSERT INTO files (key, picture_key, stored_at)
SELECT key, key, created_at FROM pictures
UNION ALL
SELECT regexp_replace(key, '\.[^.]*$', '_256.webp'), key, created_at FROM pictures
UNION ALL
SELECT regexp_replace(key, '\.[^.]*$', '_256\&'), key, created_at FROM pictures;

-- Deferred, since a trigger deletes the files. A cascade would delete row by row and queue a job for each file.
ALTER TABLE files ADD CONSTRAINT files_picture_key_fkey
    FOREIGN KEY (picture_key) REFERENCES pictures (key) DEFERRABLE INITIALLY DEFERRED;
-- And in the other direction: the row of an original cannot be deleted while its picture exists.
ALTER TABLE pictures ADD CONSTRAINT pictures_key_fkey FOREIGN KEY (key) REFERENCES files (key);

-- A picture that is in use cannot be deleted either.
ALTER TABLE profiles DROP CONSTRAINT profiles_avatar_key_fkey;
ALTER TABLE profiles ADD CONSTRAINT profiles_avatar_key_fkey FOREIGN KEY (avatar_key) REFERENCES pictures (key);

ALTER TABLE posts ADD COLUMN cover_key text COLLATE "C";
ALTER TABLE posts ADD CONSTRAINT posts_cover_key_key UNIQUE (cover_key);
ALTER TABLE posts ADD CONSTRAINT posts_cover_key_fkey FOREIGN KEY (cover_key) REFERENCES pictures (key);

CREATE FUNCTION forget_files() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM files USING gone WHERE picture_key = gone.key;
    RETURN NULL;
END
$$;

CREATE TRIGGER pictures_forget_files AFTER DELETE ON pictures
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_files();

-- Queue jobs that remove files, at most a hundred files per job.
CREATE FUNCTION queue_removal(keys text[]) RETURNS void
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
    INSERT INTO jobs (kind, payload)
    SELECT 'media.remove', jsonb_build_object('keys', jsonb_agg(key))
    FROM (SELECT key, (row_number() OVER (ORDER BY key) - 1) / 100 AS part FROM unnest(keys) AS listed (key)) AS parts
    GROUP BY part
$$;

-- Remove the files of deleted rows. A file that may still be incomplete is removed again after the writer's deadline.
CREATE FUNCTION remove_gone_files() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM queue_removal(ARRAY(SELECT key FROM gone));
    INSERT INTO jobs (kind, payload, due_at)
    SELECT 'media.remove', jsonb_build_object('keys', jsonb_agg(key)), max(claimed_until)
    FROM gone WHERE stored_at IS NULL AND claimed_until > now() HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER files_remove_gone AFTER DELETE ON files
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION remove_gone_files();

-- A TRUNCATE trigger has no transition table, so this one reads the rows before they are deleted.
CREATE FUNCTION remove_all_files() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM queue_removal(ARRAY(SELECT key FROM files));
    RETURN NULL;
END
$$;

CREATE TRIGGER files_remove_all BEFORE TRUNCATE ON files
    FOR EACH STATEMENT EXECUTE FUNCTION remove_all_files();

-- Delete pictures that are no longer in use, however the last use ended: replaced, cleared, by cascade, in bulk or by plain SQL.
CREATE FUNCTION forget_pictures(keys text[]) RETURNS void
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
    DELETE FROM pictures
    WHERE key = ANY (keys)
      AND NOT EXISTS (SELECT FROM profiles WHERE avatar_key = key)
      AND NOT EXISTS (SELECT FROM posts WHERE cover_key = key)
$$;

CREATE FUNCTION forget_avatars() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM forget_pictures(ARRAY(SELECT avatar_key FROM gone WHERE avatar_key IS NOT NULL));
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_avatar() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM forget_pictures(ARRAY[OLD.avatar_key]);
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_covers() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM forget_pictures(ARRAY(SELECT cover_key FROM gone WHERE cover_key IS NOT NULL));
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_cover() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM forget_pictures(ARRAY[OLD.cover_key]);
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_all_unused_pictures() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM forget_pictures(ARRAY(SELECT key FROM pictures));
    RETURN NULL;
END
$$;

CREATE TRIGGER profiles_forget_avatars AFTER DELETE ON profiles
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_avatars();
CREATE TRIGGER profiles_forget_avatar AFTER UPDATE OF avatar_key ON profiles
    FOR EACH ROW WHEN (OLD.avatar_key IS DISTINCT FROM NEW.avatar_key AND OLD.avatar_key IS NOT NULL)
    EXECUTE FUNCTION forget_avatar();
CREATE TRIGGER profiles_forget_all_avatars AFTER TRUNCATE ON profiles
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_unused_pictures();

CREATE TRIGGER posts_forget_covers AFTER DELETE ON posts
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_covers();
CREATE TRIGGER posts_forget_cover AFTER UPDATE OF cover_key ON posts
    FOR EACH ROW WHEN (OLD.cover_key IS DISTINCT FROM NEW.cover_key AND OLD.cover_key IS NOT NULL)
    EXECUTE FUNCTION forget_cover();
CREATE TRIGGER posts_forget_all_covers AFTER TRUNCATE ON posts
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_unused_pictures();
