//! The options of the embedded server: what to run, and where.

use std::ffi::OsString;
use std::path::PathBuf;

/// The role that the program connects as. It is not a superuser, but owns its database.
pub(super) const ROLE: &str = "plaza";
pub(super) const DATABASE: &str = "plaza";

/// The options that the caller chooses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Plaza's data folder; the cluster is its `postgres/`. Created if it does not exist.
    pub data_dir: PathBuf,
    /// The folder of PostgreSQL's binaries. Without it, they are searched for on `path` and in the usual folders.
    pub bin_dir: Option<PathBuf>,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// Maximum number of connections that the program may have open, all commands together.
    pub max_connections: u32,
    /// Whether committed rows survive a crash of the machine. No setting turns this off: only tests do that do not test durability.
    pub durable: bool,
}
