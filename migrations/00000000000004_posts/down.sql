DROP TABLE post_slugs;
DROP TABLE posts;
DROP FUNCTION keep_slug();
DROP FUNCTION stamp_publication();
