//! Jobs by type: what a job does, how often it is attempted, and in which queue.

use std::pin::Pin;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Notify;

use super::mail::Mailer;
use super::outcome::{Outcome, read};
use super::publisher::Subscription;
use super::webhooks::client::Client;
use super::webhooks::signature::Secrets;
use crate::auth::mail_tokens::MailTokens;
use crate::db::Db;
use crate::media::Media;
use crate::models::job::{JobKind, Order, Payload};
use crate::models::names::Email;
use crate::urls::Urls;

/// A payload that this program knows how to process.
pub(super) trait Job: Payload + 'static {
    /// Maximum number of attempts.
    const ATTEMPTS: i32;
    /// The queue in which jobs of this kind wait.
    const QUEUE: Queue;

    /// Run one attempt. It may be repeated, even after a success: the node may die before it records the outcome.
    async fn run(self, context: &JobContext) -> Outcome;

    /// Return the events from which the publisher makes these jobs, if it makes them.
    fn subscription(_: &JobContext) -> Option<Subscription> {
        None
    }
}

/// What jobs work with.
pub struct JobContext {
    /// The database that holds jobs and events.
    pub db: Db,
    /// Delivers mails.
    pub mailer: Mailer,
    /// Creates the tokens in mails.
    pub mail_tokens: MailTokens,
    /// The recipients of the digests of new posts.
    pub administrators: Vec<Email>,
    /// New posts that are written within this time share a digest.
    pub digest_window: TimeDelta,
    /// The base URL of the application's pages, without a slash at the end; the public URL if no application is configured.
    pub pages: String,
    /// Whether the application has a page for each post. Otherwise mails link to the post itself.
    pub has_post_pages: bool,
    /// Builds the URLs of resources.
    pub urls: Arc<Urls>,
    /// The store of the files.
    pub media: Media,
    /// Sends the requests to webhooks.
    pub webhook_client: Client,
    /// Derives the secrets that sign these requests.
    pub webhook_secrets: Secrets,
    /// How long a webhook may fail before it is given up.
    pub webhook_patience: TimeDelta,
}

/// Jobs that share workers, so that jobs of other queues do not wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Mails,
    Deliveries,
    Removals,
}

impl Queue {
    pub(super) const ALL: [Self; 3] = [Self::Mails, Self::Deliveries, Self::Removals];

    /// Return the order in which due jobs are taken.
    pub(super) fn order(self) -> Order {
        match self {
            Self::Mails | Self::Deliveries => Order::OldestFirst,
            // A user who deletes ten thousand posts must not make others wait until their one picture is removed.
            Self::Removals => Order::NewestFirst,
        }
    }

    /// Return the number of jobs that a node runs concurrently.
    pub(super) fn workers(self) -> usize {
        match self {
            Self::Mails => 4,
            Self::Deliveries => 16,
            Self::Removals => 2,
        }
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A type of jobs, as the dispatcher knows it.
pub(super) struct Receiver {
    pub(super) kind: JobKind,
    pub(super) attempts: i32,
    pub(super) queue: Queue,
    pub(super) run: for<'a> fn(Value, &'a JobContext) -> Work<'a>,
    pub(super) subscription: fn(&JobContext) -> Option<Subscription>,
}

impl Receiver {
    pub(super) fn of<J: Job>() -> Self {
        Self {
            kind: J::KIND,
            attempts: J::ATTEMPTS,
            queue: J::QUEUE,
            run: |payload, context| Box::pin(async move { read::<J>(payload)?.run(context).await }),
            subscription: J::subscription,
        }
    }
}

/// Wakes the tasks that wait for work.
#[derive(Default)]
pub struct JobSignals {
    /// The workers that wait for jobs, by queue.
    queues: [Notify; Queue::ALL.len()],
    /// The publisher, which waits for events that another program wrote.
    pub publisher: Notify,
}

impl JobSignals {
    /// Wake a worker of every queue, since there may be new jobs of any kind.
    pub fn all(&self) {
        self.queues.iter().for_each(Notify::notify_one);
    }

    /// Return the signal of a queue.
    pub(super) fn of(&self, queue: Queue) -> &Notify {
        &self.queues[queue as usize]
    }
}
