//! What can go wrong, each with what to do about it. These texts are all that an operator sees.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why the embedded server could not be started, found or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no PostgreSQL on the machine.
    #[error(
        "PostgreSQL was not found (looked in {looked_in}): install PostgreSQL 15 to 18 (Debian, Ubuntu: apt-get install \
         postgresql; macOS: brew install postgresql@17), set PLAZA_POSTGRES_BIN to the folder of its programs, or set \
         DATABASE_URL"
    )]
    NoBinaries {
        /// The folders that were searched, separated by commas.
        looked_in: String,
    },
    /// PostgreSQL is installed, but in no supported version.
    #[error(
        "PostgreSQL {found} is installed, but Plaza needs 15 to 18: install one of these, too, set PLAZA_POSTGRES_BIN to \
         the folder of its programs, or set DATABASE_URL"
    )]
    Unsupported {
        /// The major versions that were found, separated by commas.
        found: String,
    },
    /// The data was created by a major version other than the installed ones.
    #[error(
        "the data in {} was created by PostgreSQL {data}, but PostgreSQL {found} is installed: install PostgreSQL {data} \
         again; to change to the installed version, dump the data with PostgreSQL {data}, move the folder away, and \
         restore the data", .path.display()
    )]
    VersionMismatch {
        /// The cluster.
        path: PathBuf,
        /// The major version that created it.
        data: u32,
        /// The major versions that were found, separated by commas.
        found: String,
    },
    /// Another program runs the server of this data folder.
    #[error(
        "{} is in use by another Plaza{}: stop that one first, or give this one its own data folder (PLAZA_DATA_DIR)",
        .path.display(), process(*.pid)
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The id of the process that holds the folder, if it has said so.
        pid: Option<u32>,
    },
    /// Another program holds the data folder, but its server does not become ready.
    #[error(
        "another Plaza{} uses {}, but its PostgreSQL has not become ready: see {}, or stop that Plaza and try again",
        process(*.pid), .path.display(), .log.display()
    )]
    NotReady {
        /// The data folder.
        path: PathBuf,
        /// The id of the process that holds the folder, if it has said so.
        pid: Option<u32>,
        /// The server's log.
        log: PathBuf,
    },
    /// The data belongs to a user that the program neither is nor can become.
    #[error(
        "{} belongs to {owner}, but this program runs as {me}: run it as {owner} or as root, or give it its own data folder \
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
    /// The program runs as root, and the data belongs to root: PostgreSQL refuses both.
    #[error(
        "{0} belongs to root, but PostgreSQL does not run as root: give it to an ordinary user (chown -R postgres {0})",
        .path.display()
    )]
    OwnedByRoot {
        /// The cluster.
        path: PathBuf,
    },
    /// The system has no entry for the user, or there is no ordinary user at all.
    #[error(
        "{user} has no entry in /etc/passwd, but PostgreSQL needs one: add it (useradd), run Plaza as another user, or set \
         DATABASE_URL"
    )]
    NoSuchUser {
        /// The user that PostgreSQL should have run as.
        user: String,
    },
    /// The folder of the cluster holds something else.
    #[error("{} is not empty, but contains no PostgreSQL data: move it away, or set PLAZA_DATA_DIR to another folder", .path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// The folder for the socket under `/tmp` belongs to another user.
    #[error(
        "{} is not a private folder of {owner}, so Plaza cannot trust a socket in it: remove it, or set PLAZA_DATA_DIR to a \
         path of at most 85 bytes, for which Plaza does not need it", .path.display()
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// The user to whom it should belong.
        owner: String,
    },
    /// A program of PostgreSQL could not be run.
    #[error("cannot run {} as {user}: {source}; check that this user may execute it, or set PLAZA_POSTGRES_BIN to another folder", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The user that should have run it.
        user: String,
        /// The cause of the failure.
        source: io::Error,
    },
    /// The cluster could not be created; nothing of it is left behind.
    #[error("{program} could not create the database in {} ({status}); fix what it reports, then start Plaza again:\n{output}", .path.display())]
    Make {
        /// `initdb` or `postgres --single`.
        program: &'static str,
        /// The cluster.
        path: PathBuf,
        /// How the program ended.
        status: ExitStatus,
        /// What the program wrote to standard error.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL did not start ({status}); fix the cause at the end of its log {}, then start Plaza again:\n{tail}", .log.display())]
    Died {
        /// How the server ended.
        status: ExitStatus,
        /// The file of the whole log.
        log: PathBuf,
        /// The last lines of the log that this start wrote.
        tail: String,
    },
    /// The server did not end cleanly. No committed row is lost: the next start recovers it.
    #[error("PostgreSQL did not stop cleanly ({status}); the next start recovers the data; its log {} ends with:\n{tail}", .log.display())]
    Stopped {
        /// How the server ended.
        status: ExitStatus,
        /// The file of the whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// Processes of an earlier server survived even SIGKILL.
    #[error(
        "processes of an earlier PostgreSQL still use {} and do not end: {pids}; they hang in the kernel, perhaps because of \
         a failed disk or mount: fix that, or restart the machine", .path.display()
    )]
    Leftovers {
        /// Their working folder.
        path: PathBuf,
        /// Their process ids, separated by commas.
        pids: String,
    },
    /// An operation of the file system failed.
    #[error(
        "cannot {action} {}: {source}; check the owner, the permissions and the free space there, or set PLAZA_DATA_DIR to \
         another folder", .path.display()
    )]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The path on which it was attempted.
        path: PathBuf,
        /// The cause of the failure.
        source: io::Error,
    },
}

/// Return a function for `map_err` that says what was attempted on which path.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
