//! The lists for the walks: their orderings, and statements that insert, delete and change rows.

use std::fmt;

/// A list.
pub struct List {
    pub path: &'static str,
    /// The field that identifies a row.
    pub key: &'static str,
    pub fields: &'static [&'static str],
    pub filters: &'static [(&'static str, &'static str)],
    /// Inserts the row `$n`, with columns derived from the seed `$s`.
    insert: &'static [&'static str],
    delete: &'static str,
    /// Changes a column that no ordering uses.
    touch: &'static str,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

impl List {
    pub fn insert(&self, row: usize, seed: u32) -> String {
        self.insert.join(";").replace("$n", &row.to_string()).replace("$s", &seed.to_string())
    }

    pub fn delete(&self, row: usize) -> String {
        self.delete.replace("$n", &row.to_string())
    }

    pub fn touch(&self, row: usize) -> String {
        self.touch.replace("$n", &row.to_string())
    }
}

/// The number of seeds for rows.
pub const SEEDS: u32 = 27_648;

/// The rows at the start of every walk.
pub const WORLD: &str = "
    DELETE FROM comments; DELETE FROM posts; DELETE FROM labels; DELETE FROM users WHERE id BETWEEN 1000 AND 2000;
    INSERT INTO labels (id, slug, name) VALUES (900001, 'ai', 'AI');
    INSERT INTO posts (id, slug, title, content, rating, published, published_at, writer_id)
        SELECT 900000 + place, slug, title, '', rating, is_published, published_at, id
        FROM users, (VALUES (1, 'walked', 'w', 1, true, NULL), (2, 'one', 'x', 1, true, NULL),
            (3, 'two', 'X', 2, true, timestamptz '2026-01-01'), (4, 'draft', 'x', 2, false, NULL))
            AS given (place, slug, title, rating, is_published, published_at)
        WHERE username = 'ana'";

/// Columns have few values, so that rows tie, and are NULL in some rows where they can be.
const INSERT_POST: &str = "
    INSERT INTO posts (id, slug, title, content, category, rating, rank, published, published_at, created_at, updated_at, writer_id, editor_id)
    SELECT $n, (ARRAY['P','p','_'])[1 + $s % 3] || $n, (ARRAY['a','A','á','b','ß','_','%','日'])[1 + $s % 8], '',
        (ARRAY['SOC','EDU'])[1 + $s / 8 % 2], 1 + $s / 16 % 3, 1 + $s / 48 % 2, $s % 5 <> 0,
        (ARRAY[NULL, '2026-01-01', '2026-01-01 00:00:00.000001', '2026-01-02'])[1 + $s / 96 % 4]::timestamptz,
        (ARRAY['2026-01-01', '2026-01-01 00:00:00.000001'])[1 + $s / 384 % 2]::timestamptz,
        (ARRAY['2026-01-01', '2026-02-01', '2026-03-01'])[1 + $s / 768 % 3]::timestamptz,
        (SELECT id FROM users WHERE username = (ARRAY['ana','Bob','gone'])[1 + $s / 2304 % 3]),
        (SELECT id FROM users WHERE username = (ARRAY[NULL,'Bob','carl','gone'])[1 + $s / 6912 % 4])";
const LABEL_POST: &str = "INSERT INTO post_labels (post_id, label_id) VALUES ($n, 900001)";
const TOUCH_POST: &str = "UPDATE posts SET content = content || 'x' WHERE id = $n";
const POST_FIELDS: &[&str] = &[
    "id",
    "title",
    "slug",
    "category",
    "rating",
    "rank",
    "published",
    "published_at",
    "created_at",
    "updated_at",
    "writer__username",
    "writer__created_at",
    "editor__username",
    "editor__id",
    "editor__created_at",
];

const INSERT_COMMENT: &str = "
    INSERT INTO comments (id, post_id, user_id, alias, content, created_at)
    SELECT $n, (SELECT id FROM posts WHERE slug = (ARRAY[NULL,'one','two','draft'])[1 + $s % 4]),
        (SELECT id FROM users WHERE username = (ARRAY['ana','Bob','gone'])[1 + $s / 4 % 3]),
        (ARRAY['x','X'])[1 + $s / 12 % 2], (ARRAY['a','á','b'])[1 + $s / 24 % 3],
        (ARRAY['2026-01-01', '2026-01-02'])[1 + $s / 72 % 2]::timestamptz";

const INSERT_USER: &str = "
    INSERT INTO users (id, username, username_key, email, email_key, password_hash, is_active, created_at)
    SELECT $n, name || $n, lower(name) || $n, 'x' || $n || '@x', 'x' || $n || '@x', 'x', $s % 7 <> 0,
        (ARRAY['2026-01-01', '2026-01-02'])[1 + $s % 2]::timestamptz
    FROM (SELECT (ARRAY['u','U','ü'])[1 + $s % 3]) AS named (name)";
const INSERT_PROFILE: &str = "
    UPDATE profiles SET bio = (ARRAY[NULL,'','a','á'])[1 + $s / 7 % 4], occupation = (ARRAY[NULL,'x'])[1 + $s / 28 % 2],
        display_name = (ARRAY['d','D'])[1 + $s / 56 % 2],
        created_at = (ARRAY['2026-01-01', '2026-01-02'])[1 + $s / 112 % 2]::timestamptz
    WHERE user_id = $n";
const DELETE_USER: &str = "DELETE FROM users WHERE id = $n";

const INSERT_LABEL: &str =
    "INSERT INTO labels (id, slug, name) SELECT $n, 'l' || $n, (ARRAY['a','A','á','b'])[1 + $s % 4]";
const INSERT_LABELING: &str = "
    INSERT INTO post_labels (post_id, label_id, reason, labeled_at)
    SELECT 900001, $n, (ARRAY[NULL,'x','X'])[1 + $s / 4 % 3],
        (ARRAY['2026-01-01', '2026-01-02'])[1 + $s / 12 % 2]::timestamptz";

pub const LISTS: &[List] = &[
    List {
        path: "/api/v1/posts",
        key: "id",
        fields: POST_FIELDS,
        filters: &[
            ("rating__gte", "2"),
            ("exclude__title__iexact", "a"),
            ("exclude__editor", "bob"),
            ("filter", "published:true or writer:ana"),
        ],
        insert: &[INSERT_POST],
        delete: "DELETE FROM posts WHERE id = $n",
        touch: TOUCH_POST,
    },
    List {
        path: "/api/v1/labels/ai/posts",
        key: "id",
        fields: POST_FIELDS,
        filters: &[("published_at__isnull", "true"), ("labels__slug", "ai")],
        insert: &[INSERT_POST, LABEL_POST],
        delete: "DELETE FROM post_labels WHERE post_id = $n",
        touch: TOUCH_POST,
    },
    List {
        path: "/api/v1/comments",
        key: "id",
        fields: &[
            "id",
            "alias",
            "content",
            "created_at",
            "post__title",
            "post__rating",
            "post__published",
            "post__published_at",
            "user__username",
            "user__created_at",
        ],
        filters: &[("exclude__alias", "x"), ("post__rating__gt", "1"), ("user", "bob")],
        insert: &[INSERT_COMMENT],
        delete: "DELETE FROM comments WHERE id = $n",
        touch: "UPDATE comments SET updated_at = now() WHERE id = $n",
    },
    List {
        path: "/api/v1/profiles",
        key: "username",
        fields: &[
            "username",
            "display_name",
            "bio",
            "occupation",
            "created_at",
            "user__username",
            "user__id",
            "user__created_at",
        ],
        filters: &[("bio__isnull", "true"), ("exclude__occupation", "x")],
        insert: &[INSERT_USER, INSERT_PROFILE],
        delete: DELETE_USER,
        touch: "UPDATE profiles SET phone = 'x' WHERE user_id = $n",
    },
    List {
        path: "/api/v1/users",
        key: "username",
        fields: &[
            "id",
            "username",
            "created_at",
            "profile__bio",
            "profile__display_name",
            "profile__occupation",
        ],
        filters: &[("profile__bio__isnull", "false")],
        insert: &[INSERT_USER, INSERT_PROFILE],
        delete: DELETE_USER,
        touch: "UPDATE users SET last_login = now() WHERE id = $n",
    },
    List {
        path: "/api/v1/posts/walked/labels",
        key: "slug",
        fields: &["name", "slug", "reason", "labeled_at"],
        filters: &[("reason__isnull", "true"), ("exclude__name__istartswith", "a")],
        insert: &[INSERT_LABEL, INSERT_LABELING],
        delete: "DELETE FROM post_labels WHERE label_id = $n",
        touch: "UPDATE labels SET created_at = now() WHERE id = $n",
    },
];
