//! A few low-priority threads behind a bounded queue, for work that burns a core: Argon2 and pictures.
//!
//! The async threads must never do it, and the runtime's blocking pool has no bound to speak of: a hundred logins would be
//! a hundred threads. Low priority, so that on a full machine a `GET` goes before a login.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tracing::Span;

use crate::error::{Code, Error, Result};
use crate::metrics::{Counted, Load};

type Job = Box<dyn FnOnce() + Send>;
/// A job that counts as waiting for as long as it is one.
type Queued = (Counted, Job);

/// How far the threads step back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
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
        let (answer, answered) = oneshot::channel();
        let span = Span::current();
        let job: Job = Box::new(move || {
            // Whoever gave up waiting, in the queue already, needs no work done.
            if !answer.is_closed() {
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
        answered.await.map_err(|_| Error::internal("a job on a worker thread panicked"))
    }
}

fn work(jobs: &Mutex<Receiver<Queued>>, priority: Priority, running: &Gauge) {
    step_back(priority);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
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
