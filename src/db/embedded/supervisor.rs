//! The thread that starts the server, waits until it ends, and starts it again for as long as the program lives.
//!
//! It must be one and the same thread throughout: the kernel's death signal, which ends the server with a killed program, depends
//! on the thread that forked it.

use std::ffi::OsString;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::binaries::Binaries;
use super::cluster::spawn_error;
use super::error::{self, Error};
use super::folder::Folder;
use super::identity::{OpenFolder, User, command};
use super::leftovers;
use super::log::Log;
use super::socket::{PORT, Socket, Status};

/// The pause before a server that ended by itself is started again. The first restart comes immediately; then each pause is twice
/// as long as the one before, from this one to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that lived this long was healthy: when it ends, the pauses start over.
const SOUND: Duration = Duration::from_mins(1);
/// How long a fast shutdown may take. After that, the server is told to leave the rest to the recovery at its next start.
const SHUTDOWN: Duration = Duration::from_mins(1);

/// Everything that is needed to start the server.
pub(super) struct Server {
    pub(super) folder: Folder,
    pub(super) binaries: Binaries,
    pub(super) user: User,
    pub(super) socket: Socket,
    pub(super) path: Option<OsString>,
    /// Connections for the program. PostgreSQL reserves three more for a superuser.
    pub(super) max_connections: u32,
    pub(super) durable: bool,
}

/// The running thread.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The process id of the server until it is reaped, so that no signal reaches another process.
    child: Option<Pid>,
    stopping: bool,
    ended: bool,
}

impl Supervisor {
    /// Start the server and wait until it accepts queries, however long its recovery takes.
    pub(super) fn start(server: Server) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let (ready, first) = mpsc::sync_channel(1);
        let for_thread = Arc::clone(&shared);
        let program = server.binaries.postgres();
        let user = server.user.clone();
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                // Set on a panic too, because `stop` waits for it.
                let _ended = EndSignal(&for_thread);
                supervise(&server, &for_thread, ready)
            })
            .map_err(spawn_error(&program, &user))?;
        let mut supervisor = Self { shared, thread: Some(thread) };
        match first.recv() {
            Ok(()) => Ok(supervisor),
            // The thread has ended without a message, so its result is the reason.
            Err(mpsc::RecvError) => supervisor.stop().map(|()| supervisor),
        }
    }

    /// Shut the server down and wait until it has ended. Another call does nothing.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let mut state = self.shared.lock();
        state.stopping = true;
        state.signal(Signal::SIGINT);
        self.shared.changed.notify_all();
        let waited = self.shared.changed.wait_timeout_while(state, SHUTDOWN, |state| !state.ended);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            tracing::warn!(
                "PostgreSQL took too long to shut down, so Plaza stops it immediately; its next start will recover the data"
            );
            state.signal(Signal::SIGQUIT);
        }
        drop(state);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn signal(&self, signal: Signal) {
        // The process is our child and not reaped, so the number is still its own. A child that has ended ignores the signal.
        if let Some(pid) = self.child {
            kill(pid, signal).ok();
        }
    }
}

/// Tells `stop` that the thread has finished.
struct EndSignal<'a>(&'a Shared);

impl Drop for EndSignal<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The body of the thread: runs the server again and again. `ready` gets a message when the first server is ready, and is dropped
/// if none becomes ready.
fn supervise(server: &Server, shared: &Shared, ready: SyncSender<()>) -> Result<(), Error> {
    let mut ready = Some(ready);
    let mut pause = Duration::ZERO;
    loop {
        let began = Instant::now();
        let end = live(server, shared, &mut ready);
        let state = shared.lock();
        if state.stopping {
            server.socket.remove();
            return end;
        }
        if ready.is_some() {
            return end;
        }
        if began.elapsed() > SOUND {
            pause = Duration::ZERO;
        }
        if let Err(error) = end {
            tracing::error!(%error, ?pause, "PostgreSQL ended unexpectedly; starting it again");
        } else {
            tracing::error!(?pause, "another program shut PostgreSQL down; starting it again");
        }
        let waited = shared.changed.wait_timeout_while(state, pause, |state| !state.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }
}

/// Run the server once: clear up what the last one left, start a server, and wait until it ends.
fn live(server: &Server, shared: &Shared, ready: &mut Option<SyncSender<()>>) -> Result<(), Error> {
    let cluster = &server.folder.cluster;
    leftovers::stop(cluster, &server.user)?;
    server.socket.prepare(&server.user)?;
    server.socket.clear(cluster)?;
    let log = Log::open(&server.folder)?;
    let mut child = {
        // Under the lock: either `stop` comes first, and nothing is started, or it finds the child.
        let mut state = shared.lock();
        if state.stopping {
            return Ok(());
        }
        let child = server.spawn(&log)?;
        state.child = Some(Pid::from_raw(child.id().cast_signed()));
        child
    };
    let became_ready = server.wait_until_ready(&child);
    if let (Ok(true), Some(ready)) = (&became_ready, ready.take()) {
        ready.send(()).expect("`start` waits for just this");
    }
    if became_ready.is_err() {
        shared.lock().signal(Signal::SIGINT);
    }
    let status = reap(&mut child, shared).map_err(error::io("wait for the server of", cluster))?;
    let tail = log.tail();
    let log = log.path;
    let stopping = shared.lock().stopping;
    match became_ready? {
        became_ready if status.success() && (became_ready || stopping) => Ok(()),
        true => Err(Error::Stopped { status, log, tail }),
        false => Err(Error::Died { status, log, tail }),
    }
}

impl Server {
    fn spawn(&self, log: &Log) -> Result<Child, Error> {
        let folder = OpenFolder::open(&self.folder.cluster)?;
        let program = self.binaries.postgres();
        let connections = format!("max_connections={}", self.max_connections.saturating_add(3));
        let mut command = command(&program, self.path.as_deref(), &self.user, &folder, Signal::SIGINT);
        command.arg("-D").arg(folder.argument()).arg("-k").arg(self.socket.argument()).args(["-p", PORT]);
        for guard in ["fsync", "full_page_writes", "synchronous_commit"] {
            let setting = format!("{guard}={}", if self.durable { "on" } else { "off" });
            command.args(["-c", &setting]);
        }
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "log_destination=stderr",
            "logging_collector=off",
            "superuser_reserved_connections=3",
            &connections,
        ] {
            command.args(["-c", setting]);
        }
        command.stdout(log.writer()?).stderr(log.writer()?);
        command.spawn().map_err(spawn_error(&program, &self.user))
    }

    /// Wait until the server is ready; `false` if the child ended first. There is no time limit: as long as the child is alive, it
    /// is recovering.
    fn wait_until_ready(&self, child: &Child) -> Result<bool, Error> {
        let cluster = &self.folder.cluster;
        let began = Instant::now();
        let mut told = false;
        loop {
            if Status::read(cluster)?.is_some_and(|status| status.ready && status.pid == child.id()) {
                return Ok(true);
            }
            if has_ended(child, libc::WNOHANG).map_err(error::io("wait for the server of", cluster))? {
                return Ok(false);
            }
            if !told && began.elapsed() > Duration::from_secs(5) {
                told = true;
                tracing::warn!(log = %self.folder.log.display(), "PostgreSQL is still starting; it may be recovering data");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Wait until the child ends. Its process id is cleared under the lock while the kernel releases it.
fn reap(child: &mut Child, shared: &Shared) -> io::Result<ExitStatus> {
    has_ended(child, 0)?;
    let mut state = shared.lock();
    state.child = None;
    child.wait()
}

/// Whether the child has ended, without reaping it. If `flags` is 0, wait until it has.
fn has_ended(child: &Child, flags: libc::c_int) -> io::Result<bool> {
    loop {
        // SAFETY: `siginfo_t` is plain data for which all zeroes is a valid value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid for writes and outlives the call.
        let result = unsafe {
            libc::waitid(libc::P_PID, child.id(), &raw mut info, libc::WEXITED | libc::WNOWAIT | flags)
        };
        if result == 0 {
            // SAFETY: `waitid` filled it in, or left the zeroes if there was nothing to report.
            return Ok(unsafe { info.si_pid() } != 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
