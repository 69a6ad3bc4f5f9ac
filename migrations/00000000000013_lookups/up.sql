-- Trigrams find text anywhere in a title. The extension is trusted, so the owner of the database may create it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        RETURN;
    ELSIF to_regnamespace('public') IS NULL THEN
        CREATE EXTENSION pg_trgm;
    ELSE
        -- Not in this schema, with which it would go.
        CREATE EXTENSION pg_trgm SCHEMA public;
    END IF;
EXCEPTION
    -- Another schema of the same database is being migrated, too.
    WHEN unique_violation OR duplicate_object THEN
        NULL;
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
        RAISE EXCEPTION 'the extension pg_trgm is missing (%); as the database''s owner or a superuser: CREATE EXTENSION pg_trgm;',
            SQLERRM;
END
$$;

DO $$
DECLARE
    home text;
BEGIN
    SELECT nspname INTO home
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm';
    EXECUTE format('CREATE INDEX posts_upper_title_trgm_idx ON posts USING gin (upper(title) %I.gin_trgm_ops)', home);
END
$$;
-- For lookups by the beginning of a title, which may be shorter than a trigram.
CREATE INDEX posts_upper_title_prefix_idx ON posts (upper(title) text_pattern_ops);

-- The text that a search compares: without case, accents and compatibility forms, as in ﬁ, ５ or ß. Characters that join
-- words become spaces: PostgreSQL's parser takes time quadratic in the number of words that are joined without a break.
CREATE FUNCTION search_fold(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN octet_length(words) = char_length(words) THEN translate(lower(words COLLATE "C"), '-_/.@:+&=?#~%', '             ')
ELSE translate(
    replace(replace(replace(
        lower(upper(lower(regexp_replace(
            normalize(words, NFKD) COLLATE "und-x-icu", '[\u0300-\u036F]+', '', 'g')))),
        'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    'øłđðħŧı-_/.@:+&=?#~%', 'olddhti             ') COLLATE "C"
END;

-- A tsvector holds at most 1 MB. If a text has more words than fit, only its beginning is indexed.
CREATE FUNCTION search_document(title text, content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT
AS $$
BEGIN
    RETURN setweight(to_tsvector('pg_catalog.simple', title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', content), 'B');
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN setweight(to_tsvector('pg_catalog.simple', title), 'A')
        || setweight(to_tsvector('pg_catalog.simple', left(content, 50000)), 'B');
END
$$;

-- Parse words as in a web search: "a phrase", or, -not. The function parses them one by one, since PostgreSQL's own parser
-- of that syntax does not support the * after a word, which searches for a prefix. A word without letters adds nothing.
CREATE FUNCTION search_query(words text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
SET search_path FROM CURRENT
AS $$
DECLARE
    word text;
    -- No lexeme may have more than 2,046 bytes.
    folded text;
    query tsquery;
    together tsquery := '';
    found tsquery := '';
BEGIN
    FOR word IN SELECT (regexp_matches(words, '-?"[^"]*"?|[^\s"]+', 'g'))[1] LOOP
        IF lower(word) = 'or' THEN
            found := found || together;
            together := '';
            CONTINUE;
        END IF;
        folded := left(search_fold(trim(LEADING '-' FROM word)), 500);
        IF word ~ '[^*"]\*+$' AND rtrim(folded, '* ') <> '' THEN
            query := to_tsquery('pg_catalog.simple',
                '''' || replace(replace(rtrim(folded, '*'), '\', '\\'), '''', '''''') || ''':*');
        ELSE
            query := phraseto_tsquery('pg_catalog.simple', folded);
        END IF;
        IF numnode(query) > 0 THEN
            together := together && CASE WHEN word LIKE '-%' THEN !!query ELSE query END;
        END IF;
    END LOOP;
    RETURN found || together;
END
$$;

ALTER TABLE posts ADD COLUMN document tsvector NOT NULL
    GENERATED ALWAYS AS (search_document(search_fold(title), search_fold(content))) STORED;
CREATE INDEX posts_document_idx ON posts USING gin (document);

-- Orderings, each with the id as tie-breaker. Posts that were never published sort as the latest.
CREATE INDEX posts_title_id_idx ON posts (title, id);
CREATE INDEX posts_updated_at_id_idx ON posts (updated_at, id);
CREATE INDEX posts_published_at_id_idx ON posts (coalesce(published_at, 'infinity'), id);
-- The same ordering without drafts, which would otherwise all come first for readers who may not see them.
CREATE INDEX posts_published_published_at_id_idx ON posts (coalesce(published_at, 'infinity'), id) WHERE published;
CREATE INDEX posts_rating_id_idx ON posts (rating, id);
CREATE INDEX users_username_id_idx ON users (username, id);
CREATE INDEX users_created_at_id_idx ON users (created_at, id);

-- A user's posts in the default ordering. It also serves the foreign key.
CREATE INDEX posts_writer_id_created_at_id_idx ON posts (writer_id, created_at, id);
DROP INDEX posts_writer_id_idx;
