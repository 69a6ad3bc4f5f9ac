-- Changes: one row each, written by the statement that makes the change, whichever statement that is. Rows wait here for
-- publication. The table is separate and has one index, since every writer has to open and to lock each further index.
CREATE TABLE unpublished_events (
    -- Assigned before the commit. Ids of one resource follow the order of the commits, since its row is locked; others do not.
    id bigint GENERATED ALWAYS AS IDENTITY,
    type text COLLATE "C" NOT NULL,
    -- The type of a second event, which is published right after this one and has the same content otherwise.
    also text COLLATE "C",
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The transaction that wrote the row, if it may update the row again.
    transaction bigint,
    -- NULL for resources without an id.
    resource_id bigint,
    -- What identifies the resource in URLs, if that is not its id.
    resource_key text COLLATE "C",
    -- The fields that changed.
    changed text[] COLLATE "C" NOT NULL DEFAULT '{}',
    -- The state after the change, without private fields. Users appear as ids, so that their names are deleted with them.
    data jsonb,
    -- The user who made the change, if a request made it.
    actor_id bigint DEFAULT nullif(current_setting('plaza.actor', true), '')::bigint,
    -- The user whose data it is. The data is erased when the user is deleted.
    user_id bigint,
    -- The author of the post or comment, who may read the event. Equal to user_id where both are set.
    author_id bigint,
    -- The post of a comment. Its writer may read the event, too.
    about_post_id bigint,
    CONSTRAINT unpublished_events_pkey PRIMARY KEY (id)
) WITH (
    -- Every row is deleted soon.
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0
);

-- Published events.
CREATE TABLE events (
    -- Assigned after the commit, so that no event ever appears before one that was already read.
    id bigint NOT NULL,
    type text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    resource_id bigint,
    resource_key text COLLATE "C",
    changed text[] COLLATE "C" NOT NULL,
    data jsonb,
    actor_id bigint,
    user_id bigint,
    author_id bigint,
    -- The writer of the post that a comment is about, as of the publication of this event.
    host_id bigint,
    CONSTRAINT events_pkey PRIMARY KEY (id)
);
-- Times nearly follow the order of the rows, so a BRIN index finds a range of times at almost no cost.
CREATE INDEX events_created_at_idx ON events USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX events_type_id_idx ON events (type, id);
CREATE INDEX events_author_id_id_idx ON events (author_id, id) WHERE author_id IS NOT NULL;
CREATE INDEX events_host_id_id_idx ON events (host_id, id) WHERE host_id IS NOT NULL;
-- For events without an author. The index on author_id finds the others.
CREATE INDEX events_user_id_idx ON events (user_id) WHERE author_id IS NULL AND user_id IS NOT NULL;

-- The last position that was assigned, in a single row. A node that assigns positions holds the row's lock.
CREATE TABLE publication (
    is_only boolean NOT NULL DEFAULT true,
    last_position bigint NOT NULL DEFAULT 0,
    CONSTRAINT publication_pkey PRIMARY KEY (is_only),
    CONSTRAINT publication_is_only_check CHECK (is_only)
);
INSERT INTO publication DEFAULT VALUES;

-- Data with usernames instead of user ids. A deleted user has no name.
CREATE FUNCTION with_names(data jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT data || coalesce(jsonb_object_agg(key, (SELECT username FROM users WHERE id = value::text::bigint)), '{}')
    FROM jsonb_each(data)
    WHERE key IN ('writer', 'editor', 'author') AND jsonb_typeof(value) = 'number'
$$;

-- Events as clients see them.
CREATE VIEW events_with_names AS
SELECT id, type, created_at, split_part(type, '.', 1) AS resource_type, resource_id, resource_key, changed,
    with_names(data) AS data, actor_id, author_id, host_id
FROM events;

-- STABLE because the functions that it calls are: PostgreSQL inlines only such a function, and a call costs 7 µs.
CREATE FUNCTION json_time(moment timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- A statement that deletes many rows writes their events in the order of the ids. Elsewhere the order of several resources is
-- undefined: a sort would cost a fifth of writing a comment's event.
-- To fill a table without events, run `SET plaza.events = 'off'` first, as `plaza seed` does. The functions check that setting. A
-- WHEN clause does not, since PostgreSQL 15 parses its expression again for each statement, which costs a third of writing a
-- comment's event.

-- Users. Neither a login nor a new password is a change that causes an event.
CREATE FUNCTION write_user_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unpublished_events (type, resource_id, resource_key, data, user_id)
        SELECT 'user.created', id, username,
            jsonb_build_object('username', username, 'created_at', json_time(created_at)), id
        FROM gained;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO unpublished_events (type, resource_id, resource_key, changed, data, user_id)
        SELECT 'user.updated', id, username, members,
            jsonb_build_object('username', username, 'created_at', json_time(created_at)), id
        FROM (
            SELECT gained.*, array_remove(ARRAY[
                CASE WHEN lost.username <> gained.username THEN 'username' END,
                CASE WHEN lost.email <> gained.email THEN 'email' END,
                CASE WHEN lost.email_verified_at IS DISTINCT FROM gained.email_verified_at THEN 'email_verified_at' END,
                CASE WHEN lost.is_active <> gained.is_active THEN 'is_active' END,
                CASE WHEN lost.is_staff <> gained.is_staff THEN 'is_staff' END], NULL) AS members
            FROM gained JOIN lost USING (id)
        ) AS changes
        WHERE members <> '{}';
    ELSE
        INSERT INTO unpublished_events (type, resource_id, resource_key, user_id)
        SELECT 'user.deleted', id, username, id FROM lost ORDER BY id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_write_gained AFTER INSERT ON users
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_user_events();
CREATE TRIGGER users_write_changed AFTER UPDATE ON users
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_user_events();
CREATE TRIGGER users_write_lost AFTER DELETE ON users
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION write_user_events();

-- A deleted user's events lose their data. What remains is that something was deleted, and what. The trigger's name sorts
-- before those that write this statement's events. Events written later find no user, and so have no data.
CREATE FUNCTION erase_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    -- First those that may be published meanwhile: they are found among the others then, by a later statement.
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE unpublished_events SET data = NULL, resource_key = NULL WHERE user_id IS NOT NULL;
        UPDATE events SET data = NULL, resource_key = NULL WHERE user_id IS NOT NULL;
    ELSE
        UPDATE unpublished_events SET
            data = NULL,
            resource_key = CASE WHEN transaction = pg_current_xact_id()::text::bigint AND type = 'post.deleted' THEN resource_key END
        WHERE user_id IN (SELECT id FROM lost);
        UPDATE events SET data = NULL, resource_key = NULL WHERE author_id IN (SELECT id FROM lost);
        UPDATE events SET data = NULL, resource_key = NULL WHERE author_id IS NULL AND user_id IN (SELECT id FROM lost);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_erase_events AFTER DELETE ON users
    REFERENCING OLD TABLE AS lost FOR EACH STATEMENT EXECUTE FUNCTION erase_events();
CREATE TRIGGER users_erase_all_events BEFORE TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION erase_events();

-- No event for a profile that is created or deleted: that happens only together with its user, whose event covers it.
CREATE FUNCTION write_profile_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    INSERT INTO unpublished_events (type, resource_id, resource_key, changed, data, user_id)
    SELECT type, user_id, username, members,
        CASE type
            WHEN 'avatar.updated' THEN jsonb_build_object('file', avatar_key)
            ELSE jsonb_build_object('display_name', display_name, 'bio', bio, 'occupation', occupation)
        END, user_id
    FROM (
        SELECT gained.*, users.username, 'profile.updated' AS type, array_remove(ARRAY[
            CASE WHEN lost.display_name <> gained.display_name THEN 'display_name' END,
            CASE WHEN lost.bio IS DISTINCT FROM gained.bio THEN 'bio' END,
            CASE WHEN lost.occupation IS DISTINCT FROM gained.occupation THEN 'occupation' END,
            CASE WHEN lost.phone IS DISTINCT FROM gained.phone THEN 'phone' END], NULL) AS members
        FROM gained JOIN lost USING (user_id) JOIN users ON users.id = user_id
        UNION ALL
        SELECT gained.*, users.username, 'avatar.updated', ARRAY['avatar']
        FROM gained JOIN lost USING (user_id) JOIN users ON users.id = user_id
        WHERE lost.avatar_key IS DISTINCT FROM gained.avatar_key
    ) AS changes
    WHERE members <> '{}' ORDER BY user_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER profiles_write_changed AFTER UPDATE ON profiles
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_profile_events();

-- The fields of a post in events. Clients fetch the content from the post's URL.
CREATE FUNCTION post_data(
    slug text, title text, category text, rating integer, rank integer, published boolean, published_at timestamptz,
    writer bigint, editor bigint, created_at timestamptz
) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object(
    'slug', slug, 'title', title, 'category', category, 'rating', rating, 'rank', rank, 'published', published,
    'published_at', json_time(published_at), 'writer', writer, 'editor', editor, 'created_at', json_time(created_at));

-- Subscribers to published posts are notified when a post is published, whether it was a draft before or is new.
CREATE FUNCTION write_post_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unpublished_events (type, also, resource_id, resource_key, data, user_id, author_id)
        SELECT 'post.created', CASE WHEN published THEN 'post.published' END, id, slug,
            post_data(slug, title, category, rating, rank, published, published_at, writer_id, editor_id, created_at),
            writer_id, writer_id
        FROM gained;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO unpublished_events (type, also, resource_id, resource_key, changed, data, user_id, author_id)
        SELECT 'post.updated', CASE WHEN is_new THEN 'post.published' END, id, slug, members,
            post_data(slug, title, category, rating, rank, published, published_at, writer_id, editor_id, created_at),
            writer_id, writer_id
        FROM (
            SELECT gained.*, gained.published AND NOT lost.published AS is_new, array_remove(ARRAY[
                CASE WHEN lost.slug <> gained.slug THEN 'slug' END,
                CASE WHEN lost.title <> gained.title THEN 'title' END,
                CASE WHEN lost.content <> gained.content THEN 'content' END,
                CASE WHEN lost.category <> gained.category THEN 'category' END,
                CASE WHEN lost.rating <> gained.rating THEN 'rating' END,
                CASE WHEN lost.rank <> gained.rank THEN 'rank' END,
                CASE WHEN lost.published <> gained.published THEN 'published' END,
                CASE WHEN lost.published_at IS DISTINCT FROM gained.published_at THEN 'published_at' END,
                CASE WHEN lost.writer_id <> gained.writer_id THEN 'writer' END,
                CASE WHEN lost.editor_id IS DISTINCT FROM gained.editor_id THEN 'editor' END,
                CASE WHEN lost.cover_key IS DISTINCT FROM gained.cover_key THEN 'cover' END,
                CASE WHEN lost.created_at <> gained.created_at THEN 'created_at' END], NULL) AS members
            FROM gained JOIN lost USING (id)
        ) AS changes
        WHERE members <> '{}';
    ELSE
        INSERT INTO unpublished_events (type, transaction, resource_id, resource_key, data, user_id, author_id)
        SELECT 'post.deleted', pg_current_xact_id()::text::bigint, lost.id, slug,
            CASE WHEN users.id IS NOT NULL THEN
                post_data(slug, title, category, rating, rank, published, published_at, writer_id, editor_id, lost.created_at)
            END,
            writer_id, writer_id
        FROM lost LEFT JOIN users ON users.id = writer_id ORDER BY lost.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER posts_write_gained AFTER INSERT ON posts
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_post_events();
CREATE TRIGGER posts_write_changed AFTER UPDATE ON posts
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_post_events();
CREATE TRIGGER posts_write_lost AFTER DELETE ON posts
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION write_post_events();

CREATE FUNCTION write_label_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unpublished_events (type, resource_id, resource_key, data)
        SELECT 'label.created', id, slug, jsonb_build_object('slug', slug, 'name', name) FROM gained;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO unpublished_events (type, resource_id, resource_key, changed, data)
        SELECT 'label.updated', id, slug, members, jsonb_build_object('slug', slug, 'name', name)
        FROM (
            SELECT gained.*, array_remove(ARRAY[
                CASE WHEN lost.slug <> gained.slug THEN 'slug' END,
                CASE WHEN lost.name <> gained.name THEN 'name' END], NULL) AS members
            FROM gained JOIN lost USING (id)
        ) AS changes
        WHERE members <> '{}';
    ELSE
        INSERT INTO unpublished_events (type, resource_id, resource_key, data)
        SELECT 'label.deleted', id, slug, jsonb_build_object('slug', slug, 'name', name) FROM lost ORDER BY id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER labels_write_gained AFTER INSERT ON labels
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_label_events();
CREATE TRIGGER labels_write_changed AFTER UPDATE ON labels
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_label_events();
CREATE TRIGGER labels_write_lost AFTER DELETE ON labels
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION write_label_events();

-- The labels of posts changed: one event per post, with the labels that were added or removed, or with all of its labels where
-- they were replaced. Only a handler knows the actions `set` and `clear`. One request may take several statements: they extend
-- the last event that this transaction wrote for the post, as long as the action is the same. The search for that event starts
-- at the first one that this transaction wrote, recorded in `plaza.labels_told_from`, and so does not scan the whole backlog.
CREATE FUNCTION tell_of_labels(posts_of bigint[], labels_of bigint[], usual text) RETURNS void
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
    WITH pairs AS (
        SELECT * FROM unnest(posts_of, labels_of) AS pairs (post_id, label_id)
    ), told AS (
        SELECT DISTINCT ON (resource_id) id, resource_id, data->>'action' AS action, data->'labels' AS labels
        FROM unpublished_events
        WHERE id >= nullif(current_setting('plaza.labels_told_from', true), '')::bigint AND type = 'post.labels_changed'
          AND transaction = pg_current_xact_id()::text::bigint AND resource_id = ANY (posts_of)
        ORDER BY resource_id, id DESC
    ), acts AS (
        SELECT coalesce(nullif(current_setting('plaza.label_action', true), ''), usual) AS act
    ), changes AS (
        SELECT posts.id, posts.slug, posts.writer_id, act, told.id AS event_id,
            CASE WHEN act = 'set' THEN
                ARRAY(SELECT label_id FROM post_labels WHERE post_id = posts.id)
            ELSE
                ARRAY(SELECT label_id FROM pairs WHERE post_id = posts.id
                      UNION SELECT (label->'id')::bigint FROM jsonb_array_elements(told.labels) AS label)
            END AS label_ids
        FROM acts, posts LEFT JOIN told ON told.resource_id = posts.id
            AND told.action = (SELECT act FROM acts)
        WHERE posts.id IN (SELECT post_id FROM pairs)
    ), shown AS (
        SELECT id, slug, writer_id, event_id, jsonb_build_object('slug', slug, 'action', act, 'labels', coalesce((
            -- A label that has gone itself has no slug any more.
            SELECT jsonb_agg(jsonb_build_object('id', label_id, 'slug', labels.slug) ORDER BY labels.slug, label_id)
            FROM unnest(label_ids) AS label_id LEFT JOIN labels ON labels.id = label_id), '[]')) AS data
        FROM changes
    ), amended AS (
        UPDATE unpublished_events SET data = shown.data FROM shown WHERE unpublished_events.id = event_id
    ), written AS (
        INSERT INTO unpublished_events (type, transaction, resource_id, resource_key, changed, data, user_id, author_id)
        SELECT 'post.labels_changed', pg_current_xact_id()::text::bigint, id, slug, ARRAY['labels'], data, writer_id, writer_id
        FROM shown WHERE event_id IS NULL ORDER BY id
        RETURNING id
    )
    SELECT set_config('plaza.labels_told_from', min(id)::text, true) FROM written
    WHERE coalesce(current_setting('plaza.labels_told_from', true), '') = '' HAVING count(*) > 0
$$;

CREATE FUNCTION write_labeling_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    IF TG_OP = 'DELETE' THEN
        -- Posts that have gone tell of it themselves.
        PERFORM tell_of_labels(array_agg(post_id), array_agg(label_id), 'remove') FROM lost HAVING count(*) > 0;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM tell_of_labels(array_agg(post_id), array_agg(label_id), 'add') FROM gained HAVING count(*) > 0;
    ELSE
        PERFORM tell_of_labels(array_agg(post_id), array_agg(label_id), 'remove')
        FROM (SELECT post_id, label_id FROM lost EXCEPT SELECT post_id, label_id FROM gained) AS pairs HAVING count(*) > 0;
        PERFORM tell_of_labels(array_agg(post_id), array_agg(label_id), 'add') FROM gained HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;

-- The names sort after those of the triggers that update the posts, so these fire later.
CREATE TRIGGER post_labels_write_gained AFTER INSERT ON post_labels
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_labeling_events();
CREATE TRIGGER post_labels_write_changed AFTER UPDATE ON post_labels
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_labeling_events();
CREATE TRIGGER post_labels_write_lost AFTER DELETE ON post_labels
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION write_labeling_events();

-- The fields of a comment in events, with an excerpt as long as that of a post in a list.
CREATE FUNCTION comment_data(alias text, content text, post bigint, author bigint, created_at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object(
    'alias', alias, 'excerpt', "left"(content, 300), 'post_id', post, 'author', author, 'created_at', json_time(created_at));

CREATE FUNCTION write_comment_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unpublished_events (type, resource_id, data, user_id, author_id, about_post_id)
        SELECT 'comment.created', id,
            comment_data(alias, content, post_id, user_id, created_at), user_id, user_id, post_id
        FROM gained;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO unpublished_events (type, resource_id, changed, data, user_id, author_id, about_post_id)
        SELECT 'comment.updated', id, members,
            comment_data(alias, content, post_id, user_id, created_at), user_id, user_id, post_id
        FROM (
            SELECT gained.*, array_remove(ARRAY[
                CASE WHEN lost.alias <> gained.alias THEN 'alias' END,
                CASE WHEN lost.content <> gained.content THEN 'content' END,
                CASE WHEN lost.post_id IS DISTINCT FROM gained.post_id THEN 'post' END,
                CASE WHEN lost.user_id <> gained.user_id THEN 'user' END], NULL) AS members
            FROM gained JOIN lost USING (id)
        ) AS changes
        WHERE members <> '{}';
    ELSE
        INSERT INTO unpublished_events (type, resource_id, data, user_id, author_id, about_post_id)
        SELECT 'comment.deleted', lost.id,
            CASE WHEN users.id IS NOT NULL THEN
                comment_data(alias, content, post_id, user_id, lost.created_at)
            END,
            user_id, user_id, post_id
        FROM lost LEFT JOIN users ON users.id = user_id ORDER BY lost.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER comments_write_gained AFTER INSERT ON comments
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_comment_events();
CREATE TRIGGER comments_write_changed AFTER UPDATE ON comments
    REFERENCING OLD TABLE AS lost NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_comment_events();
CREATE TRIGGER comments_write_lost AFTER DELETE ON comments
    REFERENCING OLD TABLE AS lost
    FOR EACH STATEMENT EXECUTE FUNCTION write_comment_events();

-- A TRUNCATE trigger has no transition table, so this one reads the rows before they are deleted. Its arguments: the type
-- of the event, then the columns of the key, of the user and of the author.
CREATE FUNCTION write_all_as_lost() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    EXECUTE format(
        'INSERT INTO unpublished_events (type, resource_id, resource_key, user_id, author_id) SELECT %L, id, %s, %s, %s FROM %I ORDER BY id',
        TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], TG_ARGV[3], TG_TABLE_NAME);
    RETURN NULL;
END
$$;

CREATE TRIGGER users_write_all BEFORE TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION write_all_as_lost('user.deleted', 'username', 'id', 'NULL');
CREATE TRIGGER posts_write_all BEFORE TRUNCATE ON posts
    FOR EACH STATEMENT EXECUTE FUNCTION write_all_as_lost('post.deleted', 'slug', 'writer_id', 'writer_id');
CREATE TRIGGER labels_write_all BEFORE TRUNCATE ON labels
    FOR EACH STATEMENT EXECUTE FUNCTION write_all_as_lost('label.deleted', 'slug', 'NULL', 'NULL');
CREATE TRIGGER comments_write_all BEFORE TRUNCATE ON comments
    FOR EACH STATEMENT EXECUTE FUNCTION write_all_as_lost('comment.deleted', 'NULL', 'user_id', 'user_id');

CREATE FUNCTION write_all_labelings_as_lost() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
    PERFORM tell_of_labels(array_agg(post_id), array_agg(label_id), 'clear') FROM post_labels HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER post_labels_write_all BEFORE TRUNCATE ON post_labels
    FOR EACH STATEMENT EXECUTE FUNCTION write_all_labelings_as_lost();

-- Jobs that run in order: of the jobs with the same kind and subject, only the first one is run. The jobs of subscribers
-- to events use it, with the resource of the event as their subject.
ALTER TABLE jobs ADD COLUMN subject text COLLATE "C";
CREATE INDEX jobs_kind_subject_id_idx ON jobs (kind, subject, id) WHERE subject IS NOT NULL AND failed_at IS NULL;

-- Files that were public also cause an event after they are removed from the store: from then on no cache can fetch them again.
DROP FUNCTION queue_removal(text[]);
CREATE FUNCTION queue_removal(keys text[], were_public boolean) RETURNS void
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
    INSERT INTO jobs (kind, payload)
    SELECT 'media.remove', jsonb_build_object('keys', jsonb_agg(key), 'were_public', were_public)
    FROM (SELECT key, (row_number() OVER (ORDER BY key) - 1) / 100 AS part FROM unnest(keys) AS listed (key)) AS parts
    GROUP BY part
$$;

CREATE OR REPLACE FUNCTION remove_gone_files() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM queue_removal(ARRAY(SELECT key FROM gone WHERE stored_at IS NOT NULL), true);
    PERFORM queue_removal(ARRAY(SELECT key FROM gone WHERE stored_at IS NULL), false);
    -- One that somebody may still be writing is removed again when that must have ended.
    INSERT INTO jobs (kind, payload, due_at)
    SELECT 'media.remove', jsonb_build_object('keys', jsonb_agg(key)), max(claimed_until)
    FROM gone WHERE stored_at IS NULL AND claimed_until > now() HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION remove_all_files() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM queue_removal(ARRAY(SELECT key FROM files WHERE stored_at IS NOT NULL), true);
    PERFORM queue_removal(ARRAY(SELECT key FROM files WHERE stored_at IS NULL), false);
    RETURN NULL;
END
$$;
