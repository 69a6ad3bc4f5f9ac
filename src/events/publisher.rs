//! Publishes events: gives them their places, and has every receiver told that wants to know of them.
//!
//! A serial number is given out before the commit, so whoever reads by it could pass over one that commits later. So events get
//! their public ids afterwards, from one node at a time, whichever is alive; and since that is a transaction, their receivers' jobs
//! are written with it.

use std::time::Duration;

use actix_web::web::Data;
use chrono::TimeDelta;
use diesel::{Connection, PgConnection};
use tokio::sync::{Notify, watch};

use crate::db::Db;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::models::event::{Event, Published};
use crate::models::job::{self, JobKind};
use crate::models::webhook::Delivery;
use crate::timing::Timing;

/// Changes that are published at once, with an event or two each.
const BATCH: i64 = 500;
/// How long another node may take.
const BUSY: Duration = Duration::from_millis(50);

/// A receiver's wish to hear of events.
#[derive(Clone, Copy)]
pub struct Subscription {
    /// Of the receiver's jobs.
    pub kind: JobKind,
    /// Of the events.
    pub types: &'static [&'static str],
    /// One job is for all that come within this time.
    pub within: TimeDelta,
}

/// Publishes.
pub struct Publisher {
    /// Where the events are.
    pub db: Data<Db>,
    /// Who hears of them.
    pub subscriptions: Vec<Subscription>,
    /// What this node counts.
    pub metrics: Metrics,
    /// How often.
    pub timing: Timing,
}

impl Publisher {
    /// Until `stop` says so. `written` tells of events that this node did not write itself.
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
            let news = async {
                tokio::time::sleep(wait.unwrap_or(self.timing.publish_interval)).await;
                if wait.is_none() {
                    tokio::select! {
                        () = self.db.committed() => {}
                        () = written.notified() => {}
                    }
                }
            };
            tokio::select! {
                () = news => {}
                // Told to, or nobody is left who could tell.
                _ = stop.changed() => return,
            }
        }
    }

    /// How many it were; nothing where another node is about to.
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
        // No `Db::transaction`, which would wake this publisher in turn. Done twice, it publishes what is left.
        let published = self.db.run(move |conn| conn.transaction(&publish)).await?;
        self.metrics.events_published.inc_by(published.unwrap_or_default() as u64);
        Ok(published)
    }
}

fn tell(conn: &mut PgConnection, subscription: Subscription, events: &[Published]) -> Result<()> {
    let wanted = events.iter().filter(|event| subscription.types.contains(&event.kind.as_str()));
    let ids: Vec<i64> = wanted.map(|event| event.id).collect();
    if !ids.is_empty() {
        job::gather_events(conn, subscription.kind, &ids, subscription.within)?;
    }
    Ok(())
}
