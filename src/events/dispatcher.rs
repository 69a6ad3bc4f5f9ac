//! Runs jobs: takes those that are due, has their receivers run them, and records the outcomes.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::{Mutex, watch};

use super::job::{JobContext, JobSignals, Queue, Receiver};
use super::outcome::Failure;
use super::publisher::Subscription;
use super::receivers::receivers;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::models::job::TakenJob;
use crate::timing::Timing;

/// Maximum number of jobs that a node runs concurrently for one webhook, and for one whose last attempt failed: a webhook that
/// hangs then delays few others.
const OF_WEBHOOK: usize = 4;
const OF_FAILING_WEBHOOK: usize = 1;
/// Maximum delay after a failure.
const LONGEST_DELAY: TimeDelta = TimeDelta::hours(1);

/// The result of looking for a job.
enum NextJob {
    Job(TakenJob),
    Nothing { until_due: Duration },
}

/// The webhooks that this node is calling.
#[derive(Default)]
struct Calls(HashMap<i64, WebhookCalls>);

#[derive(Clone, Copy, Default)]
struct WebhookCalls {
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

    /// Return the webhooks that have reached their limit of concurrent calls.
    fn busy(&self) -> Vec<i64> {
        let most = |called: &WebhookCalls| if called.has_failed { OF_FAILING_WEBHOOK } else { OF_WEBHOOK };
        self.0.iter().filter(|(_, called)| called.under_way >= most(called)).map(|(id, _)| *id).collect()
    }
}

/// Runs jobs, on the thread that calls [`run`](Self::run).
pub struct Dispatcher {
    context: Arc<JobContext>,
    signals: Arc<JobSignals>,
    receivers: Vec<Receiver>,
    metrics: Metrics,
    timing: Timing,
}

impl Dispatcher {
    /// Create a dispatcher. `signals` reports new jobs.
    pub fn new(signals: Arc<JobSignals>, context: Arc<JobContext>, metrics: Metrics, timing: Timing) -> Self {
        Self { receivers: receivers(), context, signals, metrics, timing }
    }

    /// Return the receivers' subscriptions to events.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.receivers.iter().filter_map(|receiver| (receiver.subscription)(&self.context)).collect()
    }

    /// Run jobs until `stop` is set. A job that has started is finished. Slow jobs delay only the jobs of their own queue.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let calls: [Mutex<Calls>; Queue::ALL.len()] = Default::default();
        let workers = Queue::ALL.into_iter().zip(&calls).flat_map(|(queue, calls)| {
            (0..queue.workers()).map(|_| self.work(queue, calls, stop.clone())).collect::<Vec<_>>()
        });
        join_all(workers).await;
    }

    /// Run one job after another until `stop` is set.
    async fn work(&self, queue: Queue, calls: &Mutex<Calls>, mut stop: watch::Receiver<bool>) {
        let signal = self.signals.of(queue);
        while !*stop.borrow() {
            let wait = match self.take(queue, calls).await {
                Ok(NextJob::Job(job)) => {
                    // There may be more jobs, for a worker that is waiting.
                    signal.notify_one();
                    let webhook = job.webhook_id;
                    let attempt = self.attempt(job).await;
                    if let Some(webhook) = webhook {
                        calls.lock().await.end(webhook, attempt.as_ref().is_ok_and(|is_done| *is_done));
                    }
                    let Err(error) = attempt else { continue };
                    error.log("the outcome of a job could not be recorded; the job will run again");
                    self.timing.outage_pause
                }
                Ok(NextJob::Nothing { until_due }) => until_due,
                Err(error) => {
                    error.log("the next job could not be read");
                    self.timing.outage_pause
                }
            };
            tokio::select! {
                () = signal.notified() => {}
                () = tokio::time::sleep(wait) => {}
                // Either the stop was requested, or the sender that could request it is gone.
                _ = stop.changed() => return,
            }
        }
    }

    async fn take(&self, queue: Queue, calls: &Mutex<Calls>) -> Result<NextJob> {
        let of_queue = self.receivers.iter().filter(|receiver| receiver.queue == queue);
        let kinds: Vec<_> = of_queue.map(|receiver| receiver.kind.as_str()).collect();
        let order = queue.order();
        // One worker at a time, so that each knows which jobs the others have taken.
        let mut calls = calls.lock().await;
        let busy = calls.busy();
        let (lease, poll) = (self.timing.job_lease, self.timing.job_poll);
        let taken = self
            .context
            .db
            .run(move |conn| {
                if let Some(job) = TakenJob::take(conn, &kinds, order, lease, &busy)? {
                    return Ok(NextJob::Job(job));
                }
                // `next_due` only looks for jobs that are due later, so no time is negative.
                let due = TakenJob::next_due(conn, &kinds)?.and_then(|due| due.to_std().ok());
                Ok(NextJob::Nothing { until_due: due.unwrap_or(poll).min(poll) })
            })
            .await?;
        if let NextJob::Job(TakenJob { webhook_id: Some(webhook), .. }) = taken {
            calls.begin(webhook);
        }
        Ok(taken)
    }

    /// Run one attempt. Return whether the job is done.
    async fn attempt(&self, job: TakenJob) -> Result<bool> {
        let Some(receiver) = self.receivers.iter().find(|receiver| receiver.kind.as_str() == job.kind) else {
            return Err(Error::internal(format!("no receiver handles jobs of the kind {}", job.kind)));
        };
        let outcome = if job.attempts > receiver.attempts {
            // The nodes that took the job before died before they could record an outcome.
            Err(Failure::Permanent("the programs that ran the job ended before it did".into()))
        } else {
            let work = AssertUnwindSafe((receiver.run)(job.payload.clone(), &self.context));
            work.catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Failure::Transient("a receiver panicked".into())))
        };
        match outcome {
            Ok(()) => {
                self.metrics.jobs_done.of(receiver.kind.as_str()).inc();
                self.context.db.run(move |conn| Ok(job.done(conn)?)).await.map(|()| true)
            }
            Err(failure) => self.fail(receiver, job, failure).await.map(|()| false),
        }
    }

    /// Schedule a retry of the job after a delay, or give it up.
    async fn fail(&self, receiver: &Receiver, job: TakenJob, failure: Failure) -> Result<()> {
        let (cause, delay) = match failure {
            Failure::Transient(cause) if job.attempts < receiver.attempts => {
                (cause, Some(delay(self.timing.first_delay, job.attempts)))
            }
            Failure::Transient(cause) | Failure::Permanent(cause) => (cause, None),
        };
        let (kind, id, attempt) = (receiver.kind.as_str(), job.id, job.attempts);
        if let Some(delay) = delay {
            self.metrics.jobs_retried.of(kind).inc();
            tracing::warn!(kind, job = id, attempt, again_in = %delay, cause, "a job failed");
        } else {
            self.metrics.jobs_failed.of(kind).inc();
            tracing::error!(kind, job = id, attempt, cause, "a job is given up");
        }
        self.context.db.run(move |conn| Ok(job.failed(conn, &cause, delay)?)).await
    }
}

/// Return the delay after this number of attempts.
fn delay(first: TimeDelta, attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    first.checked_mul(1 << doublings).map_or(LONGEST_DELAY, |delay| delay.min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_an_hour() {
        let first = Timing::default().first_delay;
        let seconds: Vec<i64> =
            [1, 2, 3, 10, 11, 12, 1000].into_iter().map(|n| delay(first, n).num_seconds()).collect();
        assert_eq!(seconds, [2, 4, 8, 1024, 2048, 3600, 3600]);
    }
}
