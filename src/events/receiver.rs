//! What does jobs: receivers, in lanes of their own workers.

use std::pin::Pin;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::Notify;

use super::outcome::Outcome;
use crate::models::job::{JobKind, Order};

type Work = Pin<Box<dyn Future<Output = Outcome>>>;

/// What a receiver hears of.
#[derive(Clone, Copy)]
pub(super) struct Hears {
    pub(super) types: &'static [&'static str],
    pub(super) within: TimeDelta,
}

/// Does the jobs of one kind.
pub(super) struct Receiver {
    pub(super) kind: JobKind,
    /// How often a job is tried at the most.
    pub(super) tries: i32,
    pub(super) hears: Option<Hears>,
    pub(super) work: Box<dyn Fn(Value) -> Work>,
}

impl Receiver {
    pub(super) fn new<F: Future<Output = Outcome> + 'static>(
        kind: JobKind,
        tries: i32,
        work: impl Fn(Value) -> F + 'static,
    ) -> Self {
        Self { kind, tries, hears: None, work: Box::new(move |payload| Box::pin(work(payload))) }
    }

    /// The same that hears of events of these types, of all at once that come within this time: `{events}`.
    pub(super) fn on(self, types: &'static [&'static str], within: TimeDelta) -> Self {
        Self { hears: Some(Hears { types, within }), ..self }
    }
}

/// Receivers with workers of their own, so that the others need not wait for theirs.
pub(super) struct Lane {
    pub(super) receivers: Vec<Receiver>,
    pub(super) order: Order,
    /// Jobs that a node does at once.
    pub(super) workers: usize,
}

impl Lane {
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.receivers.iter().map(|receiver| receiver.kind.as_str()).collect()
    }
}

/// How many lanes there are.
pub(super) const LANES: usize = 3;

/// Wakes whoever waits for work.
#[derive(Default)]
pub struct Wake {
    /// Those who wait for jobs.
    pub(super) lanes: [Notify; LANES],
    /// The one who waits for events that another program wrote.
    pub publisher: Notify,
}

impl Wake {
    /// There may be new jobs, of whatever kind.
    pub fn all(&self) {
        self.lanes.iter().for_each(Notify::notify_one);
    }
}
