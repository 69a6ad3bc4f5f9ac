//! Buckets of the throttle, and the networks that users log in from.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Double, Integer, Interval, Timestamptz};

use super::delete_some;
use crate::schema::{login_prefixes, throttle_buckets};

/// Let the transaction not wait for the disk: what a crash loses of it is no loss, and others wait for its rows.
pub fn hurry(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute("SET LOCAL synchronous_commit = off")
}

/// How a bucket fills and drains.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Tries that cost no wait. After them it doubles with each, from a second on.
    pub free: i32,
    /// In this many seconds so many tries drain away, evenly.
    pub window: i32,
    /// The longest wait.
    pub longest: TimeDelta,
}

/// Count one try, unless the bucket is blocked: then nothing changes and it is `false`. One statement, so that of parallel tries
/// each is counted.
pub fn take(conn: &mut PgConnection, key: &[u8], rule: Rule) -> QueryResult<bool> {
    let taken = diesel::sql_query(
        // now() is when a transaction began, and one that began later may be through before: where there is no wait, the time
        // until which to wait must lie before both.
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

/// How long until none of these buckets is blocked.
pub fn blocked_for(conn: &mut PgConnection, keys: &[Vec<u8>]) -> QueryResult<TimeDelta> {
    let (until, at): (Option<DateTime<Utc>>, DateTime<Utc>) = throttle_buckets::table
        .filter(throttle_buckets::key.eq_any(keys))
        .select((diesel::dsl::max(throttle_buckets::blocked_until), diesel::dsl::sql::<Timestamptz>("now()")))
        .first(conn)?;
    Ok(until.map_or(TimeDelta::zero(), |until| (until - at).max(TimeDelta::zero())))
}

/// Take a counted try back: it was none.
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

/// Delete up to `most` buckets without a try since `before`; how many it were.
pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
    delete_some!(conn, "throttle_buckets", "last_at < $2 AND blocked_until < now()", most, before => Timestamptz)
}

/// Which of these users logged in from this network after `since`.
pub fn at_home(
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

/// Where a user logged in from lately, and when, the latest first.
pub fn homes(conn: &mut PgConnection, user_id: i64) -> QueryResult<Vec<(String, DateTime<Utc>)>> {
    login_prefixes::table
        .filter(login_prefixes::user_id.eq(user_id))
        .order(login_prefixes::last_login_at.desc())
        .select((login_prefixes::prefix, login_prefixes::last_login_at))
        .load(conn)
}

/// Remember that a user logged in from a network.
pub fn remember_home(conn: &mut PgConnection, user_id: i64, prefix: &str) -> QueryResult<()> {
    diesel::insert_into(login_prefixes::table)
        .values((login_prefixes::user_id.eq(user_id), login_prefixes::prefix.eq(prefix)))
        .on_conflict((login_prefixes::user_id, login_prefixes::prefix))
        .do_update()
        .set(login_prefixes::last_login_at.eq(now))
        .execute(conn)
        .map(drop)
}

/// Delete up to `most` networks that nobody logged in from since `before`; how many it were.
pub fn purge_homes(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
    delete_some!(conn, "login_prefixes", "last_login_at < $2", most, before => Timestamptz)
}
