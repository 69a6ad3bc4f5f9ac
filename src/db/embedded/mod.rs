//! The embedded PostgreSQL server, for administrators who provide no database.
//!
//! [`Postgres::start`] finds the binaries on the machine, creates the data at the first start, and runs the server for as long as
//! the program lives. The server can be reached only through a Unix socket, is stopped with the program however that ends, is
//! started again if it dies alone, and is as durable as any other. Plaza never touches a server that it did not start, and there is
//! one program per data folder.
//!
//! The server is not a special PostgreSQL: `data/postgres` is an ordinary cluster that an ordinary server can open.
//!
//! | file | |
//! | --- | --- |
//! | `binaries` | where PostgreSQL is, and which installation to use |
//! | `identity` | which user runs the server; how a child becomes that user and ends with the program |
//! | `folder` | Plaza's data folder, and the paths in it |
//! | `cluster` | creating the cluster, and its configuration |
//! | `lock` | one program per folder |
//! | `leftovers` | processes of a server whose program was killed |
//! | `socket` | where the server listens, `postmaster.pid`, the URL |
//! | `supervisor` | the thread that starts, watches, restarts and stops the server |
//! | `log` | the server's log and its last lines |
//!
//! The module is made for Linux. Other systems lack the death signal and `/proc`, so the server of a killed program lives on there.

mod binaries;
mod cluster;
mod error;
mod folder;
mod identity;
mod leftovers;
mod lock;
mod log;
mod options;
mod socket;
mod supervisor;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use binaries::Binaries;
pub use error::Error;
use folder::Folder;
use identity::User;
pub use lock::GRACE;
use lock::{Holder, Lock};
pub use options::Options;
use socket::{Socket, Status};
use supervisor::{Server, Supervisor};

/// How long [`running`] waits for another program's server to become ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// The running server. Dropping it stops it.
pub struct Postgres {
    url: String,
    bin_dir: PathBuf,
    supervisor: Supervisor,
    // The last field, so that it is released when the server is gone.
    _lock: Lock,
}

impl Postgres {
    /// Start the server, and create its data first if there is none. Blocks until the server accepts queries: usually well under a
    /// second, but as long as it takes if it recovers from a crash.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another program runs it already (see [`running`]); otherwise the reason why it does not start, with what
    /// to do about it. Nothing is left running, and nothing half-made.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let folder = Folder::make(&options.data_dir)?;
        // This comes first: the owner of the data decides who may even look at it.
        let user = User::for_server(&folder)?;
        let lock = Lock::take(&folder)?;
        folder.clear_half_made(&user)?;
        let version = folder.version()?;
        let binaries = Binaries::find(options, version, &folder.cluster)?;
        if version.is_none() {
            tracing::info!(folder = %folder.cluster.display(), user = user.name, "creating the database");
            folder.make_cluster(&binaries, options, &user)?;
        }
        folder.configure(&user)?;
        let socket = Socket::of(&folder.cluster, &user);
        Ok(Self {
            url: socket.url(),
            bin_dir: binaries.folder().to_owned(),
            supervisor: Supervisor::start(Server {
                folder,
                binaries,
                user,
                socket,
                path: options.path.clone(),
                max_connections: options.max_connections,
                durable: options.durable,
            })?,
            _lock: lock,
        })
    }

    /// Return where to connect, for diesel, libpq and `psql`. The URL holds no secret: the operating system identifies the client.
    /// It stays the same when the server is started again.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Return the folder of the server's binaries, with the `psql` and `pg_dump` that match it.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// Shut the server down and wait until it has ended: connections are closed, their transactions are rolled back, and a
    /// checkpoint is written. After 60 s the server ends without the checkpoint. Dropping the value does the same, and logs what
    /// this returns.
    ///
    /// # Errors
    ///
    /// If the server did not end cleanly; no committed row is lost then either.
    pub fn stop(mut self) -> Result<(), Error> {
        self.supervisor.stop()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.supervisor.stop() {
            tracing::error!(%error, "PostgreSQL did not stop as it should");
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Return the URL of the server that another program runs on this data folder; `None` if there is none. If that program is just
/// starting its server, this waits for it, up to 60 s.
///
/// # Errors
///
/// [`Error::OtherOwner`] if the caller may not use that server; [`Error::NotReady`] if it does not become ready.
pub fn running(options: &Options) -> Result<Option<String>, Error> {
    if !options.data_dir.exists() {
        return Ok(None);
    }
    let folder = Folder::existing(&options.data_dir)?;
    let user = User::for_server(&folder)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Holder::Program(pid) = lock::holder(&folder)? else {
            return Ok(None);
        };
        if let Some(status) = Status::read(&folder.cluster)?
            && status.ready
            && leftovers::is_process_of(status.pid, &folder.cluster, &user)?
        {
            return Ok(Some(status.url(&folder.cluster)));
        }
        if Instant::now() > deadline {
            return Err(Error::NotReady { path: folder.root, pid, log: folder.log });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Return the folder of the binaries that [`Postgres::start`] would use on this data folder, for `psql` and `pg_dump`.
///
/// # Errors
///
/// If there are none, or none that match the data.
pub fn bin_dir(options: &Options) -> Result<PathBuf, Error> {
    let (version, cluster) = if options.data_dir.exists() {
        let folder = Folder::existing(&options.data_dir)?;
        (folder.version()?, folder.cluster)
    } else {
        (None, options.data_dir.join("postgres"))
    };
    Ok(Binaries::find(options, version, &cluster)?.folder().to_owned())
}
