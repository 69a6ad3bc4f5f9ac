//! A few low-priority threads behind a bounded queue, for work that burns a core: Argon2 and pictures.
//!
//! The async threads must never do it, and the runtime's blocking pool has no bound to speak of: a hundred logins would be
//! a hundred threads. Low priority, so that on a full machine a `GET` goes before a login.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tracing::Span;

use crate::error::{Code, Error, Result};
use crate::metrics::{Counted, Load};

type Job = Box<dyn FnOnce() + Send>;
/// A job that counts as waiting for as long as it is one.
type Queued = (Counted, Job);

/// How far the threads step back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Priority {
    /// Not at all. For a machine whose cores are always busy: threads of a lower priority would hardly run there.
    Ordinary,
    /// Behind what answers requests.
    Low,
    /// Only what nobody else wants of the cores.
    Idle,
}

/// A handle to the threads; clones share them. They end when the last handle is dropped.
#[derive(Clone)]
pub struct Workers {
    queue: SyncSender<Queued>,
    load: Load,
}

impl Workers {
    /// Start `threads` threads called `name`, with room for `queued` jobs that wait. `load` tells what they have to do.
    pub fn start(
        name: &str,
        threads: usize,
        queued: usize,
        priority: Priority,
        load: Load,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Queued>(queued);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let (jobs, running) = (Arc::clone(&jobs), load.running.clone());
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&jobs, priority, &running))?;
        }
        Ok(Self { queue, load })
    }

    /// What they have to do, for those who make jobs wait before they come here.
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Run `job` there, in the caller's tracing span. Fails with 503 `busy` at once when the queue is full, and with 500
    /// when the job panics. A caller that goes away does not stop a job that has begun.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (_, answered) = self.queue(job)?;
        answered.await.map_err(|_| panicked())
    }

    /// The same; 503 `busy` also where the job has not begun within `wait`: nobody waits for it any more then.
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

    /// Where to hear that it has begun, and what came of it.
    fn queue<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(oneshot::Receiver<()>, oneshot::Receiver<T>)> {
        let (begin, begun) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let span = Span::current();
        let job: Job = Box::new(move || {
            // Whoever gave up waiting, in the queue already, needs no work done.
            if !answer.is_closed() {
                // Nobody may care.
                let _ = begin.send(());
                let result = span.in_scope(job);
                drop(answer.send(result));
            }
        });
        self.queue.try_send((Counted::new(&self.load.waiting), job)).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.load.refused.inc();
                Error::unavailable(Code::Busy, 1)
            }
            TrySendError::Disconnected(_) => Error::internal("the worker threads are gone"),
        })?;
        Ok((begun, answered))
    }
}

fn panicked() -> Error {
    Error::internal("a job on a worker thread panicked")
}

fn work(jobs: &Mutex<Receiver<Queued>>, priority: Priority, running: &Gauge) {
    step_back(priority);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        // The sender is gone: there will be no more jobs.
        let Ok((waiting, job)) = job else { return };
        drop(waiting);
        let _running = Counted::new(running);
        // The panic hook has logged it; the caller sees its channel closed.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
    }
}

/// On Linux `setpriority` with `PRIO_PROCESS` and 0 means the calling thread (see `setpriority(2)`, "C library/kernel
/// differences"), and so does `sched_setscheduler` with 0. A failure costs fairness only.
fn step_back(priority: Priority) {
    #[cfg(target_os = "linux")]
    // SAFETY: the structure is whole, and no other memory is involved.
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
        let workers = Workers::start("test", 1, 8, Priority::Low, Load::default()).expect("a thread");
        let (release, held) = std::sync::mpsc::channel::<()>();
        // It begins at once, so that it may take longer than a job may wait.
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
        let workers = Workers::start("test", 1, 8, Priority::Low, Load::default()).expect("a thread");
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
