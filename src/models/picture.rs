//! Pictures: what the store holds, one row per original.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

use crate::schema::{pictures, posts, profiles, users};

/// A row of `pictures`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Picture {
    /// The key in the store, never used twice. Its extension tells the content type; the variants' keys follow from it.
    pub key: String,
    /// Pixels.
    pub width: i32,
    /// Pixels.
    pub height: i32,
    /// Size of the original file.
    pub bytes: i64,
    /// A few characters from which a client draws a blurred preview.
    pub blurhash: String,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// `avatar` or `cover`.
    pub purpose: String,
}

/// What it takes to record a picture whose files are in the store already.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = pictures)]
#[expect(missing_docs, reason = "as in Picture")]
pub struct NewPicture {
    pub key: String,
    pub width: i32,
    pub height: i32,
    pub bytes: i64,
    pub blurhash: String,
    pub purpose: &'static str,
}

impl NewPicture {
    /// Record it. Whoever shows it names it in the same transaction; when nobody does any more, the database forgets it.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(pictures::table).values(self).execute(conn).map(drop)
    }
}

impl Picture {
    /// The next ones by key, after this one.
    pub fn after(conn: &mut PgConnection, key: &str, most: i64) -> QueryResult<Vec<Self>> {
        pictures::table
            .filter(pictures::key.gt(key))
            .order(pictures::key)
            .limit(most)
            .select(Self::as_select())
            .load(conn)
    }

    /// Those that nothing shows: none, as long as the database's triggers worked.
    pub fn unused(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
        let avatars = profiles::table.filter(profiles::avatar_key.eq(pictures::key.nullable()));
        let covers = posts::table.filter(posts::cover_key.eq(pictures::key.nullable()));
        pictures::table.filter(not(exists(avatars)).and(not(exists(covers)))).select(pictures::key).load(conn)
    }

    /// Forget those of them that nothing shows; their files go too.
    pub fn forget(conn: &mut PgConnection, keys: &[String]) -> QueryResult<()> {
        diesel::sql_query("SELECT forget_pictures($1)").bind::<Array<Text>, _>(keys).execute(conn).map(drop)
    }

    /// Show another picture wherever this one is shown. Whether it still was: the database forgets it then, and its files go.
    pub fn replace(conn: &mut PgConnection, old: &str, new: &str) -> QueryResult<bool> {
        let avatars = diesel::update(profiles::table.filter(profiles::avatar_key.eq(old)))
            .set(profiles::avatar_key.eq(new))
            .execute(conn)?;
        let covers = diesel::update(posts::table.filter(posts::cover_key.eq(old)))
            .set(posts::cover_key.eq(new))
            .execute(conn)?;
        Ok(avatars + covers > 0)
    }

    /// The path of what shows it, below the API's own, and the username of whose it is.
    pub fn shown_by(conn: &mut PgConnection, key: &str) -> QueryResult<Option<(String, String)>> {
        let avatar = profiles::table
            .inner_join(users::table)
            .filter(profiles::avatar_key.eq(key))
            .select(users::username)
            .first::<String>(conn)
            .optional()?;
        if let Some(username) = avatar {
            return Ok(Some((format!("profiles/{username}"), username)));
        }
        let cover = posts::table
            .inner_join(users::table.on(posts::writer_id.eq(users::id)))
            .filter(posts::cover_key.eq(key))
            .select((posts::slug, users::username))
            .first::<(String, String)>(conn)
            .optional()?;
        Ok(cover.map(|(slug, username)| (format!("posts/{slug}"), username)))
    }

    /// How many there are.
    pub fn count(conn: &mut PgConnection) -> QueryResult<i64> {
        pictures::table.count().get_result(conn)
    }

    /// The one under any of these keys, if it is for one of these purposes.
    pub fn find(conn: &mut PgConnection, keys: &[String], purposes: &[&str]) -> QueryResult<Option<Self>> {
        pictures::table
            .filter(pictures::key.eq_any(keys).and(pictures::purpose.eq_any(purposes)))
            .select(Self::as_select())
            .first(conn)
            .optional()
    }
}
