//! The buckets of the throttle, and the networks from which users log in.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Double, Integer, Interval, Timestamptz};

use super::delete_some;
use crate::schema::{login_prefixes, throttle_buckets};

/// Commit this transaction without waiting for the disk. What a crash loses of it does no harm, and other transactions wait for
/// its rows.
pub fn commit_asynchronously(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute("SET LOCAL synchronous_commit = off")
}

/// How a bucket fills and drains.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Attempts that cost no wait. After these, the wait is one second, and doubles with each attempt.
    pub free: i32,
    /// Seconds within which as many attempts as `free` drain away, evenly.
    pub window: i32,
    /// The longest wait.
    pub longest: TimeDelta,
}

/// Count one attempt, unless the bucket is blocked: then change nothing and return `false`. This is one statement, so that each
/// of several concurrent attempts is counted.
pub fn take(conn: &mut PgConnection, key: &[u8], rule: Rule) -> QueryResult<bool> {
    let taken = diesel::sql_query(
        // now() is the start of a transaction, and a transaction that started later may end first. So if there is no wait, the
        // time at which the wait ends must precede both starts.
        "INSERT INTO throttle_buckets AS b (key, attempts, last_at, blocked_until) VALUES ($1, 1, now(), 'epoch')
         ON CONFLICT (key) DO UPDATE SET (attempts, last_at, blocked_until) = (
             SELECT tries, GREATEST(now(), b.last_at), CASE WHEN round(tries) < $2 THEN 'epoch'::timestamptz
                 ELSE now() + LEAST($4, make_interval(secs => 2 ^ LEAST(round(tries) - $2, 20))) END
             FROM (SELECT GREATEST(
                 b.attempts - extract(epoch FROM now() - b.last_at)::float8 * $2 / $3, 0) + 1 AS tries) AS drained
         )
         WHERE b.blocked_until <= now()",
    )
    .bind::<Binary, _>(key)
    .bind::<Integer, _>(rule.free)
    .bind::<Integer, _>(rule.window)
    .bind::<Interval, _>(rule.longest)
    .execute(conn)?;
    Ok(taken > 0)
}

/// Return the time until none of these buckets is blocked.
pub fn blocked_for(conn: &mut PgConnection, keys: &[Vec<u8>]) -> QueryResult<TimeDelta> {
    let (until, at): (Option<DateTime<Utc>>, DateTime<Utc>) = throttle_buckets::table
        .filter(throttle_buckets::key.eq_any(keys))
        .select((diesel::dsl::max(throttle_buckets::blocked_until), diesel::dsl::sql::<Timestamptz>("now()")))
        .first(conn)?;
    Ok(until.map_or(TimeDelta::zero(), |until| (until - at).max(TimeDelta::zero())))
}

/// Remove an attempt that was counted and should not have been.
pub fn give_back(conn: &mut PgConnection, key: &[u8]) -> QueryResult<()> {
    diesel::update(throttle_buckets::table.find(key))
        .set((
            throttle_buckets::attempts.eq(diesel::dsl::sql::<Double>("GREATEST(attempts - 1, 0)")),
            throttle_buckets::blocked_until.eq(diesel::dsl::sql::<Timestamptz>("'epoch'")),
        ))
        .execute(conn)
        .map(drop)
}

/// Empty a bucket.
pub fn empty(conn: &mut PgConnection, key: &[u8]) -> QueryResult<()> {
    diesel::delete(throttle_buckets::table.find(key)).execute(conn).map(drop)
}

/// Delete up to `most` buckets without an attempt since `before`, and return their number.
pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
    delete_some!(conn, "throttle_buckets", "last_at < $2 AND blocked_until < now()", most, before => Timestamptz)
}

/// Return those of these users who logged in from this network after `since`.
pub fn users_known_in(
    conn: &mut PgConnection,
    users: &[i64],
    prefix: &str,
    since: DateTime<Utc>,
) -> QueryResult<Vec<i64>> {
    login_prefixes::table
        .filter(login_prefixes::user_id.eq_any(users).and(login_prefixes::prefix.eq(prefix)))
        .filter(login_prefixes::last_login_at.gt(since))
        .select(login_prefixes::user_id)
        .load(conn)
}

/// Return the networks from which a user has recently logged in, and when, the latest first.
pub fn known_networks(conn: &mut PgConnection, user_id: i64) -> QueryResult<Vec<(String, DateTime<Utc>)>> {
    login_prefixes::table
        .filter(login_prefixes::user_id.eq(user_id))
        .order(login_prefixes::last_login_at.desc())
        .select((login_prefixes::prefix, login_prefixes::last_login_at))
        .load(conn)
}

/// Record that a user logged in from a network.
pub fn remember_network(conn: &mut PgConnection, user_id: i64, prefix: &str) -> QueryResult<()> {
    diesel::insert_into(login_prefixes::table)
        .values((login_prefixes::user_id.eq(user_id), login_prefixes::prefix.eq(prefix)))
        .on_conflict((login_prefixes::user_id, login_prefixes::prefix))
        .do_update()
        .set(login_prefixes::last_login_at.eq(now))
        .execute(conn)
        .map(drop)
}

/// Delete up to `most` networks without a login since `before`, and return their number.
pub fn purge_networks(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
    delete_some!(conn, "login_prefixes", "last_login_at < $2", most, before => Timestamptz)
}
