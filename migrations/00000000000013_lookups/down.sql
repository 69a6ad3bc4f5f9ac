CREATE INDEX posts_writer_id_idx ON posts (writer_id);
DROP INDEX posts_writer_id_created_at_id_idx;
DROP INDEX users_created_at_id_idx;
DROP INDEX users_username_id_idx;
DROP INDEX posts_rating_id_idx;
DROP INDEX posts_published_published_at_id_idx;
DROP INDEX posts_published_at_id_idx;
DROP INDEX posts_updated_at_id_idx;
DROP INDEX posts_title_id_idx;
ALTER TABLE posts DROP COLUMN document;
DROP FUNCTION search_query(text);
DROP FUNCTION search_document(text, text);
DROP FUNCTION search_fold(text);
-- The extension stays, since other programs may use it.
DROP INDEX posts_upper_title_prefix_idx;
DROP INDEX posts_upper_title_trgm_idx;
