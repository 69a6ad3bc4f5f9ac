//! Publishes events: assigns their positions, and writes the jobs of all receivers that subscribe to them.
//!
//! A serial number is assigned before the commit, so a client that reads by serial number could miss an event that commits later.
//! Events therefore get their public ids afterwards, from one node at a time, which can be any live node. Since that is a
//! transaction, the jobs of their receivers are written in it.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::{Connection, PgConnection};
use tokio::sync::{Notify, watch};

use crate::db::Db;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::models::event::{Event, PublishedEvent};
use crate::models::job::{self, JobKind};
use crate::models::webhook::Delivery;
use crate::timing::Timing;

/// Maximum number of changes that are published together, with one or two events each.
const BATCH: i64 = 500;
/// How long to wait while another node publishes.
const BUSY: Duration = Duration::from_millis(50);

/// A receiver's subscription to events.
#[derive(Clone, Copy)]
pub struct Subscription {
    /// The kind of the receiver's jobs.
    pub kind: JobKind,
    /// The types of the events.
    pub types: &'static [&'static str],
    /// The events that arrive within this time share one job.
    pub within: TimeDelta,
}

/// Publishes events.
pub struct Publisher {
    /// The database that holds the events.
    pub db: Db,
    /// The subscriptions of the receivers.
    pub subscriptions: Vec<Subscription>,
    /// The metrics of this node.
    pub metrics: Metrics,
    /// The intervals of publishing.
    pub timing: Timing,
}

impl Publisher {
    /// Publish until `stop` is set. `written` reports events that this node did not write itself.
    pub async fn run(self, written: &Notify, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let wait = match self.publish().await {
                Ok(Some(events)) if events >= usize::try_from(BATCH).unwrap_or(usize::MAX) => continue,
                Ok(Some(_)) => None,
                Ok(None) => Some(BUSY),
                Err(error) => {
                    error.log("events could not be published");
                    Some(self.timing.outage_pause)
                }
            };
            let next_batch = async {
                tokio::time::sleep(wait.unwrap_or(self.timing.publish_interval)).await;
                if wait.is_none() {
                    tokio::select! {
                        () = self.db.committed() => {}
                        () = written.notified() => {}
                    }
                }
            };
            tokio::select! {
                () = next_batch => {}
                // Either the stop was requested, or the sender that could request it is gone.
                _ = stop.changed() => return,
            }
        }
    }

    /// Publish one batch. Return the number of events, or `None` if another node is publishing.
    async fn publish(&self) -> Result<Option<usize>> {
        let subscriptions = self.subscriptions.clone();
        let publish = move |conn: &mut PgConnection| {
            let published = Event::publish(conn, BATCH)?;
            let events = published.as_deref().unwrap_or_default();
            if !events.is_empty() {
                Delivery::prepare(conn, events)?;
            }
            for subscription in &subscriptions {
                tell(conn, *subscription, events)?;
            }
            Ok(published.map(|events| events.len()))
        };
        // This is not `Db::transaction`, which would wake this publisher in turn. If it runs twice, it publishes what is left.
        let published = self.db.run(move |conn| conn.transaction(&publish)).await?;
        self.metrics.events_published.inc_by(published.unwrap_or_default() as u64);
        Ok(published)
    }
}

fn tell(conn: &mut PgConnection, subscription: Subscription, events: &[PublishedEvent]) -> Result<()> {
    let wanted = events.iter().filter(|event| subscription.types.contains(&event.kind.as_str()));
    let ids: Vec<i64> = wanted.map(|event| event.id).collect();
    if !ids.is_empty() {
        job::gather_events(conn, subscription.kind, &ids, subscription.within)?;
    }
    Ok(())
}
