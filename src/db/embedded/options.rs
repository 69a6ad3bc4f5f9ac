//! What to run, and where.

use std::ffi::OsString;
use std::path::PathBuf;

/// The role that the program connects as. It is no superuser, but owns its database.
pub(super) const ROLE: &str = "plaza";
pub(super) const DATABASE: &str = "plaza";

/// The caller's choices.
#[derive(Clone, Debug)]
pub struct Options {
    /// Plaza's data folder; the cluster is its `postgres/`. Made if it does not exist.
    pub data_dir: PathBuf,
    /// The folder of PostgreSQL's binaries; without it they are looked for on `path` and in the usual places.
    pub bin_dir: Option<PathBuf>,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// How many connections the program may open at once, all commands together.
    pub max_connections: u32,
    /// Whether committed rows survive a crash of the machine. No setting turns it off: it is for tests of other things.
    pub durable: bool,
}
