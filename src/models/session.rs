//! Sessions: one row per login. A session is a family of refresh tokens, of which the newest is valid.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Array, Interval, Nullable, Timestamptz};

use super::delete_some;
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{sessions, users};

/// A row of `sessions`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Session {
    pub id: i64,
    pub user_id: i64,
    pub generation: i64,
    pub user_agent: String,
    pub ip: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub rotated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    rotations: Vec<Option<DateTime<Utc>>>,
}

/// The values for a new session.
#[derive(Insertable, Debug)]
#[diesel(table_name = sessions)]
pub struct NewSession<'a> {
    /// Random, so that no id is ever used twice, not even after a restore: the refresh tokens are derived from it.
    pub id: i64,
    /// The user of the session.
    pub user_id: i64,
    /// SHA-256 of the first refresh token.
    pub token_hash: &'a [u8],
    /// The `User-Agent` of the login, at most 512 characters.
    pub user_agent: &'a str,
    /// The address of the login.
    pub ip: &'a str,
    /// When the newest refresh token expires.
    pub expires_at: DateTime<Utc>,
}

/// A session and its user, with their current state in the database.
#[derive(Clone, Debug, Queryable)]
pub struct LiveSession {
    /// The user's id.
    pub user_id: i64,
    /// The username.
    pub username: String,
    /// The key by which the username is looked up.
    pub username_key: String,
    /// Whether the user may administer everything.
    pub is_staff: bool,
    /// Whether the user may do anything at all.
    pub is_active: bool,
    /// When the session was opened with a password.
    pub created_at: DateTime<Utc>,
    /// When the session expires.
    pub expires_at: DateTime<Utc>,
}

impl NewSession<'_> {
    /// Insert the row, which opens the session.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(sessions::table).values(self).execute(conn).map(drop)
    }
}

/// The exchange of one refresh token of a session for the next.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// The session.
    pub id: i64,
    /// The generation of the given token.
    pub generation: i64,
    /// SHA-256 of the given token.
    pub old_hash: &'a [u8],
    /// SHA-256 of its successor.
    pub new_hash: &'a [u8],
    /// How long a token is valid if it is not used.
    pub sliding: TimeDelta,
    /// How long a session lasts at most.
    pub absolute: TimeDelta,
    /// How long the times of rotations are kept.
    pub grace: TimeDelta,
}

impl Rotation<'_> {
    /// Move to the next generation, if the given generation is the current one of a live session of an active user. This is one
    /// statement, so exactly one of several concurrent attempts rotates.
    pub fn execute(&self, conn: &mut PgConnection) -> QueryResult<Option<Session>> {
        let active = users::table.filter(users::is_active).select(users::id);
        // A client that rotates 64 times within some seconds misbehaves. That many tokens may still arrive late.
        let rotations = diesel::dsl::sql::<Array<Nullable<Timestamptz>>>(
            "ARRAY(SELECT t FROM (SELECT t FROM unnest(rotations || now()) AS t WHERE t > now() - ",
        )
        .bind::<Interval, _>(self.grace)
        .sql(" ORDER BY t DESC LIMIT 64) AS kept ORDER BY t)");
        let expires_at = diesel::dsl::sql::<Timestamptz>("LEAST(now() + ")
            .bind::<Interval, _>(self.sliding)
            .sql(", created_at + ")
            .bind::<Interval, _>(self.absolute)
            .sql(")");
        diesel::update(
            sessions::table
                .find(self.id)
                .filter(sessions::generation.eq(self.generation))
                .filter(sessions::token_hash.eq(self.old_hash))
                .filter(sessions::expires_at.gt(now))
                .filter(sessions::user_id.eq_any(active)),
        )
        .set((
            sessions::generation.eq(self.generation + 1),
            sessions::token_hash.eq(self.new_hash),
            sessions::expires_at.eq(expires_at),
            sessions::rotations.eq(rotations),
            sessions::rotated_at.eq(now),
            sessions::last_used_at.eq(now),
        ))
        .returning(Session::as_returning())
        .get_result(conn)
        .optional()
    }
}

impl Session {
    /// Return the session and its user, unless the session has ended.
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
                sessions::expires_at,
            ))
            .first(conn)
            .optional()
    }

    /// Return a session that has not expired and whose user is active, and the database's current time.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<Option<(Self, DateTime<Utc>)>> {
        sessions::table
            .inner_join(users::table)
            .filter(sessions::id.eq(id).and(sessions::expires_at.gt(now)).and(users::is_active))
            .select((Self::as_select(), diesel::dsl::sql::<Timestamptz>("now()")))
            .first(conn)
            .optional()
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<Self>> {
        selection.slice::<Self, _>(conn, |conn, rows| {
            let query = sessions::table.select((Self::as_select(), rows.place()));
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Return how long before `at`, a time of the database's clock, the token of this generation was rotated, if that is still
    /// known. The nodes' own clocks differ by more than the length of some windows.
    pub fn since_rotation(&self, generation: i64, at: DateTime<Utc>) -> Option<TimeDelta> {
        let steps_back = usize::try_from(self.generation.checked_sub(generation)?).ok()?;
        let rotated_at = match steps_back {
            0 => return None,
            1 => self.rotated_at,
            steps => (*self.rotations.get(self.rotations.len().checked_sub(steps)?)?)?,
        };
        Some(at - rotated_at)
    }

    /// End a session. This is not an error if it has already ended.
    pub fn end(conn: &mut PgConnection, id: i64) -> QueryResult<()> {
        diesel::delete(sessions::table.find(id)).execute(conn).map(drop)
    }

    /// End a session of this user. Return whether there was one.
    pub fn end_of(conn: &mut PgConnection, id: i64, user_id: i64) -> QueryResult<bool> {
        let ended = sessions::table.find(id).filter(sessions::user_id.eq(user_id));
        Ok(diesel::delete(ended).execute(conn)? > 0)
    }

    /// End every session of a user but `kept`, if one is given.
    pub fn end_all(conn: &mut PgConnection, user_id: i64, kept: Option<i64>) -> QueryResult<()> {
        let all = sessions::table.filter(sessions::user_id.eq(user_id));
        diesel::delete(all.filter(sessions::id.ne(kept.unwrap_or(0)))).execute(conn).map(drop)
    }

    /// Delete up to `most` expired sessions, and return their number.
    pub fn purge(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "sessions", "expires_at <= now()", most)
    }
}
