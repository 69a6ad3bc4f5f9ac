//! Processes of a server whose program is gone.
//!
//! They are recognized by their working folder, which for a process of PostgreSQL is its cluster: process ids in files may be
//! stale, or may belong to other processes by now. The caller holds the lock, so no process that is found here belongs to a living
//! program.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::error::{self, Error};
use super::identity::User;

/// A step in stopping processes: the signals to send, and how long to wait before the next step.
struct StopStep {
    postmaster: Signal,
    orphan: Signal,
    patience: Duration,
}

/// The steps in order. SIGINT makes a postmaster shut down fast. SIGTERM makes an orphan end its session and report it, where
/// SIGINT would end only its query. SIGQUIT ends both without a checkpoint, which loses nothing that was committed.
const STOP_SEQUENCE: [StopStep; 3] = [
    StopStep { postmaster: Signal::SIGINT, orphan: Signal::SIGTERM, patience: Duration::from_secs(30) },
    StopStep { postmaster: Signal::SIGQUIT, orphan: Signal::SIGQUIT, patience: Duration::from_secs(10) },
    StopStep { postmaster: Signal::SIGKILL, orphan: Signal::SIGKILL, patience: Duration::from_secs(10) },
];

/// A process whose working folder is the cluster.
struct Process {
    pid: libc::pid_t,
    parent: libc::pid_t,
    is_postmaster: bool,
}

/// Stop the processes that still run in the cluster, and wait until they are gone.
pub(super) fn stop(cluster: &Path, user: &User) -> Result<(), Error> {
    escalate(cluster, user, &STOP_SEQUENCE)
}

/// Immediately kill the processes that still run in a half-made cluster.
pub(super) fn kill(cluster: &Path, user: &User) -> Result<(), Error> {
    escalate(cluster, user, &STOP_SEQUENCE[2..])
}

/// Whether this process belongs to the cluster's server. Without `/proc`, it is assumed to.
pub(super) fn is_process_of(pid: u32, cluster: &Path, user: &User) -> Result<bool, Error> {
    let folder = fs::metadata(cluster).map_err(error::io("read", cluster))?;
    let found = user.look(|| inspect(pid.cast_signed(), &folder))?;
    Ok(found.is_some() || !Path::new("/proc/self").exists())
}

fn escalate(cluster: &Path, user: &User, steps: &[StopStep]) -> Result<(), Error> {
    for step in steps {
        let deadline = Instant::now() + step.patience;
        let mut signalled = HashSet::new();
        while Instant::now() < deadline {
            let processes = find(cluster, user)?;
            if processes.is_empty() {
                return Ok(());
            }
            let pids: HashSet<_> = processes.iter().map(|process| process.pid).collect();
            for Process { pid, parent, is_postmaster } in processes {
                // A living postmaster stops its children in an orderly way by itself.
                if !pids.contains(&parent) && signalled.insert(pid) {
                    let signal = if is_postmaster { step.postmaster } else { step.orphan };
                    tracing::warn!(
                        pid,
                        signal = signal as i32,
                        "stopping a process that an earlier PostgreSQL left behind"
                    );
                    // If the process is gone by now, the error does not matter.
                    signal::kill(Pid::from_raw(pid), signal).ok();
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    let pids: Vec<String> = find(cluster, user)?.iter().map(|process| process.pid.to_string()).collect();
    Err(Error::Leftovers { path: cluster.to_owned(), pids: pids.join(", ") })
}

/// Return the processes of PostgreSQL that work in the folder. A zombie has no working folder. Without `/proc`, none can be found.
fn find(cluster: &Path, user: &User) -> Result<Vec<Process>, Error> {
    let folder = fs::metadata(cluster).map_err(error::io("read", cluster))?;
    let proc = Path::new("/proc");
    let entries = match fs::read_dir(proc) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error::io("read", proc)(error)),
    };
    // An overlooked process would keep writing beside the next server, so a failed read is an error.
    let entries = entries.collect::<io::Result<Vec<_>>>().map_err(error::io("read", proc))?;
    let pids = entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    user.look(|| pids.filter_map(|pid| inspect(pid, &folder).transpose()).collect())
}

/// Return the process, or `None` if it is gone, works elsewhere, or is not PostgreSQL's.
fn inspect(pid: libc::pid_t, folder: &fs::Metadata) -> Result<Option<Process>, Error> {
    // The process is gone, or belongs to another user, and the kernel does not show its folder.
    let Ok(cwd) = fs::metadata(format!("/proc/{pid}/cwd")) else { return Ok(None) };
    if (cwd.dev(), cwd.ino()) != (folder.dev(), folder.ino()) {
        return Ok(None);
    }
    let (Some(stat), Some(command)) = (read(pid, "stat")?, read(pid, "cmdline")?) else { return Ok(None) };
    Ok(describe(pid, &String::from_utf8_lossy(&stat), &command))
}

fn describe(pid: libc::pid_t, stat: &str, command: &[u8]) -> Option<Process> {
    // "4711 (postgres) S 1 …". A shell that works in the folder is not PostgreSQL's.
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
    // A process that a postmaster starts calls itself "postgres: checkpointer", "postgres: plaza plaza [local] SELECT".
    let is_postmaster = !command.starts_with(b"postgres: ");
    matches!(name, "postgres" | "postmaster").then_some(Process { pid, parent, is_postmaster })
}

/// Read a file of a process in `/proc`; `None` if the process is gone, which the kernel reports as ENOENT or ESRCH.
fn read(pid: libc::pid_t, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    match fs::read(&path) {
        Ok(told) => Ok(Some(told)),
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {
            Ok(None)
        }
        Err(error) => Err(error::io("read", &path)(error)),
    }
}
