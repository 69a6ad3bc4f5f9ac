//! Files: what is in the store, or may be. The row comes before the file and goes before it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{now, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Array, Interval, Nullable, Text, Timestamptz};
use std::collections::HashSet;

use super::delete_some;
use crate::schema::files;

/// What becomes of somebody who wants to write a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's to write.
    Mine,
    /// Somebody else writes it.
    Taken,
    /// It is in the store since then.
    Stored(DateTime<Utc>),
    /// There is no such picture.
    NoPicture,
}

/// A file's row.
pub struct File;

impl File {
    /// Announce files that are about to be written for a picture that is not recorded yet. They have to be confirmed within
    /// `lease`, or are removed.
    pub fn announce(conn: &mut PgConnection, keys: &[String], lease: TimeDelta) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO files (key, claimed_until) SELECT key, now() + $2 FROM unnest($1) AS keys (key)",
        )
        .bind::<Array<Text>, _>(keys)
        .bind::<Interval, _>(lease)
        .execute(conn)
        .map(drop)
    }

    /// They are whole, and those of this picture from now on. Whether all of them are still there: if not, they took too long
    /// and are removed.
    pub fn confirm(conn: &mut PgConnection, keys: &[String], picture: &str) -> QueryResult<bool> {
        let announced = files::table.filter(files::key.eq_any(keys).and(files::picture_key.is_null()));
        let confirmed = diesel::update(announced)
            .set((files::picture_key.eq(picture), files::stored_at.eq(this_moment())))
            .execute(conn)?;
        Ok(confirmed == keys.len())
    }

    /// What was announced is not wanted any more: remove it now. What was confirmed meanwhile stays. Unless the writing has
    /// ended for sure, a file may still come: it is removed once more when the lease is over.
    pub fn give_up(conn: &mut PgConnection, keys: &[String], is_written: bool) -> QueryResult<()> {
        let announced = || files::table.filter(files::key.eq_any(keys).and(files::picture_key.is_null()));
        if is_written {
            diesel::update(announced()).set(files::claimed_until.eq(now)).execute(conn)?;
        }
        diesel::delete(announced()).execute(conn).map(drop)
    }

    /// Whoever may write a variant: one at a time, over all nodes. `vanished` is when it was stored that is not there any more.
    pub fn claim(
        conn: &mut PgConnection,
        key: &str,
        picture: &str,
        vanished: Option<DateTime<Utc>>,
        lease: TimeDelta,
    ) -> QueryResult<Claim> {
        let claimed = diesel::sql_query(
            "INSERT INTO files AS f (key, picture_key, claimed_until)
             SELECT $1, p.key, now() + $2 FROM pictures p WHERE p.key = $3 FOR KEY SHARE
             ON CONFLICT (key) DO UPDATE SET stored_at = NULL, claimed_until = excluded.claimed_until
                 WHERE (f.stored_at IS NULL AND f.claimed_until <= now()) OR f.stored_at = $4",
        )
        .bind::<Text, _>(key)
        .bind::<Interval, _>(lease)
        .bind::<Text, _>(picture)
        .bind::<Nullable<Timestamptz>, _>(vanished)
        .execute(conn)?;
        if claimed == 1 {
            return Ok(Claim::Mine);
        }
        let stored = files::table.find(key).select(files::stored_at).first::<Option<DateTime<Utc>>>(conn);
        Ok(match stored.optional()? {
            None => Claim::NoPicture,
            Some(None) => Claim::Taken,
            Some(Some(at)) => Claim::Stored(at),
        })
    }

    /// The variant is in the store. Whether its picture still is: if not, the file is to go again.
    pub fn stored(conn: &mut PgConnection, key: &str) -> QueryResult<bool> {
        let updated =
            diesel::update(files::table.find(key)).set(files::stored_at.eq(this_moment())).execute(conn)?;
        Ok(updated == 1)
    }

    /// Writing it failed, so it may be there or still come: removed now, and when the claim is over. Whether its row was still
    /// there: if not, its picture was removed meanwhile.
    pub fn abandon(conn: &mut PgConnection, key: &str) -> QueryResult<bool> {
        let unstored = files::table.find(key).filter(files::stored_at.is_null());
        Ok(diesel::delete(unstored).execute(conn)? == 1)
    }

    /// Whoever claimed it has not begun to write it, so the next one may.
    pub fn release(conn: &mut PgConnection, key: &str) -> QueryResult<()> {
        diesel::update(files::table.find(key).filter(files::stored_at.is_null()))
            .set(files::claimed_until.eq(now))
            .execute(conn)
            .map(drop)
    }

    /// Those of the keys that have a row.
    pub fn known(conn: &mut PgConnection, keys: &[String]) -> QueryResult<HashSet<String>> {
        files::table.filter(files::key.eq_any(keys)).select(files::key).load(conn).map(HashSet::from_iter)
    }

    /// The keys of a picture's files that are in the store.
    pub fn of_picture(conn: &mut PgConnection, picture: &str) -> QueryResult<Vec<String>> {
        files::table
            .filter(files::picture_key.eq(picture).and(files::stored_at.is_not_null()))
            .order(files::key)
            .select(files::key)
            .load(conn)
    }

    /// The next keys of files that are in the store, after this one.
    pub fn stored_after(conn: &mut PgConnection, key: &str, most: i64) -> QueryResult<Vec<String>> {
        files::table
            .filter(files::key.gt(key).and(files::stored_at.is_not_null()))
            .order(files::key)
            .limit(most)
            .select(files::key)
            .load(conn)
    }

    /// Sweep up to `most` files away that nobody confirmed in time; how many it were.
    pub fn purge(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "files", "stored_at IS NULL AND claimed_until < now()", most)
    }
}

/// The database's clock.
fn this_moment() -> SqlLiteral<Nullable<Timestamptz>> {
    sql("now()")
}
