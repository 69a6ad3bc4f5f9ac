//! Files: those that are in the store, or may be. A file's row is written before the file, and deleted before the file is.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{now, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Array, Interval, Nullable, Text, Timestamptz};
use std::collections::HashSet;

use super::delete_some;
use crate::schema::files;

/// The outcome of a claim to write a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller must write the variant.
    Mine,
    /// Another caller is writing it.
    Taken,
    /// The variant has been in the store since this time.
    Stored(DateTime<Utc>),
    /// The picture does not exist.
    NoPicture,
}

/// The queries over `files`.
pub struct File;

impl File {
    /// Announce files that are about to be written for a picture that is not recorded yet. Files that are not confirmed within
    /// `lease` are removed.
    pub fn announce(conn: &mut PgConnection, keys: &[String], lease: TimeDelta) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO files (key, claimed_until) SELECT key, now() + $2 FROM unnest($1) AS keys (key)",
        )
        .bind::<Array<Text>, _>(keys)
        .bind::<Interval, _>(lease)
        .execute(conn)
        .map(drop)
    }

    /// Record that the files are complete and belong to this picture. Return whether all of them were still announced. If not,
    /// the upload took too long and they are removed.
    pub fn confirm(conn: &mut PgConnection, keys: &[String], picture: &str) -> QueryResult<bool> {
        let announced = files::table.filter(files::key.eq_any(keys).and(files::picture_key.is_null()));
        let confirmed = diesel::update(announced)
            .set((files::picture_key.eq(picture), files::stored_at.eq(this_moment())))
            .execute(conn)?;
        Ok(confirmed == keys.len())
    }

    /// Withdraw an announcement, and remove the files immediately. Files that were confirmed in the meantime stay. If it is not
    /// certain that the writing has ended, a file may still arrive, so the files are removed again when the lease ends.
    pub fn give_up(conn: &mut PgConnection, keys: &[String], is_written: bool) -> QueryResult<()> {
        let announced = || files::table.filter(files::key.eq_any(keys).and(files::picture_key.is_null()));
        if is_written {
            diesel::update(announced()).set(files::claimed_until.eq(now)).execute(conn)?;
        }
        diesel::delete(announced()).execute(conn).map(drop)
    }

    /// Claim a variant: across all nodes, only one caller writes it at a time. `vanished` is when the variant was stored, if it
    /// is missing from the store now.
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

    /// Record that the variant is in the store. Return whether its picture still exists. If not, the caller must remove the file.
    pub fn stored(conn: &mut PgConnection, key: &str) -> QueryResult<bool> {
        let updated =
            diesel::update(files::table.find(key)).set(files::stored_at.eq(this_moment())).execute(conn)?;
        Ok(updated == 1)
    }

    /// Withdraw a claim after writing failed. The file may exist or still arrive, so it is removed now, and again when the claim
    /// ends. Return whether the row still existed. If not, its picture was removed in the meantime.
    pub fn abandon(conn: &mut PgConnection, key: &str) -> QueryResult<bool> {
        let unstored = files::table.find(key).filter(files::stored_at.is_null());
        Ok(diesel::delete(unstored).execute(conn)? == 1)
    }

    /// Give up a claim before writing has begun, so that another caller may write.
    pub fn release(conn: &mut PgConnection, key: &str) -> QueryResult<()> {
        diesel::update(files::table.find(key).filter(files::stored_at.is_null()))
            .set(files::claimed_until.eq(now))
            .execute(conn)
            .map(drop)
    }

    /// Return those of the keys that have a row.
    pub fn known(conn: &mut PgConnection, keys: &[String]) -> QueryResult<HashSet<String>> {
        files::table.filter(files::key.eq_any(keys)).select(files::key).load(conn).map(HashSet::from_iter)
    }

    /// Return the keys of a picture's files that are in the store.
    pub fn of_picture(conn: &mut PgConnection, picture: &str) -> QueryResult<Vec<String>> {
        files::table
            .filter(files::picture_key.eq(picture).and(files::stored_at.is_not_null()))
            .order(files::key)
            .select(files::key)
            .load(conn)
    }

    /// Return up to `most` keys of files that are in the store, from the first after `key`.
    pub fn stored_after(conn: &mut PgConnection, key: &str, most: i64) -> QueryResult<Vec<String>> {
        files::table
            .filter(files::key.gt(key).and(files::stored_at.is_not_null()))
            .order(files::key)
            .limit(most)
            .select(files::key)
            .load(conn)
    }

    /// Delete up to `most` files that were not confirmed in time, and return their number.
    pub fn purge(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "files", "stored_at IS NULL AND claimed_until < now()", most)
    }
}

/// The database's current time.
fn this_moment() -> SqlLiteral<Nullable<Timestamptz>> {
    sql("now()")
}
