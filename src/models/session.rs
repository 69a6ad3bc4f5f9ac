//! Sessions: one row per login, a family of refresh tokens of which the newest is good.

use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;

use crate::schema::{sessions, users};

/// A row of `sessions`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Session {
    pub id: i64,
    pub user_id: i64,
    pub generation: i64,
    pub rotated_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// What it takes to open a session.
#[derive(Insertable, Debug)]
#[diesel(table_name = sessions)]
pub struct NewSession<'a> {
    /// Random, so that no id ever comes again, not even after a restore: the refresh tokens are derived from it.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// SHA-256 of the first refresh token.
    pub token_hash: &'a [u8],
    /// The `User-Agent` of the login, at most 512 characters.
    pub user_agent: &'a str,
    /// The address of the login.
    pub ip: &'a str,
    /// When the newest refresh token dies.
    pub expires_at: DateTime<Utc>,
}

/// Who asks, as the database has it now.
#[derive(Clone, Debug, Queryable)]
pub struct LiveSession {
    /// The user's id.
    pub user_id: i64,
    /// The user's name.
    pub username: String,
    /// The key that the name is found by.
    pub username_key: String,
    /// Whether the user may administer everything.
    pub is_staff: bool,
    /// Whether the user may do anything at all.
    pub is_active: bool,
    /// When the session was opened, by a password.
    pub created_at: DateTime<Utc>,
}

impl NewSession<'_> {
    /// Open it.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(sessions::table).values(self).execute(conn).map(drop)
    }
}

impl Session {
    /// The session and its user, unless the session has ended.
    pub fn live(conn: &mut PgConnection, id: i64, user_id: i64) -> QueryResult<Option<LiveSession>> {
        sessions::table
            .inner_join(users::table)
            .filter(sessions::id.eq(id).and(users::id.eq(user_id)).and(sessions::expires_at.gt(now)))
            .select((
                users::id,
                users::username,
                users::username_key,
                users::is_staff,
                users::is_active,
                sessions::created_at,
            ))
            .first(conn)
            .optional()
    }

    /// Go from `generation` to the next one, if that is the present one of a live session of an active user: one
    /// statement, so of parallel tries exactly one rotates.
    pub fn rotate(
        conn: &mut PgConnection,
        id: i64,
        generation: i64,
        old_hash: &[u8],
        new_hash: &[u8],
        expires_at: DateTime<Utc>,
    ) -> QueryResult<Option<Self>> {
        let active = users::table.filter(users::is_active).select(users::id);
        diesel::update(
            sessions::table
                .find(id)
                .filter(sessions::generation.eq(generation))
                .filter(sessions::token_hash.eq(old_hash))
                .filter(sessions::expires_at.gt(now))
                .filter(sessions::user_id.eq_any(active)),
        )
        .set((
            sessions::generation.eq(generation + 1),
            sessions::token_hash.eq(new_hash),
            sessions::expires_at.eq(expires_at),
            sessions::rotated_at.eq(now),
            sessions::last_used_at.eq(now),
        ))
        .returning(Self::as_returning())
        .get_result(conn)
        .optional()
    }

    /// A session that has not expired, of an active user.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<Option<Self>> {
        sessions::table
            .inner_join(users::table)
            .filter(sessions::id.eq(id).and(sessions::expires_at.gt(now)).and(users::is_active))
            .select(Self::as_select())
            .first(conn)
            .optional()
    }

    /// End a session; no error if it has ended.
    pub fn end(conn: &mut PgConnection, id: i64) -> QueryResult<()> {
        diesel::delete(sessions::table.find(id)).execute(conn).map(drop)
    }

    /// End every session of a user.
    pub fn end_all(conn: &mut PgConnection, user_id: i64) -> QueryResult<()> {
        diesel::delete(sessions::table.filter(sessions::user_id.eq(user_id))).execute(conn).map(drop)
    }
}
