-- The pictures in the store: one row per original. No key is ever used twice.
CREATE TABLE pictures (
    key text COLLATE "C" NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    bytes bigint NOT NULL,
    blurhash text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pictures_pkey PRIMARY KEY (key),
    CONSTRAINT pictures_size_check CHECK (width > 0 AND height > 0 AND bytes > 0)
);

CREATE TABLE profiles (
    user_id bigint NOT NULL,
    display_name text COLLATE "und-x-icu" NOT NULL,
    bio text COLLATE "und-x-icu",
    occupation text COLLATE "und-x-icu",
    phone text COLLATE "und-x-icu",
    avatar_key text COLLATE "C",
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profiles_pkey PRIMARY KEY (user_id),
    CONSTRAINT profiles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    -- Each picture has one owner. Rows that share a file are how django-cleanup loses data.
    CONSTRAINT profiles_avatar_key_key UNIQUE (avatar_key),
    CONSTRAINT profiles_avatar_key_fkey FOREIGN KEY (avatar_key) REFERENCES pictures (key) ON DELETE SET NULL,
    CONSTRAINT profiles_display_name_check CHECK (char_length(display_name) BETWEEN 1 AND 128),
    CONSTRAINT profiles_bio_check CHECK (char_length(bio) <= 2000),
    CONSTRAINT profiles_occupation_check CHECK (char_length(occupation) <= 256),
    CONSTRAINT profiles_phone_check CHECK (char_length(phone) <= 16)
);

CREATE TRIGGER profiles_touch BEFORE UPDATE ON profiles FOR EACH ROW EXECUTE FUNCTION touch();

-- Every user has a profile, no matter how the user was inserted.
CREATE FUNCTION make_profiles() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    INSERT INTO profiles (user_id, display_name) SELECT id, left(username, 128) FROM new_users;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_make_profiles AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_users
    FOR EACH STATEMENT EXECUTE FUNCTION make_profiles();

INSERT INTO profiles (user_id, display_name) SELECT id, left(username, 128) FROM users;
