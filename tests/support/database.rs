//! PostgreSQL for the tests. A run has one server, on which each test has its own migrated database, and one cluster,
//! which tests of the embedded server copy.
//!
//! `make test` starts the server and the cluster once and passes their locations to every test (see
//! `with_postgres.rs`). A test binary that you run directly starts its own.

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

/// The variable with the URL of the run's server, with its role.
pub const SERVER: &str = "PLAZA_TEST_SERVER";
/// The variable with the data folder of the cluster to copy.
pub const CLUSTER: &str = "PLAZA_TEST_CLUSTER";

/// A file system in memory.
pub const MEMORY: &str = "/dev/shm";

/// The template of the tests' databases.
const MIGRATED: &str = "migrated";

/// A test's own database, which is dropped with this value.
pub struct Database {
    pub name: String,
    pub url: String,
}

impl Database {
    /// Create a database with every table.
    pub fn migrated() -> Self {
        Self::copy_of(MIGRATED)
    }

    /// Create a database without tables.
    pub fn empty() -> Self {
        Self::copy_of("template0")
    }

    fn copy_of(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = url_of(&RUN.url, &name);
        // `FILE_COPY` takes two thirds of the time of `WAL_LOG`, as measured. It also copies the caches that
        // PostgreSQL keeps in files, so that the first connection does not have to build them.
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
        administer(&copy).expect("a database");
        Self { name, url }
    }

    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// The lines of the server's log about this database. A line that begins with a tab belongs to the previous line.
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
        // Requests that the test did not wait for may still be connected. If the drop fails, the next run drops the
        // database.
        drop(administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

/// Run a statement on a connection that the process keeps for all its databases.
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
    /// A data folder with a migrated, durable cluster. No server runs on it.
    pub cluster: PathBuf,
    /// The folder that contains both; `None` if `with-postgres` made them.
    pub folder: Option<PathBuf>,
    /// Stops the server when the process ends; `None` if `with-postgres` started it.
    _server: Option<Postgres>,
}

/// The run that this process belongs to.
pub static RUN: LazyLock<Run> = LazyLock::new(|| Run::of_the_environment().unwrap_or_else(Run::start));

impl Run {
    /// The path of the server's log.
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

    /// Start the server in the first folder that no other run uses. The server ends with the process. Later runs use
    /// the folder again.
    pub fn start() -> Self {
        for number in 0.. {
            let folder = scratch().join(format!("postgres-{number}"));
            // All users may enter the folder, like the system's temporary folder: some tests run programs as other
            // users.
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
            // With the database's name in each line, the lines of each test can be told apart.
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
        // The migrations invalidated PostgreSQL's caches. A connection builds them again, for the copies.
        drop(connect(&url_of(&url, MIGRATED)));

        let cluster = folder.join("cluster");
        // A killed run may have left a cluster, perhaps with other migrations.
        drop(fs::remove_dir_all(&cluster));
        let copied = Postgres::start(&options(cluster.clone(), true)).expect("a cluster to copy");
        migrations::up(&mut connect(copied.url())).expect("migrations");
        copied.stop().expect("a cluster that is whole");
        Self { url, cluster, folder: Some(folder.to_owned()), _server: Some(server) }
    }
}

/// The folder of PostgreSQL's programs.
pub fn programs() -> PathBuf {
    bin_dir(&options(PathBuf::from("/nonexistent"), false)).expect("PostgreSQL is installed")
}

fn options(data_dir: PathBuf, durable: bool) -> Options {
    Options { data_dir, bin_dir: None, path: search_path(), max_connections: 400, durable }
}

/// The folder for runs: in memory if there is enough of it, since a database consists of hundreds of files; otherwise
/// a folder of the build.
fn scratch() -> PathBuf {
    const ENOUGH: u64 = 4 << 30;
    if free(Path::new(MEMORY)).is_some_and(|free| free >= ENOUGH) {
        return Path::new(MEMORY).join(format!("plaza-tests-{}", my_uid()));
    }
    let program = env::current_exe().expect("a program knows where it is");
    // TARGET/debug/deps/PROGRAM, or TARGET/debug/examples/PROGRAM.
    program.ancestors().nth(3).expect("it lies in a folder of cargo's").join("tmp")
}

/// The free bytes of a file system.
fn free(folder: &Path) -> Option<u64> {
    let folder = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: `statvfs` is plain data, for which all zeroes is a valid value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `folder` ends with NUL, `found` is valid for writes, and both outlive the call.
    let is_known = unsafe { libc::statvfs(folder.as_ptr(), &raw mut found) } == 0;
    is_known.then(|| found.f_bavail * found.f_frsize)
}

fn my_uid() -> u32 {
    // SAFETY: `geteuid` takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Run a statement as the operating system user that the server runs as, which may act as superuser.
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
    // That user may not have access to the path of the socket, so the folder is passed as an open file.
    psql.args(["--output", "/dev/null", "--host", "/proc/self/fd/0"]).stdin(socket).current_dir("/");
    if my_uid() != owner {
        psql.uid(owner).gid(owner);
    }
    assert!(psql.status().expect("psql is installed").success(), "{statement}");
}

/// Drop the databases of killed runs, and the previous run's template, whose tables may be outdated.
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
