//! A few low-priority threads behind a bounded queue, for CPU-bound work: Argon2 and pictures.
//!
//! The async threads must never do this work, and the runtime's blocking pool has no useful limit: a hundred logins would be a
//! hundred threads. The priority is low, so that on a busy machine a `GET` comes before a login.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tracing::Span;

use crate::error::{Code, Error, Result};
use crate::metrics::{GaugeGuard, WorkerMetrics};

type Job = Box<dyn FnOnce() + Send>;
/// A queued job, with the guard that counts it as waiting.
type QueuedJob = (GaugeGuard, Job);

/// The priority of the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Priority {
    /// Normal priority. For a machine whose cores are always busy: threads of a lower priority would hardly run there.
    Ordinary,
    /// Lower than that of the threads that answer requests.
    Low,
    /// Only run on a core that nothing else uses.
    Idle,
}

/// A handle to the threads. Clones share them. They end when the last handle is dropped.
#[derive(Clone)]
pub struct Workers {
    queue: SyncSender<QueuedJob>,
    load: WorkerMetrics,
}

impl Workers {
    /// Start `threads` threads called `name`, and a queue with room for `queued` jobs. `load` counts the jobs.
    pub fn start(
        name: &str,
        threads: usize,
        queued: usize,
        priority: Priority,
        load: WorkerMetrics,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<QueuedJob>(queued);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let (jobs, running) = (Arc::clone(&jobs), load.running.clone());
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&jobs, priority, &running))?;
        }
        Ok(Self { queue, load })
    }

    /// Return the counters of the jobs, for callers that make jobs wait before they submit them.
    pub fn load(&self) -> &WorkerMetrics {
        &self.load
    }

    /// Run `job` on one of the threads, in the caller's tracing span. Fails immediately with 503 `busy` if the queue is full, and
    /// with 500 if the job panics. A job that has started continues when its caller stops waiting.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (_, answered) = self.queue(job)?;
        answered.await.map_err(|_| panicked())
    }

    /// Run `job` as [`run`](Self::run) does. Fails with 503 `busy` also if the job has not started within `wait`; then it is not
    /// run.
    pub async fn run_within<T: Send + 'static>(
        &self,
        wait: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (begun, answered) = self.queue(job)?;
        if tokio::time::timeout(wait, begun).await.is_err() {
            self.load.refused.inc();
            return Err(Error::unavailable(Code::Busy, 5));
        }
        answered.await.map_err(|_| panicked())
    }

    /// Queue a job. Returns the channels on which its start and its result arrive.
    fn queue<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(oneshot::Receiver<()>, oneshot::Receiver<T>)> {
        let (begin, begun) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let span = Span::current();
        let job: Job = Box::new(move || {
            // If the caller gave up while the job was queued, the job is not run.
            if !answer.is_closed() {
                // `run` does not wait for the start.
                let _ = begin.send(());
                let result = span.in_scope(job);
                drop(answer.send(result));
            }
        });
        self.queue.try_send((GaugeGuard::new(&self.load.waiting), job)).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.load.refused.inc();
                Error::unavailable(Code::Busy, 1)
            }
            TrySendError::Disconnected(_) => Error::internal("the worker threads have ended"),
        })?;
        Ok((begun, answered))
    }
}

fn panicked() -> Error {
    Error::internal("a job on a worker thread panicked")
}

fn work(jobs: &Mutex<Receiver<QueuedJob>>, priority: Priority, running: &Gauge) {
    step_back(priority);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        // The last handle was dropped, so no more jobs will come.
        let Ok((waiting, job)) = job else { return };
        drop(waiting);
        let _running = GaugeGuard::new(running);
        // The panic hook has logged the panic, and the caller finds its channel closed.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
    }
}

/// Set the priority of the calling thread. On Linux, `setpriority` with `PRIO_PROCESS` and 0 means the calling thread (see
/// `setpriority(2)`, "C library/kernel differences"), and so does `sched_setscheduler` with 0. A failure costs only fairness.
fn step_back(priority: Priority) {
    #[cfg(target_os = "linux")]
    // SAFETY: the structure is complete, and no other memory is involved.
    unsafe {
        match priority {
            Priority::Ordinary => {}
            Priority::Low => {
                libc::setpriority(libc::PRIO_PROCESS, 0, 10);
            }
            Priority::Idle => {
                let parameters = libc::sched_param { sched_priority: 0 };
                libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = priority;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[actix_web::test]
    async fn what_does_not_begin_in_time_is_refused_and_never_done() {
        let workers =
            Workers::start("test", 1, 8, Priority::Low, WorkerMetrics::default()).expect("a thread");
        let (release, held) = std::sync::mpsc::channel::<()>();
        // This job starts immediately, so it may take longer than a job may wait to start.
        let other = workers.clone();
        let first =
            tokio::spawn(async move { other.run_within(Duration::from_mins(1), move || held.recv()).await });
        while workers.load().running.get() == 0 {
            tokio::task::yield_now().await;
        }
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let refused =
            workers.run_within(Duration::from_millis(20), move || done.store(true, Ordering::Release)).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));

        release.send(()).expect("it waits");
        assert!(first.await.expect("no panic").expect("it was done").is_ok());
        workers.run(|| ()).await.expect("the thread is free again");
        assert!(!is_done.load(Ordering::Acquire), "nobody waited for it any more");
    }

    #[actix_web::test]
    async fn what_has_begun_is_waited_for() {
        let workers =
            Workers::start("test", 1, 8, Priority::Low, WorkerMetrics::default()).expect("a thread");
        let (begin, begun) = oneshot::channel();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let job = move || (begin.send(()), held.recv());
        let wait = Duration::from_secs(1);
        let end = async {
            begun.await.expect("it begins");
            tokio::time::sleep(wait + wait / 4).await;
            release.send(()).expect("it waits");
        };
        let (done, ()) = tokio::join!(workers.run_within(wait, job), end);
        assert!(done.is_ok(), "what takes longer than it may wait is no fault");
    }
}
