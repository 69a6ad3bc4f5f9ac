//! Receivers, which run the jobs, in lanes that have their own workers.

use std::pin::Pin;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Notify;

use super::outcome::Outcome;
use crate::models::job::{JobKind, Order};

type Work = Pin<Box<dyn Future<Output = Outcome>>>;

/// The events that a receiver subscribes to.
#[derive(Clone, Copy)]
pub(super) struct Subscriptions {
    pub(super) types: &'static [&'static str],
    pub(super) within: TimeDelta,
}

/// Runs the jobs of one kind.
pub(super) struct Receiver {
    pub(super) kind: JobKind,
    /// Maximum number of attempts at a job.
    pub(super) tries: i32,
    pub(super) subscriptions: Option<Subscriptions>,
    pub(super) work: Box<dyn Fn(Value) -> Work>,
}

impl Receiver {
    pub(super) fn new<F: Future<Output = Outcome> + 'static>(
        kind: JobKind,
        tries: i32,
        work: impl Fn(Value) -> F + 'static,
    ) -> Self {
        Self { kind, tries, subscriptions: None, work: Box::new(move |payload| Box::pin(work(payload))) }
    }

    /// Return this receiver with a subscription to events of these types. All events that arrive within this time share one job:
    /// `{events}`.
    pub(super) fn on(self, types: &'static [&'static str], within: TimeDelta) -> Self {
        Self { subscriptions: Some(Subscriptions { types, within }), ..self }
    }
}

/// Receivers with their own workers, so that jobs of other lanes do not wait for theirs.
pub(super) struct Queue {
    pub(super) receivers: Vec<Receiver>,
    pub(super) order: Order,
    /// Number of jobs that a node runs concurrently.
    pub(super) workers: usize,
}

impl Queue {
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.receivers.iter().map(|receiver| receiver.kind.as_str()).collect()
    }
}

/// The number of lanes.
pub(super) const QUEUES: usize = 3;

/// Wakes the tasks that wait for work.
#[derive(Default)]
pub struct JobSignals {
    /// The workers that wait for jobs, by lane.
    pub(super) lanes: [Notify; QUEUES],
    /// The publisher, which waits for events that another program wrote.
    pub publisher: Notify,
}

impl JobSignals {
    /// Wake a worker of every lane, since there may be new jobs of any kind.
    pub fn all(&self) {
        self.lanes.iter().for_each(Notify::notify_one);
    }
}
