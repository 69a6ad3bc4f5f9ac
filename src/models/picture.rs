//! Pictures: what the store holds, with one row per original.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};

use crate::schema::{pictures, posts, profiles, users};

/// A row of `pictures`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Picture {
    /// The key in the store, never used twice. Its extension determines the content type. The keys of the variants are derived
    /// from it.
    pub key: String,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Size of the original file in bytes.
    pub bytes: i64,
    /// A few characters from which a client draws a blurred preview.
    pub blurhash: String,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// `avatar` or `cover`.
    pub purpose: String,
}

/// The values for a picture whose files are in the store already.
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
    /// Insert the row. The transaction must also refer to it from the resource that shows the picture. When no resource does any
    /// more, the database deletes the row.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(pictures::table).values(self).execute(conn).map(drop)
    }
}

impl Picture {
    /// Return up to `most` pictures by key, from the first after `key`.
    pub fn after(conn: &mut PgConnection, key: &str, most: i64) -> QueryResult<Vec<Self>> {
        pictures::table
            .filter(pictures::key.gt(key))
            .order(pictures::key)
            .limit(most)
            .select(Self::as_select())
            .load(conn)
    }

    /// Return the keys of pictures that no resource shows. There are none as long as the database's triggers work.
    pub fn unused(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
        let avatars = profiles::table.filter(profiles::avatar_key.eq(pictures::key.nullable()));
        let covers = posts::table.filter(posts::cover_key.eq(pictures::key.nullable()));
        pictures::table.filter(not(exists(avatars)).and(not(exists(covers)))).select(pictures::key).load(conn)
    }

    /// Delete those of the pictures that no resource shows, with their files.
    pub fn forget(conn: &mut PgConnection, keys: &[String]) -> QueryResult<()> {
        diesel::sql_query("SELECT forget_pictures($1)").bind::<Array<Text>, _>(keys).execute(conn).map(drop)
    }

    /// Show another picture wherever this one is shown. Return whether it was still shown: in that case the database deletes its
    /// row and its files are deleted.
    pub fn replace(conn: &mut PgConnection, old: &str, new: &str) -> QueryResult<bool> {
        let avatars = diesel::update(profiles::table.filter(profiles::avatar_key.eq(old)))
            .set(profiles::avatar_key.eq(new))
            .execute(conn)?;
        let covers = diesel::update(posts::table.filter(posts::cover_key.eq(old)))
            .set(posts::cover_key.eq(new))
            .execute(conn)?;
        Ok(avatars + covers > 0)
    }

    /// Return the path of the resource that shows the picture, relative to the API's path, and the username of its owner.
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

    /// Count the pictures.
    pub fn count(conn: &mut PgConnection) -> QueryResult<i64> {
        pictures::table.count().get_result(conn)
    }

    /// Find the picture with one of these keys, if it has one of these purposes.
    pub fn find(conn: &mut PgConnection, keys: &[String], purposes: &[&str]) -> QueryResult<Option<Self>> {
        pictures::table
            .filter(pictures::key.eq_any(keys).and(pictures::purpose.eq_any(purposes)))
            .select(Self::as_select())
            .first(conn)
            .optional()
    }
}
