//! What every test here uses: a place to run the program, the program, its PostgreSQL and clients.

mod client;
mod looks;
mod nodes;
mod place;
mod plaza;
mod postgres;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use client::{Answer, Client, PASSWORD, text, urls_of};
pub use looks::{Memory, metric, settled, store_and_rows_agree};
pub use nodes::{Member, Nodes, SECRET, at_once, kid, pair, published, soon};
pub use place::{PUBLIC_URL, Place};
pub use plaza::{Output, Plaza, Refused};
pub use postgres::{
    TableLock, kill, log, postmaster, processes, psql, server_user, socket_folder, try_psql, try_psql_as,
};
pub use users::{DAEMON, NOBODY, ROOT, is_root, me, ordinary};

/// Longer than any wait of a test, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// How long a stopping program waits for requests in progress. A stop that takes less time did not wait for one.
pub const STOP: Duration = Duration::from_secs(30);

/// Poll until the check returns a value. The interval grows, since most checks start a process, which takes CPU time
/// from the program under test.
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A child process that is killed when its test ends, even if the test fails.
pub struct KilledAtEnd(pub std::process::Child);

impl Drop for KilledAtEnd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Sets the flag when it is dropped, so that threads end even if the test fails: the test joins them.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Processes that are stopped with SIGSTOP until this is dropped. To other machines they look like a machine that is
/// down.
pub struct Frozen(Vec<i32>);

impl Frozen {
    pub fn new(pids: Vec<i32>) -> Self {
        assert!(!pids.is_empty(), "there is something to freeze");
        for &pid in &pids {
            kill(pid, libc::SIGSTOP);
        }
        Self(pids)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for &pid in &self.0 {
            kill(pid, libc::SIGCONT);
        }
    }
}
