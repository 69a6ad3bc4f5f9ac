//! Work that waits for a connection of the pool. A limited number of jobs runs concurrently; the others wait in order of arrival.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Span;

use crate::error::{Code, Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// A queue in front of blocking threads. There are never more threads than connections: more threads would only wait in r2d2, which
/// does not serve in order (measured: p99 of 85 ms instead of 3). Clones share the queue.
///
/// A thread that has finished a job takes the next one itself. With a semaphore, the thread would wake the task that has waited
/// longest, which would wake another thread, and each of the two takes as long as a short query.
#[derive(Clone)]
pub struct Queue {
    threads: usize,
    state: Arc<Mutex<State>>,
}

/// The place of a job in the queue, which is given up when its caller no longer waits.
struct Place<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.withdraw(self.number);
    }
}

#[derive(Default)]
struct State {
    running: usize,
    submitted: u64,
    waiting: VecDeque<(u64, Job)>,
}

impl Queue {
    /// Create a queue for this many threads.
    pub fn new(threads: u32) -> Self {
        Self { threads: threads as usize, state: Arc::default() }
    }

    /// Run `work`, and return its result. 503 `database_unavailable` if it has not started within `patience`; then it never starts.
    /// It does not start either once the caller no longer waits.
    pub async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, mut receiver) = oneshot::channel();
        let span = Span::current();
        let number = self.submit(Box::new(move || {
            if !sender.is_closed()
                && let Err(Err(error)) = sender.send(span.in_scope(work))
            {
                // The caller gave up while the work ran, so the error is logged here or not at all.
                span.in_scope(|| error.log("database work failed after its request had ended"));
            }
        }));
        let place = Place { queue: self, number };
        let done = match tokio::time::timeout(patience, &mut receiver).await {
            Ok(done) => done,
            Err(_) if self.withdraw(number) => return Err(Error::unavailable(Code::DatabaseUnavailable, 1)),
            Err(_) => receiver.await,
        };
        // The work has started, so there is nothing to withdraw.
        mem::forget(place);
        done.map_err(|_| Error::internal("database work panicked"))?
    }

    /// The number of jobs that wait.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn submit(&self, job: Job) -> u64 {
        let mut state = self.state();
        state.submitted += 1;
        let number = state.submitted;
        state.waiting.push_back((number, job));
        if state.running < self.threads {
            state.running += 1;
            drop(state);
            let queue = self.clone();
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one bridge; the queue bounds its threads"
            )]
            drop(actix_web::rt::task::spawn_blocking(move || queue.work_off()));
        }
        number
    }

    fn work_off(&self) {
        while let Some(job) = self.next() {
            // The panic hook has logged it, and the waiting caller learns of it when the sender is dropped.
            drop(catch_unwind(AssertUnwindSafe(job)));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        let next = state.waiting.pop_front().map(|(_, job)| job);
        if next.is_none() {
            state.running -= 1;
        }
        next
    }

    /// Take a job out of the queue. Returns whether it was still waiting.
    fn withdraw(&self, number: u64) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(|(other, _)| *other == number);
        place.is_some_and(|place| state.waiting.remove(place).is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[actix_web::test]
    async fn work_is_done_in_order_by_so_many_threads() {
        let queue = Queue::new(2);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (log, order) = mpsc::channel();
        let jobs = (0..6).map(|number| {
            let (queue, gate, log) = (queue.clone(), Arc::clone(&gate), log.clone());
            async move {
                queue
                    .run(LONG, move || {
                        log.send(number).expect("a reader");
                        gate.lock().expect("a gate").recv().expect("a permission");
                        Ok(number)
                    })
                    .await
                    .expect("a result")
            }
        });
        let all = futures_util::future::join_all(jobs);
        let permit = async {
            // Two jobs have started, and no third one does.
            let begun: Vec<i32> = (0..2).map(|_| order.recv().expect("a beginning")).collect();
            assert!(begun.contains(&0) && begun.contains(&1), "{begun:?}");
            assert!(order.try_recv().is_err());
            for expected in 2..6 {
                release.send(()).expect("somebody waits");
                assert_eq!(order.recv().expect("a beginning"), expected);
            }
            release.send(()).expect("somebody waits");
            release.send(()).expect("somebody waits");
        };
        // The first poll of `all` submits the jobs.
        let (results, ()) = futures_util::join!(all, permit);
        assert_eq!(results, [0, 1, 2, 3, 4, 5]);
        assert_eq!(queue.run(LONG, || Ok(7)).await.expect("a result"), 7);
    }

    #[actix_web::test]
    async fn who_waits_too_long_is_told_so_and_not_served() {
        let queue = Queue::new(1);
        let (release, gate) = mpsc::channel::<()>();
        let (begun, beginning) = oneshot::channel();
        let slow = queue.run(LONG, move || {
            begun.send(()).expect("a reader");
            gate.recv().expect("a permission");
            Ok(())
        });
        let (served, was_served) = mpsc::channel();
        let late = async {
            beginning.await.expect("a beginning");
            let late = queue.run(Duration::from_millis(20), move || {
                served.send(()).expect("a reader");
                Ok(())
            });
            let late = late.await;
            assert_eq!(late.expect_err("a refusal").code(), Code::DatabaseUnavailable);
            release.send(()).expect("somebody waits");
        };
        let (slow, ()) = futures_util::join!(slow, late);
        slow.expect("a result");
        queue.run(LONG, || Ok(())).await.expect("a result");
        assert!(was_served.try_recv().is_err());
    }

    #[actix_web::test]
    async fn who_goes_away_waits_no_more() {
        let queue = Queue::new(1);
        let (release, gate) = mpsc::channel::<()>();
        let (begun, beginning) = oneshot::channel();
        let slow = queue.run(LONG, move || {
            begun.send(()).expect("a reader");
            gate.recv().expect("a permission");
            Ok(())
        });
        let gone = async {
            beginning.await.expect("a beginning");
            let mut late = Box::pin(queue.run(LONG, || Ok(())));
            assert!(futures_util::poll!(&mut late).is_pending());
            assert_eq!(queue.waiting(), 1);
            drop(late);
            assert_eq!(queue.waiting(), 0);
            release.send(()).expect("somebody waits");
        };
        let (slow, ()) = futures_util::join!(slow, gone);
        slow.expect("a result");
    }

    #[actix_web::test]
    async fn a_panic_is_an_error_and_takes_no_thread() {
        let queue = Queue::new(1);
        for _ in 0..3 {
            let panicked = queue.run(LONG, || if true { panic!("on purpose") } else { Ok(()) }).await;
            assert_eq!(panicked.expect_err("an error").code(), Code::InternalError);
        }
        queue.run(LONG, || Ok(())).await.expect("a result");
    }
}
