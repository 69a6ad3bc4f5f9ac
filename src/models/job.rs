//! Jobs: the outbox. Written by the transaction that causes them, done by whichever node is alive.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Interval, Nullable, Text, Timestamptz};
use serde_json::{Value, json};

use super::delete_some;
use crate::schema::jobs;

/// Events that one job gathers.
const GATHERED: i32 = 1000;

/// That time from now, by the database's clock.
macro_rules! after {
    ($delay:expr) => {
        diesel::dsl::sql::<Timestamptz>("now() + ").bind::<Interval, _>($delay)
    };
}

/// Something to do.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Job {
    pub id: i64,
    pub kind: String,
    pub payload: Value,
    pub attempts: i32,
    /// Whom it calls, if it is a delivery.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub webhook_id: Option<i64>,
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
    /// How long the oldest of those to be done has waited, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest: f64,
}

/// What a job does, and so which receiver does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Mail a token to an address, if it is a user's: `{purpose, email}`.
    WantToken,
    /// Mail the token of a row: `{token, purpose}`.
    SendToken,
    /// Tell a user something: `{what, to, username}`.
    Notice,
    /// Make a digest of new posts for each administrator: `{events}`.
    NewPosts,
    /// Mail a digest to an administrator: `{to, events}`.
    TellAdministrator,
    /// Call a webhook: `{delivery}`.
    Deliver,
    /// Remove files from the store: `{keys}`. The database writes these jobs too, in a trigger.
    RemoveFiles,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::WantToken,
        Self::SendToken,
        Self::Notice,
        Self::NewPosts,
        Self::TellAdministrator,
        Self::Deliver,
        Self::RemoveFiles,
    ];

    /// As it stands in the table and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WantToken => "mail.wanted",
            Self::SendToken => "mail.token",
            Self::Notice => "mail.notice",
            Self::NewPosts => "mail.new_posts",
            Self::TellAdministrator => "mail.administrator",
            Self::Deliver => "webhook.deliver",
            Self::RemoveFiles => "media.remove",
        }
    }
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
#[derive(Debug)]
pub struct NewJob {
    /// Which receiver does it.
    pub kind: JobKind,
    /// What the receiver needs to know.
    pub payload: Value,
    /// Whom it is about, if it is void without them.
    pub user_id: Option<i64>,
}

impl NewJob {
    /// Have it done once the transaction stands.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(jobs::table)
            .values((
                jobs::kind.eq(self.kind.as_str()),
                jobs::payload.eq(&self.payload),
                jobs::user_id.eq(self.user_id),
            ))
            .execute(conn)
            .map(drop)
    }
}

/// One job for many events: `{events}`. It is due after `delay`, and takes in what comes until it is begun, up to [`GATHERED`] of them
/// or a few more.
pub fn gather_events(
    conn: &mut PgConnection,
    kind: JobKind,
    events: &[i64],
    delay: TimeDelta,
) -> QueryResult<()> {
    let added = diesel::sql_query(
        "UPDATE jobs SET payload = jsonb_build_object('events', payload->'events' || to_jsonb($2))
         WHERE id = (
             SELECT id FROM jobs
             WHERE kind = $1 AND attempts = 0 AND failed_at IS NULL AND jsonb_array_length(payload->'events') < $3
             ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind::<Text, _>(kind.as_str())
    .bind::<Array<BigInt>, _>(events)
    .bind::<Integer, _>(GATHERED)
    .execute(conn)?;
    if added > 0 {
        return Ok(());
    }
    diesel::insert_into(jobs::table)
        .values((
            jobs::kind.eq(kind.as_str()),
            jobs::payload.eq(json!({ "events": events })),
            jobs::due_at.eq(after!(delay)),
        ))
        .execute(conn)
        .map(drop)
}

impl Job {
    /// Take a job of these kinds that is due: the one that is for the longest time, or for the shortest. It is due again after
    /// `lease`, in case that this node dies; nodes that take at once take different ones. None that calls one of the `busy` webhooks.
    pub fn take(
        conn: &mut PgConnection,
        kinds: &[&str],
        order: Order,
        lease: TimeDelta,
        busy: &[i64],
    ) -> QueryResult<Option<Self>> {
        // `=`, so that the inner statement is run once, whatever the planner believes to know: within `IN`, on a table
        // that it takes for empty, it runs it per row, and all of them are taken.
        diesel::sql_query(format!(
            "UPDATE jobs SET attempts = attempts + 1, due_at = now() + $1
             WHERE id = (
                 SELECT id FROM jobs WHERE failed_at IS NULL AND due_at <= now() AND kind = ANY ($2)
                     AND (subject IS NULL OR NOT EXISTS (
                         SELECT FROM jobs AS earlier
                         WHERE earlier.kind = jobs.kind AND earlier.subject = jobs.subject AND earlier.id < jobs.id
                           AND earlier.failed_at IS NULL))
                     AND (delivery_id IS NULL OR NOT EXISTS (
                         SELECT FROM deliveries WHERE deliveries.id = delivery_id AND webhook_id = ANY ($3)))
                 ORDER BY {} LIMIT 1 FOR UPDATE SKIP LOCKED
             )
             RETURNING id, kind, payload, attempts,
                 (SELECT webhook_id FROM deliveries WHERE deliveries.id = delivery_id) AS webhook_id",
            match order {
                Order::OldestFirst => "due_at, id",
                Order::NewestFirst => "due_at DESC, id DESC",
            }
        ))
        .bind::<Interval, _>(lease)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Array<BigInt>, _>(busy)
        .get_result(conn)
        .optional()
    }

    /// In what time the next job of these kinds is due, if there is one. Those that are due already wait for another one.
    pub fn next_due(conn: &mut PgConnection, kinds: &[&str]) -> QueryResult<Option<TimeDelta>> {
        let (due, at): (Option<DateTime<Utc>>, DateTime<Utc>) = jobs::table
            .filter(jobs::failed_at.is_null().and(jobs::kind.eq_any(kinds)).and(jobs::due_at.gt(now)))
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
                 count(id) FILTER (WHERE failed_at IS NOT NULL) AS failed,
                 coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE failed_at IS NULL)), 0)
                     ::double precision AS oldest
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
                .set((jobs::last_error.eq(error), jobs::due_at.eq(after!(delay))))
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
