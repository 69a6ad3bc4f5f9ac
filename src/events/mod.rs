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
pub mod dispatcher;
pub mod housekeeping;
pub mod mail;
pub mod publisher;
pub mod webhooks;

use std::pin::Pin;
use std::sync::Arc;

use actix_web::web::Data;
use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Notify;

use crate::auth::mail_tokens::{SEND_TOKEN, WANT_TOKEN};
use crate::db::Db;
use crate::error::Error;
use crate::media::Media;
use crate::media::cleanup::REMOVE_FILES;
use crate::models::job::Order;
use crate::models::webhook::DELIVER;
use crate::timing::Timing;
use accounts::{AccountMails, NOTICE};
use administrators::{AdministratorMails, NEW_POSTS, TELL_ADMINISTRATOR};
use webhooks::courier::Courier;

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
fn lanes(means: &Means, timing: &Timing) -> [Lane; LANES] {
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
            .on(types, timing.digest_window),
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
