DROP TRIGGER comments_write_gained ON comments;
CREATE TRIGGER comments_write_gained AFTER INSERT ON comments
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_comment_events();
DROP TRIGGER posts_write_gained ON posts;
CREATE TRIGGER posts_write_gained AFTER INSERT ON posts
    REFERENCING NEW TABLE AS gained
    FOR EACH STATEMENT EXECUTE FUNCTION write_post_events();
DROP FUNCTION write_new_comment();
DROP FUNCTION write_new_post();
