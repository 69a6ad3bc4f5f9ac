//! PostgreSQL for the tests: one server for a run, on which each test has a migrated database of its own, and a cluster to copy
//! for tests of the embedded server.
//!
//! `make test` starts both once and tells every test where they are (see `with_postgres.rs`). A test binary that is run by itself
//! starts its own.

use std::env;
use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use percent_encoding::percent_decode_str;
use plaza::config::search_path;
use plaza::db::embedded::{Error, Options, Postgres, bin_dir};
use plaza::db::migrations;

/// Where a run's server is, as a URL for its role.
pub const SERVER: &str = "PLAZA_TEST_SERVER";
/// Where its cluster for copies is, as a data folder.
pub const CLUSTER: &str = "PLAZA_TEST_CLUSTER";

/// A file system in memory.
pub const MEMORY: &str = "/dev/shm";

/// What databases of tests are copied from.
const MIGRATED: &str = "migrated";

/// A database of a test's own, dropped with it.
pub struct Database {
    pub name: String,
    pub url: String,
}

impl Database {
    /// With every table.
    pub fn migrated() -> Self {
        Self::copy_of(MIGRATED)
    }

    /// Without tables.
    pub fn empty() -> Self {
        Self::copy_of("template0")
    }

    fn copy_of(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = url_of(&RUN.url, &name);
        // By copying files: measured against WAL_LOG, two thirds of the time, and the caches that PostgreSQL keeps in files come
        // along, so that the first connection need not make them.
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
        administer(&copy).expect("a database");
        Self { name, url }
    }

    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// What the server's log says of it. A line that begins with a tab belongs to the one before.
    fn log(&self) -> String {
        let log = fs::read_to_string(RUN.log()).unwrap_or_else(|error| format!("no log: {error}"));
        let mut is_ours = false;
        let ours = log.lines().filter(|line| {
            is_ours = line.contains(&format!(" {} ", self.name)) || is_ours && line.starts_with('\t');
            is_ours
        });
        ours.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("PostgreSQL's log of {}:\n{}", self.name, self.log());
        }
        // Requests that the test did not wait for may still be connected. The next run drops what is left even so.
        drop(administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

/// On a connection that a process keeps for all of its databases.
fn administer(statement: &str) -> diesel::QueryResult<()> {
    static KEPT: LazyLock<Mutex<PgConnection>> = LazyLock::new(|| Mutex::new(connect(&RUN.url)));
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).batch_execute(statement)
}

/// The URL of another database on this server.
fn url_of(server: &str, database: &str) -> String {
    let (place, parameters) = server.split_once('?').unwrap_or((server, ""));
    let (place, _) = place.rsplit_once('/').expect("the URL names a database");
    format!("{place}/{database}?{parameters}")
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection to {url}: {error}"))
}

/// What the tests of one run share.
pub struct Run {
    pub url: String,
    /// A data folder with a migrated, durable cluster that no server runs on.
    pub cluster: PathBuf,
    /// Where both are; `None` if `with-postgres` made them.
    pub folder: Option<PathBuf>,
    /// Ends the server with the process; `None` if `with-postgres` started it.
    _server: Option<Postgres>,
}

/// The run that this process is a part of.
pub static RUN: LazyLock<Run> = LazyLock::new(|| Run::of_the_environment().unwrap_or_else(Run::start));

impl Run {
    /// The server's log.
    fn log(&self) -> PathBuf {
        let folder = self.cluster.parent().expect("a folder of the run's");
        folder.join("server").join("postgres.log")
    }

    #[expect(clippy::disallowed_methods, reason = "these are settings of the tests, not of the program")]
    fn of_the_environment() -> Option<Self> {
        let url = env::var(SERVER).ok()?;
        let cluster = env::var_os(CLUSTER).expect("both are told").into();
        Some(Self { url, cluster, folder: None, _server: None })
    }

    /// Start the server in the first folder that no other run uses. It dies with the process; the folder is used again.
    pub fn start() -> Self {
        for number in 0.. {
            let folder = scratch().join(format!("postgres-{number}"));
            // Open to all users, as the system's own folder for scratch is: some tests run programs as others.
            DirBuilder::new().recursive(true).mode(0o755).create(&folder).expect("a folder for the run");
            match Postgres::start(&options(folder.join("server"), false)) {
                Ok(server) => return Self::on(server, &folder),
                Err(Error::InUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        unreachable!("some folder is free")
    }

    fn on(server: Postgres, folder: &Path) -> Self {
        let url = server.url().to_owned();
        for statement in [
            "ALTER ROLE plaza CREATEDB",
            // So that each test's lines can be told from those of others.
            "ALTER SYSTEM SET log_line_prefix = '%m [%p] %d '",
            "SELECT pg_reload_conf()",
        ] {
            as_superuser(&server, &folder.join("server"), statement);
        }
        drop_leftovers(&url);
        connect(&url)
            .batch_execute(&format!("CREATE DATABASE {MIGRATED} TEMPLATE template0"))
            .expect("a database");
        migrations::up(&mut connect(&url_of(&url, MIGRATED))).expect("migrations");
        // The migrations made PostgreSQL forget its caches. A connection makes them again, for the copies.
        drop(connect(&url_of(&url, MIGRATED)));

        let cluster = folder.join("cluster");
        // Of a run that was killed, perhaps with other migrations.
        drop(fs::remove_dir_all(&cluster));
        let copied = Postgres::start(&options(cluster.clone(), true)).expect("a cluster to copy");
        migrations::up(&mut connect(copied.url())).expect("migrations");
        copied.stop().expect("a cluster that is whole");
        Self { url, cluster, folder: Some(folder.to_owned()), _server: Some(server) }
    }
}

/// Where PostgreSQL's programs are.
pub fn programs() -> PathBuf {
    bin_dir(&options(PathBuf::from("/nonexistent"), false)).expect("PostgreSQL is installed")
}

fn options(data_dir: PathBuf, durable: bool) -> Options {
    Options { data_dir, bin_dir: None, path: search_path(), max_connections: 400, durable }
}

/// A folder for runs: in memory where there is much of it, since a database is hundreds of files; else one of the build's.
fn scratch() -> PathBuf {
    const ENOUGH: u64 = 4 << 30;
    if free(Path::new(MEMORY)).is_some_and(|free| free >= ENOUGH) {
        return Path::new(MEMORY).join(format!("plaza-tests-{}", my_uid()));
    }
    let program = env::current_exe().expect("a program knows where it is");
    // TARGET/debug/deps/PROGRAM, or TARGET/debug/examples/PROGRAM.
    program.ancestors().nth(3).expect("it lies in a folder of cargo's").join("tmp")
}

/// The bytes that are free on a file system.
fn free(folder: &Path) -> Option<u64> {
    let folder = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is plain data for which all zeroes is a value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `folder` ends with NUL, `found` is valid for writes, and both outlive the call.
    let is_known = unsafe { libc::statvfs(folder.as_ptr(), &raw mut found) } == 0;
    is_known.then(|| found.f_bavail * found.f_frsize)
}

fn my_uid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Run a statement as the user that the server runs as, who may be its superuser.
fn as_superuser(server: &Postgres, data: &Path, statement: &str) {
    let owner = fs::metadata(data.join("postgres")).expect("a cluster").uid();
    let (_, socket) = server.url().split_once("host=").expect("the URL names a folder");
    let socket = socket.split('&').next().unwrap_or_default();
    let socket = percent_decode_str(socket).decode_utf8().expect("a path of this build's");
    let socket = File::open(&*socket).expect("the folder of the socket");
    let mut psql = Command::new(server.bin_dir().join("psql"));
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--username",
        "postgres",
        "--dbname",
        "plaza",
        "--command",
        statement,
    ]);
    // That user may not be able to walk to the socket, so the folder is handed over open.
    psql.args(["--output", "/dev/null", "--host", "/proc/self/fd/0"]).stdin(socket).current_dir("/");
    if my_uid() != owner {
        psql.uid(owner).gid(owner);
    }
    assert!(psql.status().expect("psql is installed").success(), "{statement}");
}

/// Databases of runs that were killed, and the last run's tables, which may be others now.
fn drop_leftovers(url: &str) {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Text)]
        datname: String,
    }
    let mut conn = connect(url);
    let query =
        format!("SELECT datname::text FROM pg_database WHERE datname ~ '^(t[0-9]+_[0-9]+|{MIGRATED})$'");
    let found: Vec<Found> =
        diesel::RunQueryDsl::load(diesel::sql_query(query), &mut conn).expect("databases");
    for Found { datname } in found {
        conn.batch_execute(&format!("DROP DATABASE {datname} WITH (FORCE)")).expect("a clean server");
    }
}
