//! What can go wrong, each with what to do about it: these texts are all that an operator sees.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why the embedded server could not be started, found or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL on the machine.
    #[error(
        "no PostgreSQL was found (looked in {looked_in}): install PostgreSQL 15 to 18 (Debian, Ubuntu: apt-get install \
         postgresql; macOS: brew install postgresql@17), name the folder of its binaries, or set DATABASE_URL"
    )]
    NoBinaries {
        /// The folders searched, separated by commas.
        looked_in: String,
    },
    /// PostgreSQL is there, but in none of the versions that serve.
    #[error(
        "PostgreSQL {found} is installed, but Plaza needs 15 to 18: install one of these beside it, name the folder of its \
         binaries, or set DATABASE_URL"
    )]
    Unsupported {
        /// The major versions that were found, separated by commas.
        found: String,
    },
    /// The data was made by another major version than the ones installed.
    #[error(
        "the data in {} was made by PostgreSQL {data}, but what is installed is PostgreSQL {found}: install PostgreSQL {data} \
         again; to move to the other, dump with {data}, move the folder away, and restore", .path.display()
    )]
    VersionMismatch {
        /// The cluster.
        path: PathBuf,
        /// The major version that made it.
        data: u32,
        /// The major versions that were found, separated by commas.
        found: String,
    },
    /// Another program runs the server of this data folder.
    #[error(
        "{} is in use by another Plaza{}: stop that one first, or give this one a data folder of its own (PLAZA_DATA_DIR)",
        .path.display(), process(*.pid)
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process that holds it, as far as it said so.
        pid: Option<u32>,
    },
    /// Another program holds the data folder, but its server does not become ready.
    #[error(
        "another Plaza{} holds {}, but its PostgreSQL has not become ready: see {}, or stop that program and try again",
        process(*.pid), .path.display(), .log.display()
    )]
    NotReady {
        /// The data folder.
        path: PathBuf,
        /// The process that holds it, as far as it said so.
        pid: Option<u32>,
        /// The server's log.
        log: PathBuf,
    },
    /// The data belongs to a user whom the program can neither be nor become.
    #[error(
        "{} belongs to {owner}, but this program runs as {me}: run it as {owner} or as root, or give it a data folder of its own \
         (PLAZA_DATA_DIR)", .path.display()
    )]
    OtherOwner {
        /// The cluster.
        path: PathBuf,
        /// The name or number of its owner.
        owner: String,
        /// The name or number of the program's user.
        me: String,
    },
    /// The program runs as root and so does the data: PostgreSQL refuses both.
    #[error(
        "{0} belongs to root, and PostgreSQL does not run as root: give it to an ordinary user (chown -R postgres {0})",
        .path.display()
    )]
    OwnedByRoot {
        /// The cluster.
        path: PathBuf,
    },
    /// A user that the system has no name for, or no ordinary user at all.
    #[error(
        "{user} has no entry in /etc/passwd, and PostgreSQL does not run without one: add it (useradd), run Plaza as another \
         user, or set DATABASE_URL"
    )]
    NoSuchUser {
        /// Whom PostgreSQL should have run as.
        user: String,
    },
    /// The folder where the cluster belongs holds something else.
    #[error("{} is not empty, yet holds no PostgreSQL data: move it away, or set PLAZA_DATA_DIR to another folder", .path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// The short folder for the socket belongs to somebody else.
    #[error(
        "{} is not a private folder of {owner}, so its socket could not be trusted: remove it, or set PLAZA_DATA_DIR to a path \
         short enough (85 bytes) not to need it", .path.display()
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// Whom it should belong to.
        owner: String,
    },
    /// A program of PostgreSQL could not be run.
    #[error("{} could not be run as {user}: {source}; check that this user may execute it, or name other binaries", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// As whom.
        user: String,
        /// Why not.
        source: io::Error,
    },
    /// Making the cluster failed; nothing of it is left behind.
    #[error("{program} could not make the database in {} ({status}); mend what it says and start again:\n{output}", .path.display())]
    Make {
        /// `initdb` or `postgres --single`.
        program: &'static str,
        /// The cluster.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL did not start ({status}); its log {} ends with the reason, mend that and start again:\n{tail}", .log.display())]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The whole log.
        log: PathBuf,
        /// The last lines of it that this start wrote.
        tail: String,
    },
    /// The server did not end cleanly. No committed row is lost: the next start recovers it.
    #[error("PostgreSQL did not stop cleanly ({status}); the next start recovers it; its log {} ends:\n{tail}", .log.display())]
    Stopped {
        /// How it ended.
        status: ExitStatus,
        /// The whole log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// Processes of an earlier server survived even SIGKILL.
    #[error(
        "processes of an earlier PostgreSQL still work in {} and do not end: {pids}; they hang in the kernel (a dead disk or \
         mount?), mend that or restart the machine", .path.display()
    )]
    Leftovers {
        /// Their working folder.
        path: PathBuf,
        /// Their process ids, separated by commas.
        pids: String,
    },
    /// The file system said no.
    #[error(
        "cannot {action} {}: {source}; check the owner, the permissions and the free space there, or set PLAZA_DATA_DIR to \
         another folder", .path.display()
    )]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// For `map_err`: says what was tried on which path.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
