//! Jobs: the outbox. The transaction that causes a job writes it, and any live node runs it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::result::Error::SerializationError;
use diesel::sql_types::{Array, BigInt, Double, Integer, Interval, Nullable, Text, Timestamptz};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strum::VariantArray;

use super::delete_some;
use crate::schema::jobs;

/// The number of events from which a job takes no more.
const GATHERED: i32 = 1000;

/// The database's current time plus a delay.
macro_rules! after {
    ($delay:expr) => {
        diesel::dsl::sql::<Timestamptz>("now() + ").bind::<Interval, _>($delay)
    };
}

/// A job that a worker has taken.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct TakenJob {
    pub id: i64,
    pub kind: String,
    pub payload: Value,
    pub attempts: i32,
    /// The webhook that the job calls, if it is a delivery.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub webhook_id: Option<i64>,
}

/// The number of jobs of a kind.
#[derive(Debug, QueryableByName)]
pub struct JobCount {
    /// The kind, which determines the receiver.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The jobs to be run.
    #[diesel(sql_type = BigInt)]
    pub pending: i64,
    /// The jobs among them that have failed before.
    #[diesel(sql_type = BigInt)]
    pub retrying: i64,
    /// The jobs that were given up.
    #[diesel(sql_type = BigInt)]
    pub failed: i64,
    /// How long the oldest of the jobs to be run has waited, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest: f64,
}

/// What a job does. Its payload is a type of [`super::job_payload`], and the module `events` runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum JobKind {
    /// Mails a token to an address, if a user has the address.
    SendTokenIfKnown,
    /// Mails the token of a row.
    SendToken,
    /// Mails a notice to a user.
    SendAccountNotice,
    /// Makes a digest of new posts for each administrator.
    DigestPosts,
    /// Mails a digest to an administrator.
    SendDigest,
    /// Calls a webhook.
    CallWebhook,
    /// Removes files from the store. The database writes these jobs too, in a trigger.
    RemoveFiles,
}

impl JobKind {
    /// Return the name that the table and the metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendTokenIfKnown => "mail.wanted",
            Self::SendToken => "mail.token",
            Self::SendAccountNotice => "mail.notice",
            Self::DigestPosts => "mail.new_posts",
            Self::SendDigest => "mail.administrator",
            Self::CallWebhook => "webhook.deliver",
            Self::RemoveFiles => "media.remove",
        }
    }

    /// Return the names of all kinds.
    pub fn names() -> Vec<&'static str> {
        Self::VARIANTS.iter().map(|kind| kind.as_str()).collect()
    }
}

/// The order in which due jobs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By due time, oldest first.
    OldestFirst,
    /// By due time, newest first: a backlog does not delay the jobs that come after it.
    NewestFirst,
}

/// What the code that runs a job needs to know.
pub trait Payload: Serialize + DeserializeOwned {
    /// The kind of the job.
    const KIND: JobKind;

    /// Insert a job, which is run once the transaction is committed. `user_id` is the user that the job is about, if the job is
    /// void without that user.
    fn enqueue(&self, conn: &mut PgConnection, user_id: Option<i64>) -> QueryResult<()> {
        let payload = serde_json::to_value(self).map_err(|error| SerializationError(error.into()))?;
        diesel::insert_into(jobs::table)
            .values((
                jobs::kind.eq(Self::KIND.as_str()),
                jobs::payload.eq(payload),
                jobs::user_id.eq(user_id),
            ))
            .execute(conn)
            .map(drop)
    }
}

/// Write one job for many events: `{events}`. It is due after `delay`. Until it is taken, it collects further events, up to
/// [`GATHERED`] of them or a few more.
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

impl TakenJob {
    /// Take a job of these kinds that is due: the one that has been due for the longest or the shortest time, by `order`. It
    /// becomes due again after `lease`, in case this node dies. Nodes that take jobs concurrently take different ones. Jobs that
    /// call one of the `busy` webhooks are skipped.
    pub fn take(
        conn: &mut PgConnection,
        kinds: &[&str],
        order: Order,
        lease: TimeDelta,
        busy: &[i64],
    ) -> QueryResult<Option<Self>> {
        // With `=`, the inner statement runs once, whatever the planner assumes. With `IN`, on a table that the planner assumes
        // to be empty, it would run once per row, and all jobs would be taken.
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

    /// Return the time until the next job of these kinds is due, if there is one. A job that is already due is not considered: it
    /// waits for another job to end.
    pub fn next_due(conn: &mut PgConnection, kinds: &[&str]) -> QueryResult<Option<TimeDelta>> {
        let (due, at): (Option<DateTime<Utc>>, DateTime<Utc>) = jobs::table
            .filter(jobs::failed_at.is_null().and(jobs::kind.eq_any(kinds)).and(jobs::due_at.gt(now)))
            .select((diesel::dsl::min(jobs::due_at), diesel::dsl::sql::<Timestamptz>("now()")))
            .first(conn)?;
        Ok(due.map(|due| due - at))
    }

    /// Count the jobs of each of these kinds, including kinds that have none.
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

    /// Delete the job after it was run. This affects the row only if the caller was the last to take it: a node that was too slow
    /// leaves the job to the node that took it over.
    pub fn done(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(jobs::table.find(self.id).filter(jobs::attempts.eq(self.attempts)))
            .execute(conn)
            .map(drop)
    }

    /// Record that the job failed, and retry it after `delay`. `None` gives it up.
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

    /// Delete up to `most` jobs that were given up before `before`, and return their number.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "jobs", "failed_at < $2", most, before => Timestamptz)
    }
}
