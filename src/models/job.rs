//! Jobs: the outbox. Written by the transaction that causes them, done by whichever node is alive.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Interval, Text, Timestamptz};
use serde_json::Value;

use super::delete_some;
use crate::schema::jobs;

/// Something to do.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Job {
    pub id: i64,
    pub kind: String,
    pub payload: Value,
    pub attempts: i32,
}

/// How many jobs of a kind there are.
#[derive(Debug, QueryableByName)]
pub struct JobCount {
    /// Which receiver does them.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// To be done.
    #[diesel(sql_type = BigInt)]
    pub pending: i64,
    /// Those of them that failed before.
    #[diesel(sql_type = BigInt)]
    pub retrying: i64,
    /// Given up.
    #[diesel(sql_type = BigInt)]
    pub failed: i64,
}

/// Which of the jobs that are due comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    OldestFirst,
    /// The other way round: a backlog holds nobody up who came after it.
    NewestFirst,
}

/// What it takes to have something done.
#[derive(Insertable, Debug)]
#[diesel(table_name = jobs)]
pub struct NewJob {
    /// Which receiver does it.
    pub kind: &'static str,
    /// What the receiver needs to know.
    pub payload: Value,
    /// Whom it is about, if it is void without them.
    pub user_id: Option<i64>,
}

impl NewJob {
    /// Have it done once the transaction stands.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(jobs::table).values(self).execute(conn).map(drop)
    }
}

impl Job {
    /// Take a job of these kinds that is due: the one that is for the longest time, or for the shortest. It is due again after
    /// `lease`, in case that this node dies; nodes that take at once take different ones.
    pub fn take(
        conn: &mut PgConnection,
        kinds: &[&str],
        order: Order,
        lease: TimeDelta,
    ) -> QueryResult<Option<Self>> {
        // `=`, so that the inner statement is run once, whatever the planner believes to know: within `IN`, on a table
        // that it takes for empty, it runs it per row, and all of them are taken.
        diesel::sql_query(format!(
            "UPDATE jobs SET attempts = attempts + 1, due_at = now() + $1
             WHERE id = (
                 SELECT id FROM jobs WHERE failed_at IS NULL AND due_at <= now() AND kind = ANY ($2)
                 ORDER BY {} LIMIT 1 FOR UPDATE SKIP LOCKED
             )
             RETURNING id, kind, payload, attempts",
            match order {
                Order::OldestFirst => "due_at, id",
                Order::NewestFirst => "due_at DESC, id DESC",
            }
        ))
        .bind::<Interval, _>(lease)
        .bind::<Array<Text>, _>(kinds)
        .get_result(conn)
        .optional()
    }

    /// When the next job of these kinds is due, if there is one.
    pub fn next_due(conn: &mut PgConnection, kinds: &[&str]) -> QueryResult<Option<TimeDelta>> {
        let (due, at): (Option<DateTime<Utc>>, DateTime<Utc>) = jobs::table
            .filter(jobs::failed_at.is_null().and(jobs::kind.eq_any(kinds)))
            .select((diesel::dsl::min(jobs::due_at), diesel::dsl::sql::<Timestamptz>("now()")))
            .first(conn)?;
        Ok(due.map(|due| due - at))
    }

    /// How many there are of each of these kinds, also where it is none.
    pub fn counts(conn: &mut PgConnection, kinds: &[&str]) -> QueryResult<Vec<JobCount>> {
        diesel::sql_query(
            "SELECT kind,
                 count(id) FILTER (WHERE failed_at IS NULL) AS pending,
                 count(id) FILTER (WHERE failed_at IS NULL AND last_error IS NOT NULL) AS retrying,
                 count(id) FILTER (WHERE failed_at IS NOT NULL) AS failed
             FROM unnest($1) AS kinds (kind) LEFT JOIN jobs USING (kind) GROUP BY kind ORDER BY kind",
        )
        .bind::<Array<Text>, _>(kinds)
        .load(conn)
    }

    /// It is done. Only by whoever took it last: a node that was too slow leaves it to the one that took it over.
    pub fn done(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(jobs::table.find(self.id).filter(jobs::attempts.eq(self.attempts)))
            .execute(conn)
            .map(drop)
    }

    /// It failed: try again after `delay`, or never, where that is `None`.
    pub fn failed(&self, conn: &mut PgConnection, error: &str, delay: Option<TimeDelta>) -> QueryResult<()> {
        let taken = jobs::table.find(self.id).filter(jobs::attempts.eq(self.attempts));
        match delay {
            Some(delay) => diesel::update(taken)
                .set((
                    jobs::last_error.eq(error),
                    jobs::due_at.eq(diesel::dsl::sql::<Timestamptz>("now() + ").bind::<Interval, _>(delay)),
                ))
                .execute(conn),
            None => {
                diesel::update(taken).set((jobs::last_error.eq(error), jobs::failed_at.eq(now))).execute(conn)
            }
        }
        .map(drop)
    }

    /// Delete up to `most` jobs that were given up before `before`; how many it were.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "jobs", "failed_at < $2", most, before => Timestamptz)
    }
}
