//! Purges rows that are no longer needed, in small batches, on any live node.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use diesel::{PgConnection, QueryResult};
use tokio::sync::watch;

use crate::auth::keys::Keys;
use crate::auth::throttle;
use crate::db::Db;
use crate::error::Result;
use crate::models::account_token::AccountToken;
use crate::models::event::Event;
use crate::models::file::File;
use crate::models::job::TakenJob;
use crate::models::label::Label;
use crate::models::session::Session;
use crate::models::webhook::Delivery;
use crate::models::{idempotency_key, throttle as buckets};

/// Number of rows that one statement deletes: few enough that no lock is held for long.
const BATCH: i64 = 500;
/// How long a job that was given up stays available for inspection.
const FAILED_JOBS: TimeDelta = TimeDelta::days(30);

/// Purges expired rows.
#[derive(Clone)]
pub struct Housekeeping {
    /// The database.
    pub db: Db,
    /// The lifetime of an access token, and therefore of a key that signed one.
    pub access_lifetime: TimeDelta,
    /// How long a network counts as one of a user's known networks.
    pub known_network: TimeDelta,
    /// How long an upload may take. Uploads that took longer are looked for at this interval too, if it is shorter than
    /// `interval`.
    pub upload_lease: Duration,
    /// How long events are kept, and the outcomes of their deliveries to webhooks.
    pub events_kept: TimeDelta,
    /// The interval between two purges.
    pub interval: Duration,
}

impl Housekeeping {
    /// Purge at intervals until `stop` is set.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "purged"),
                // The next purge continues where this one ended.
                Err(error) => error.log("the purge could not be completed"),
            }
            tokio::select! {
                () = tokio::time::sleep(self.interval.min(self.upload_lease)) => {}
                // Either the stop was requested, or the sender that could request it is gone.
                _ = stop.changed() => return,
            }
        }
    }

    /// Delete everything that has expired, and return the number of rows.
    pub async fn sweep(&self) -> Result<usize> {
        let (lifetime, known, kept) = (self.access_lifetime, self.known_network, self.events_kept);
        let mut rows = self.db.transaction(move |conn| Keys::purge(conn, lifetime)).await?;
        let now = Utc::now();
        rows += self.batches(|conn| Session::purge(conn, BATCH)).await?;
        rows += self.batches(|conn| AccountToken::purge(conn, BATCH)).await?;
        rows += self.batches(|conn| idempotency_key::purge(conn, BATCH)).await?;
        rows += self.batches(|conn| File::purge(conn, BATCH)).await?;
        rows += self.batches(move |conn| buckets::purge(conn, now - throttle::FORGETS_AFTER, BATCH)).await?;
        rows += self.batches(move |conn| buckets::purge_networks(conn, now - known, BATCH)).await?;
        rows += self.batches(move |conn| TakenJob::purge(conn, now - FAILED_JOBS, BATCH)).await?;
        rows += self.batches(move |conn| Delivery::purge(conn, now - kept, BATCH)).await?;
        rows += self.batches(move |conn| Event::purge(conn, now - kept, BATCH)).await?;
        rows += self.batches(|conn| Label::sum_up_counts(conn, BATCH)).await?;
        Ok(rows)
    }

    async fn batches(
        &self,
        purge: impl Fn(&mut PgConnection) -> QueryResult<usize> + Copy + Send + 'static,
    ) -> Result<usize> {
        let mut rows = 0;
        loop {
            let batch = self.db.transaction(move |conn| Ok(purge(conn)?)).await?;
            rows += batch;
            if batch < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(rows);
            }
        }
    }
}
