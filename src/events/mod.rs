//! What happens after a transaction: the outbox, who works it off, and what purges itself.
//!
//! A job stands in the database once the transaction that causes it does. Whichever node is alive takes it, woken by a notice,
//! and does it at least once: a receiver must not mind doing a job twice. What fails is tried again after a delay that grows.
//!
//! A receiver is one function, and one line in [`lanes`]. Some do what a handler asks for; others hear of events, which the
//! `publisher` makes jobs of.

pub mod accounts;
pub mod administrators;
mod cleanup;
pub mod housekeeping;
pub mod mail;
pub mod publisher;
pub mod webhooks;

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::auth::mail_tokens::{SEND_TOKEN, WANT_TOKEN};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::media::Media;
use crate::media::cleanup::REMOVE_FILES;
use crate::models::job::{Job, Order};
use crate::models::webhook::DELIVER;
use accounts::{AccountMails, NOTICE};
use administrators::{AdministratorMails, NEW_POSTS, TELL_ADMINISTRATOR};
use publisher::Subscription;
use webhooks::courier::Courier;

/// After this time a job is taken to be abandoned. No receiver may work longer.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// The longest time between two looks, should a notice get lost.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait where the database does not answer.
const OUTAGE: Duration = Duration::from_secs(1);
/// Jobs of one webhook that a node does at once, and those of one whose last attempt failed: so one that hangs holds up few others.
const OF_WEBHOOK: usize = 4;
const OF_FAILING_WEBHOOK: usize = 1;
/// The delay after the first failure; it doubles with each.
const FIRST_DELAY: i64 = 2;
/// The longest delay, in seconds.
const LONGEST_DELAY: i64 = 3600;

/// What becomes of a job.
pub type Outcome = Result<(), Failure>;

/// Why a job is not done. The text goes to the log and into the table, so it names no address and no token.
#[derive(Debug)]
pub enum Failure {
    /// It may work later.
    Passing(String),
    /// It never will.
    Lasting(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Passing(error.to_string())
    }
}

type Work = Pin<Box<dyn Future<Output = Outcome>>>;

/// What a receiver hears of.
#[derive(Clone, Copy)]
struct Hears {
    types: &'static [&'static str],
    within: TimeDelta,
}

/// Does the jobs of one kind.
struct Receiver {
    kind: &'static str,
    /// How often a job is tried at the most.
    tries: i32,
    hears: Option<Hears>,
    work: Box<dyn Fn(Value) -> Work>,
}

impl Receiver {
    fn new<F: Future<Output = Outcome> + 'static>(
        kind: &'static str,
        tries: i32,
        work: impl Fn(Value) -> F + 'static,
    ) -> Self {
        Self { kind, tries, hears: None, work: Box::new(move |payload| Box::pin(work(payload))) }
    }

    /// The same that hears of events of these types, of all at once that come within this time: `{events}`.
    fn on(self, types: &'static [&'static str], within: TimeDelta) -> Self {
        Self { hears: Some(Hears { types, within }), ..self }
    }
}

/// Receivers with workers of their own, so that the others need not wait for theirs.
struct Lane {
    receivers: Vec<Receiver>,
    order: Order,
    /// Jobs that a node does at once.
    workers: usize,
}

/// How many lanes there are.
const LANES: usize = 3;

/// Wakes whoever waits for work.
#[derive(Default)]
pub struct Wake {
    /// Those who wait for jobs.
    lanes: [Notify; LANES],
    /// The one who waits for events that another program wrote.
    pub publisher: Notify,
}

impl Wake {
    /// There may be new jobs, of whatever kind.
    pub fn all(&self) {
        self.lanes.iter().for_each(Notify::notify_one);
    }
}

/// How long new posts are gathered for one mail.
const GATHERING: TimeDelta = TimeDelta::seconds(5);

/// What receivers work with.
pub struct Means {
    /// Where jobs and events are.
    pub db: Data<Db>,
    /// Writes to users.
    pub mails: Arc<AccountMails>,
    /// Writes to the administrators.
    pub administrators: Arc<AdministratorMails>,
    /// Calls webhooks.
    pub courier: Arc<Courier>,
    /// Where files are.
    pub media: Data<Media>,
}

/// Who does what. Twenty tries of a mail take about nine hours, thirty of a delivery twenty; files are removed until the store agrees.
fn lanes(means: &Means) -> [Lane; LANES] {
    let (wanted, token, notice) =
        (Arc::clone(&means.mails), Arc::clone(&means.mails), Arc::clone(&means.mails));
    let (posted, told) = (Arc::clone(&means.administrators), Arc::clone(&means.administrators));
    let (db, media) = (means.db.clone(), means.media.clone());
    let types: &[&str] = if posted.administrators.is_empty() { &[] } else { &["post.created"] };
    let mails = vec![
        Receiver::new(WANT_TOKEN, 20, move |payload| Arc::clone(&wanted).want(payload)),
        Receiver::new(SEND_TOKEN, 20, move |payload| Arc::clone(&token).send_token(payload)),
        Receiver::new(NOTICE, 20, move |payload| Arc::clone(&notice).send_notice(payload)),
        Receiver::new(NEW_POSTS, 20, move |payload| Arc::clone(&posted).of_new_posts(payload))
            .on(types, GATHERING),
        Receiver::new(TELL_ADMINISTRATOR, 20, move |payload| Arc::clone(&told).tell(payload)),
    ];
    let removals = vec![Receiver::new(REMOVE_FILES, i32::MAX, move |payload| {
        cleanup::remove_files(media.as_ref().clone(), db.clone(), payload)
    })];
    let courier = Arc::clone(&means.courier);
    let deliveries = vec![Receiver::new(DELIVER, 30, move |payload| Arc::clone(&courier).deliver(payload))];
    [
        Lane { receivers: mails, order: Order::OldestFirst, workers: 4 },
        Lane { receivers: deliveries, order: Order::OldestFirst, workers: 16 },
        // Who deletes ten thousand posts should not make others wait for the end of their one picture.
        Lane { receivers: removals, order: Order::NewestFirst, workers: 2 },
    ]
}

impl Lane {
    fn kinds(&self) -> Vec<&'static str> {
        self.receivers.iter().map(|receiver| receiver.kind).collect()
    }
}

/// Every kind of job that there is, for whoever counts them.
pub const KINDS: [&str; 7] =
    [WANT_TOKEN, SEND_TOKEN, NOTICE, NEW_POSTS, TELL_ADMINISTRATOR, DELIVER, REMOVE_FILES];

/// What there is to do.
enum Taken {
    Job(Job),
    Nothing { until_due: Duration },
}

/// Which webhooks this node is calling.
#[derive(Default)]
struct Calls(HashMap<i64, Called>);

#[derive(Clone, Copy, Default)]
struct Called {
    under_way: usize,
    has_failed: bool,
}

impl Calls {
    fn begin(&mut self, webhook: i64) {
        self.0.entry(webhook).or_default().under_way += 1;
    }

    fn end(&mut self, webhook: i64, is_done: bool) {
        if let Some(called) = self.0.get_mut(&webhook) {
            called.under_way -= 1;
            called.has_failed = !is_done;
            if is_done && called.under_way == 0 {
                self.0.remove(&webhook);
            }
        }
    }

    /// Those that are called often enough.
    fn busy(&self) -> Vec<i64> {
        let most = |called: &Called| if called.has_failed { OF_FAILING_WEBHOOK } else { OF_WEBHOOK };
        self.0.iter().filter(|(_, called)| called.under_way >= most(called)).map(|(id, _)| *id).collect()
    }
}

/// Works the jobs off, on the thread that runs it.
pub struct Dispatcher {
    db: Data<Db>,
    wake: Arc<Wake>,
    lanes: [Lane; LANES],
}

impl Dispatcher {
    /// `wake` is told of new jobs.
    pub fn new(wake: Arc<Wake>, means: &Means) -> Self {
        Self { lanes: lanes(means), db: means.db.clone(), wake }
    }

    /// What the receivers want to hear of.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let receivers = self.lanes.iter().flat_map(|lane| &lane.receivers);
        let wishes = receivers.filter_map(|receiver| Some((receiver.kind, receiver.hears?)));
        wishes.map(|(kind, Hears { types, within })| Subscription { kind, types, within }).collect()
    }

    /// Until `stop` says so; a job that has begun is finished. Slow jobs hold up those of their lane, and no others.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let lanes = self.lanes.iter().zip(&self.wake.lanes);
        let workers = lanes.flat_map(|(lane, wake)| (0..lane.workers).map(move |_| (lane, wake)));
        let calls = RefCell::default();
        join_all(workers.map(|(lane, wake)| self.work(lane, wake, &calls, stop.clone()))).await;
    }

    /// One job after another.
    async fn work(
        &self,
        lane: &Lane,
        wake: &Notify,
        calls: &RefCell<Calls>,
        mut stop: watch::Receiver<bool>,
    ) {
        while !*stop.borrow() {
            let wait = match self.take(lane, calls).await {
                Ok(Taken::Job(job)) => {
                    // There may be more, for whoever waits.
                    wake.notify_one();
                    let webhook = job.webhook_id;
                    let attempt = self.attempt(lane, job).await;
                    if let Some(webhook) = webhook {
                        calls.borrow_mut().end(webhook, attempt.as_ref().is_ok_and(|is_done| *is_done));
                    }
                    if attempt.is_ok() {
                        continue;
                    }
                    OUTAGE
                }
                Ok(Taken::Nothing { until_due }) => until_due,
                // The pool has logged it.
                Err(_) => OUTAGE,
            };
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                // Told to, or nobody is left who could tell.
                _ = stop.changed() => return,
            }
        }
    }

    async fn take(&self, lane: &Lane, calls: &RefCell<Calls>) -> Result<Taken> {
        let kinds = lane.kinds();
        let order = lane.order;
        let busy = calls.borrow().busy();
        let taken = self
            .db
            .run(move |conn| {
                if let Some(job) = Job::take(conn, &kinds, order, LEASE, &busy)? {
                    return Ok(Taken::Job(job));
                }
                let due = Job::next_due(conn, &kinds)?.and_then(|due| due.to_std().ok());
                Ok(Taken::Nothing { until_due: due.unwrap_or(LOOK).min(LOOK) })
            })
            .await?;
        if let Taken::Job(Job { webhook_id: Some(webhook), .. }) = taken {
            calls.borrow_mut().begin(webhook);
        }
        Ok(taken)
    }

    /// Whether it is done.
    async fn attempt(&self, lane: &Lane, job: Job) -> Result<bool> {
        let Some(receiver) = lane.receivers.iter().find(|receiver| receiver.kind == job.kind) else {
            return Ok(false);
        };
        let outcome = if job.attempts > receiver.tries {
            // Whoever took it before did not live to say what became of it.
            Err(Failure::Lasting("it ended the program that did it".into()))
        } else {
            let work = AssertUnwindSafe((receiver.work)(job.payload.clone()));
            work.catch_unwind().await.unwrap_or_else(|_| Err(Failure::Passing("a receiver panicked".into())))
        };
        let (error, delay) = match outcome {
            Ok(()) => return self.db.run(move |conn| Ok(job.done(conn)?)).await.map(|()| true),
            Err(Failure::Passing(error)) if job.attempts < receiver.tries => {
                (error, Some(delay(job.attempts)))
            }
            Err(Failure::Passing(error) | Failure::Lasting(error)) => (error, None),
        };
        match delay {
            Some(delay) => {
                tracing::warn!(kind = job.kind, job = job.id, attempt = job.attempts, again_in = %delay, cause = error, "a job failed");
            }
            None => {
                tracing::error!(
                    kind = job.kind,
                    job = job.id,
                    attempt = job.attempts,
                    cause = error,
                    "a job is given up"
                );
            }
        }
        self.db.run(move |conn| Ok(job.failed(conn, &error, delay)?)).await.map(|()| false)
    }
}

/// After so many attempts.
fn delay(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    TimeDelta::seconds((FIRST_DELAY << doublings).min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_an_hour() {
        let seconds: Vec<i64> =
            [1, 2, 3, 10, 11, 12, 1000].into_iter().map(|n| delay(n).num_seconds()).collect();
        assert_eq!(seconds, [2, 4, 8, 1024, 2048, 3600, 3600]);
    }
}
