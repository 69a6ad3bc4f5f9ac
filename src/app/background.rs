//! The tasks of a node that run in the background.

use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use futures_util::future::join_all;
use tokio::sync::watch;

/// The tasks that run in the background until they are told to stop.
pub struct Background {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Start no task yet.
    pub(super) fn new() -> Self {
        Self { stop: watch::channel(false).0, tasks: Vec::new() }
    }

    /// Start a task on the thread of the caller's actix system. It ends once the value that it receives is `true`.
    pub(super) fn spawn<F: Future<Output = ()> + 'static>(
        mut self,
        task: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        self.tasks.push(actix_web::rt::spawn(task(self.stop.subscribe())));
        self
    }

    /// Finish the jobs that have started, for at most this long. Another node does the rest, or this one after its next start.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        // The panic hook has logged a task that panicked; a job that is not finished in time keeps its lease.
        drop(tokio::time::timeout(patience, join_all(self.tasks)).await);
    }
}
