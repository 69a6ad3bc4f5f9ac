//! The program under test: each test has its own node.

use std::cell::RefCell;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use object_store::Attributes;
use plaza::app::{App, Background};
use plaza::auth::secret::Secret;
use plaza::config::Config;
use plaza::models::names::{Email, Username};
use plaza::models::user::NewUser;
use plaza::timing::Timing;
use tempfile::TempDir;

use crate::buckets::Bucket;
use crate::client::{self, Client};
use crate::database::Database;
use crate::stores::{self, Store};

/// Longer than any wait of a test, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The password of every member.
pub const PASSWORD: &str = "correct horse battery";

/// `pg_locks` of the test's own database. Tables in the other databases on the server have the same numbers.
pub const LOCKS: &str = "(SELECT pg_locks.* FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                         WHERE datname = current_database()) AS locks";

/// Shorter intervals for tests of something else. The other intervals are the defaults.
pub fn timing() -> Timing {
    Timing {
        publish_interval: Duration::from_millis(5),
        token_check: Duration::from_millis(50),
        outage_pause: Duration::from_millis(100),
        missing_remembered: Duration::from_millis(200),
        ..Timing::default()
    }
}

/// A node with its own database, store and port.
pub struct TestApp {
    pub app: App,
    pub base: String,
    pub secret: Secret,
    http: reqwest::Client,
    database: Arc<Database>,
    store: Arc<Store>,
    handles: [ServerHandle; 2],
    pub ops: String,
    background: RefCell<Option<Background>>,
    /// Kept, because polling with a new connection each time would keep the server busy.
    connection: RefCell<Option<PgConnection>>,
    data: PathBuf,
    _folder: TempDir,
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A node with other settings than the defaults, given as flags.
    #[expect(
        clippy::unused_async,
        reason = "a test starts on the runtime that the node's servers will run on"
    )]
    pub async fn with(flags: &[&str]) -> Self {
        Self::on(Arc::new(Database::migrated()), Arc::new(Store::folder()), flags)
    }

    /// A node with other intervals and settings.
    #[expect(clippy::unused_async, reason = "as in `with`")]
    pub async fn timed(timing: Timing, flags: &[&str]) -> Self {
        Self::on_time(Arc::new(Database::migrated()), Arc::new(Store::folder()), timing, flags)
    }

    /// A node with other settings and with its files in a bucket.
    #[expect(clippy::unused_async, reason = "as in `with`")]
    pub async fn on_a_bucket(flags: &[&str]) -> Self {
        Self::on(Arc::new(Database::migrated()), Arc::new(Store::bucket()), flags)
    }

    /// One node with its files in a folder and one with its files in a bucket, for tests that must pass on both.
    pub async fn on_each_store(flags: &[&str]) -> [Self; 2] {
        [Self::with(flags).await, Self::on_a_bucket(flags).await]
    }

    /// Another node on the same database and the same store. It has the same secret, but its own data folder. Its
    /// URLs are those of the first node.
    pub fn beside(&self, flags: &[&str]) -> Self {
        let public_url = ["--public-url", &self.base];
        Self::on(Arc::clone(&self.database), Arc::clone(&self.store), &[&public_url, flags].concat())
    }

    fn on(database: Arc<Database>, store: Arc<Store>, flags: &[&str]) -> Self {
        Self::on_time(database, store, timing(), flags)
    }

    fn on_time(database: Arc<Database>, store: Arc<Store>, timing: Timing, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (api, ops) = (listen(), listen());
        let base = format!("http://{}", api.local_addr().expect("an address"));
        let ops_base = format!("http://{}", ops.local_addr().expect("an address"));
        let data_folder = folder.path().join("data");
        let data = data_folder.display().to_string();
        let location = store.location();
        let defaults = [
            ["plaza", "--log=warn"],
            ["--public-url", &base],
            ["--data-dir", &data],
            ["--store", &location],
            ["--workers", "1"],
            ["--database-pool", "4"],
            ["--argon2-memory", "8"],
            ["--argon2-passes", "1"],
            ["--work-priority", "ordinary"],
        ]
        .concat();
        let config = Settings::parse_from(defaults.iter().chain(flags)).config;
        let config = Config { aws: store.variables(), timing, ..config };
        let secret = Secret::load(Some("the secret of the tests, long enough".into()), folder.path())
            .expect("a secret");
        let app = App::new(config, &database.url, &secret).expect("an app");
        let background = app.work();
        let (public, operators) = app.serve(api, ops).expect("servers");
        let handles = [public.handle(), operators.handle()];
        actix_web::rt::spawn(public);
        actix_web::rt::spawn(operators);
        Self {
            app,
            base,
            secret,
            http: client::http(),
            database,
            store,
            handles,
            ops: ops_base,
            background: RefCell::new(Some(background)),
            connection: RefCell::default(),
            data: data_folder,
            _folder: folder,
        }
    }

    fn client(&self, token: Option<String>) -> Client {
        Client { http: self.http.clone(), base: self.base.clone(), token }
    }

    /// A client of the operators' address.
    pub fn operator(&self) -> Client {
        Client { base: self.ops.clone(), ..self.guest() }
    }

    /// A client without a token.
    pub fn guest(&self) -> Client {
        self.client(None)
    }

    /// A client with a new session of the user with this name. The first call creates the user.
    pub fn member(&self, name: &str) -> Client {
        self.user(name, false)
    }

    /// A client with a new session of a user who is staff. The first call creates the user.
    pub fn staff(&self, name: &str) -> Client {
        self.user(name, true)
    }

    fn user(&self, name: &str, is_staff: bool) -> Client {
        static HASH: LazyLock<String> = LazyLock::new(|| {
            use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
            let cheapest = Params::new(8, 1, 1, None).expect("what Argon2 takes");
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cheapest);
            argon2.hash_password(PASSWORD.as_bytes()).expect("a hash").to_string()
        });
        let tokens = self.app.state().db.transaction_blocking(|conn| {
            let user = match plaza::models::user::User::by_login(conn, name)?.into_iter().next() {
                Some(user) => user,
                None => NewUser {
                    username: Username::parse(name).expect("a username"),
                    email: Email::parse(&address(name)).expect("an address"),
                    password_hash: HASH.clone(),
                    is_staff,
                }
                .insert(conn)?,
            };
            plaza::models::user::User::touch_login(conn, user.id)?;
            self.app.state().auth.sessions.open(conn, user.id, "tests", "127.0.0.1")
        });
        self.client(Some(tokens.expect("tokens").access))
    }

    /// Run a query on a connection that is not the node's.
    fn query<T>(&self, work: impl FnOnce(&mut PgConnection) -> T) -> T {
        let mut kept = self.connection.borrow_mut();
        work(kept.get_or_insert_with(|| self.database.connect()))
    }

    /// Run SQL on the test's database.
    pub fn sql(&self, statement: &str) {
        self.query(|conn| conn.batch_execute(statement)).expect("SQL");
        self.query(|conn| conn.batch_execute("RESET ALL")).expect("the settings of the connection");
    }

    /// Run SQL that may fail, and return the error message.
    pub fn try_sql(&self, statement: &str) -> Result<(), String> {
        self.database.connect().batch_execute(statement).map_err(|error| format!("{error:?}"))
    }

    /// Extend every wait before the next attempt by a minute, so that the test does not depend on the speed of the
    /// machine. This does not affect clients that do not have to wait.
    pub fn prolong_waits(&self) {
        self.sql(
            "UPDATE throttle_buckets SET blocked_until = blocked_until + interval '1 minute' WHERE blocked_until > 'epoch'",
        );
    }

    /// Publish no events and run no jobs from now on, so that every statement belongs to a request.
    pub async fn rest(&self) {
        self.idle().await;
        let background = self.background.borrow_mut().take().expect("it rests already");
        background.stop(PATIENCE).await;
    }

    /// Wait until every job is done or has failed.
    pub async fn idle(&self) {
        self.eventually("every job is done", || self.count("jobs WHERE failed_at IS NULL") == 0).await;
    }

    /// Wait until every event is published.
    pub async fn published(&self) {
        self.eventually("every event is published", || self.count("unpublished_events") == 0).await;
    }

    /// Wait until this number of mails are files.
    pub async fn mails(&self, number: usize) {
        let folder = self.data.join("mail");
        let count = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
        self.eventually("the mails are written", || count() == number).await;
    }

    /// Poll until the check is true.
    pub async fn eventually(&self, what: &str, check: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !check() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Hold a lock until the guard is dropped.
    pub fn lock(&self, statement: &str) -> PgConnection {
        let mut conn = self.database.connect();
        conn.batch_execute(&format!("BEGIN; {statement}")).expect("a lock");
        conn
    }

    /// Wait until the node receives notices from other nodes.
    pub async fn hears(&self) {
        self.eventually("the node hears", || self.app.state().auth.cache.is_listening()).await;
    }

    /// The backend of the node's LISTEN connection. Only for tests with one node.
    pub fn listener(&self) -> i32 {
        #[derive(QueryableByName)]
        struct Backend {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            pid: i32,
        }
        let query = "SELECT pid FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name LIKE 'plaza listener of %'";
        let found = self.query(|conn| diesel::sql_query(query).get_result::<Backend>(conn));
        found.map_or(0, |found| found.pid)
    }

    /// Stop the node from receiving notices until the guard is dropped. Its connection stays open.
    pub fn deafen(&self) -> Deaf {
        let deaf = Deaf(self.listener());
        deaf.signal(libc::SIGSTOP);
        deaf
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Simulate that this interval has passed since every refresh.
    pub fn rotated_earlier(&self, interval: &str) {
        self.sql(&format!(
            "UPDATE sessions SET rotated_at = rotated_at - interval '{interval}',
                 rotations = ARRAY(SELECT t - interval '{interval}' FROM unnest(rotations) AS t)"
        ));
    }

    /// The result of a query with one text column: one line for each row.
    pub fn lines(&self, query: &str) -> String {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = diesel::sql_types::Text)]
            line: String,
        }
        let query = diesel::sql_query(format!("SELECT line FROM ({query}) AS found (line)"));
        let lines: Vec<Line> = self.query(|conn| query.load(conn)).expect("lines");
        lines.into_iter().map(|Line { line }| line).collect::<Vec<_>>().join("\n")
    }

    /// The number of rows.
    pub fn count(&self, from: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {from}"));
        self.query(|conn| query.get_result::<Count>(conn)).expect("a count").count
    }

    /// The key of every file in the store, sorted.
    pub fn files(&self) -> Vec<String> {
        self.store.files()
    }

    /// The folder of the files. Panics if they are in a bucket.
    pub fn media(&self) -> PathBuf {
        self.store.media()
    }

    /// The bucket of the files. Panics if they are in a folder.
    pub fn bucket(&self) -> &Bucket {
        self.store.as_bucket()
    }

    /// The attributes that the bucket stores with a file.
    pub async fn attributes(&self, file: &str) -> Attributes {
        stores::attributes(self.bucket(), file).await
    }
}

/// While this exists, a node receives no notices.
pub struct Deaf(i32);

impl Deaf {
    fn signal(&self, signal: i32) {
        // SAFETY: `kill` does not access memory.
        assert_eq!(unsafe { libc::kill(self.0, signal) }, 0, "the backend is there");
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.signal(libc::SIGCONT);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for handle in &self.handles {
            drop(handle.stop(false));
        }
    }
}

/// `ana@example.org`. A name that an address cannot contain is encoded in hexadecimal digits.
fn address(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric());
    let local = if is_plain { name.to_owned() } else { hex(name.as_bytes()) };
    format!("{local}@example.org")
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}
