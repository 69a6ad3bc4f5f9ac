-- A statement nearly always inserts only one post or comment. For one row, a transition table and a query over it cost a
-- third of writing the event, so these triggers write the events row by row. The functions for statements keep their
-- branches for INSERT, which the down migration uses again.
--
-- Every name is qualified with the schema of the tables: a function that sets its search path pays for that at each call,
-- and one that does not must not depend on the search path of the caller.
DO $do$
BEGIN
    EXECUTE format($function$
        CREATE FUNCTION write_new_post() RETURNS trigger
        LANGUAGE plpgsql
        AS $body$
        BEGIN
            IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
            INSERT INTO %1$I.unpublished_events (type, also, resource_id, resource_key, data, user_id, author_id)
            VALUES ('post.created', CASE WHEN NEW.published THEN 'post.published' END, NEW.id, NEW.slug,
                %1$I.post_data(NEW.slug, NEW.title, NEW.category, NEW.rating, NEW.rank, NEW.published, NEW.published_at,
                    NEW.writer_id, NEW.editor_id, NEW.created_at),
                NEW.writer_id, NEW.writer_id);
            RETURN NULL;
        END
        $body$
    $function$, current_schema());

    EXECUTE format($function$
        CREATE FUNCTION write_new_comment() RETURNS trigger
        LANGUAGE plpgsql
        AS $body$
        BEGIN
            IF current_setting('plaza.events', true) = 'off' THEN RETURN NULL; END IF;
            INSERT INTO %1$I.unpublished_events (type, resource_id, data, user_id, author_id, about_post_id)
            VALUES ('comment.created', NEW.id,
                %1$I.comment_data(NEW.alias, NEW.content, NEW.post_id, NEW.user_id, NEW.created_at),
                NEW.user_id, NEW.user_id, NEW.post_id);
            RETURN NULL;
        END
        $body$
    $function$, current_schema());
END
$do$;

DROP TRIGGER posts_write_gained ON posts;
CREATE TRIGGER posts_write_gained AFTER INSERT ON posts FOR EACH ROW EXECUTE FUNCTION write_new_post();
DROP TRIGGER comments_write_gained ON comments;
CREATE TRIGGER comments_write_gained AFTER INSERT ON comments FOR EACH ROW EXECUTE FUNCTION write_new_comment();
