//! The program under test: a node of its own for each test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use clap::Parser;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use plaza::app::{App, Background};
use plaza::auth::secret::Secret;
use plaza::config::{Config, search_path};
use plaza::db::embedded::{Error, Options, Postgres};
use plaza::db::migrations;
use plaza::models::names::{Email, Username};
use plaza::models::user::NewUser;
use tempfile::TempDir;

use crate::client::Client;

/// What every member logs in with.
pub const PASSWORD: &str = "correct horse battery";

/// One node with a schema and a media folder of its own, listening on a port of its own.
pub struct TestApp {
    pub app: App,
    pub base: String,
    pub media: PathBuf,
    pub secret: Secret,
    schema: Arc<Schema>,
    handles: [ServerHandle; 2],
    pub ops: String,
    _background: Background,
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

    /// With other settings than the default ones, as flags.
    #[expect(
        clippy::unused_async,
        reason = "a test starts on the runtime that the node's servers will run on"
    )]
    pub async fn with(flags: &[&str]) -> Self {
        Self::on(Arc::new(Schema::migrated()), flags)
    }

    /// Another node on the same database: the secret is the same, the data folder is not. Its URLs are those of the first.
    pub fn beside(&self, flags: &[&str]) -> Self {
        let public_url = ["--public-url", &self.base];
        Self::on(Arc::clone(&self.schema), &[&public_url, flags].concat())
    }

    fn on(schema: Arc<Schema>, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let media = folder.path().join("media");
        let (api, ops) = (listen(), listen());
        let base = format!("http://{}", api.local_addr().expect("an address"));
        let ops_base = format!("http://{}", ops.local_addr().expect("an address"));
        let store = format!("file:{}", media.display());
        let data_folder = folder.path().join("data");
        let data = data_folder.display().to_string();
        let defaults = [
            ["plaza", "--log=warn"],
            ["--public-url", &base],
            ["--data-dir", &data],
            ["--store", &store],
            ["--workers", "1"],
            ["--database-pool", "4"],
        ]
        .concat();
        let config = Settings::parse_from(defaults.iter().chain(flags)).config;
        let secret = Secret::load(Some("the secret of the tests, long enough".into()), folder.path())
            .expect("a secret");
        let app = App::new(config, &schema.url, &secret).expect("an app");
        let background = app.work();
        let (public, operators) = app.serve(api, ops).expect("servers");
        let handles = [public.handle(), operators.handle()];
        actix_web::rt::spawn(public);
        actix_web::rt::spawn(operators);
        Self {
            app,
            base,
            media,
            secret,
            schema,
            handles,
            ops: ops_base,
            _background: background,
            data: data_folder,
            _folder: folder,
        }
    }

    /// Somebody without a token.
    pub fn guest(&self) -> Client {
        Client::new(&self.base, None)
    }

    /// A user of this name, made on first use, with a session of its own each time.
    pub fn member(&self, name: &str) -> Client {
        self.user(name, false)
    }

    /// The same who may administer everything.
    pub fn staff(&self, name: &str) -> Client {
        self.user(name, true)
    }

    fn user(&self, name: &str, is_staff: bool) -> Client {
        static HASH: LazyLock<String> = LazyLock::new(|| {
            use argon2::PasswordHasher;
            argon2::Argon2::default().hash_password(PASSWORD.as_bytes()).expect("a hash").to_string()
        });
        let tokens = self.app.db().transaction_blocking(|conn| {
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
            self.app.sessions().open(conn, user.id, "tests", "127.0.0.1")
        });
        Client::new(&self.base, Some(tokens.expect("tokens").access))
    }

    /// Plain SQL on the test's schema.
    pub fn sql(&self, statement: &str) {
        self.schema.connect().batch_execute(statement).expect("SQL");
    }

    /// Wait until every job is done or given up.
    pub async fn idle(&self) {
        self.eventually("every job is done", || self.count("jobs WHERE failed_at IS NULL") == 0).await;
    }

    /// Wait until so many mails are files.
    pub async fn mails(&self, number: usize) {
        let folder = self.data.join("mail");
        let count = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
        self.eventually("the mails are written", || count() == number).await;
    }

    /// Poll until it is so.
    pub async fn eventually(&self, what: &str, check: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !check() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Hold a lock until the guard is dropped.
    pub fn lock(&self, statement: &str) -> PgConnection {
        let mut conn = self.schema.connect();
        conn.batch_execute(&format!("BEGIN; {statement}")).expect("a lock");
        conn
    }

    /// Wait until the node hears what others do.
    pub async fn hears(&self) {
        self.eventually("the node hears", || self.app.callers().is_hearing()).await;
    }

    /// The backend that this node listens on. For a test of one node.
    pub fn listener(&self) -> i32 {
        #[derive(QueryableByName)]
        struct Backend {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            pid: i32,
        }
        let name = &self.schema.name;
        let query =
            format!("SELECT pid FROM pg_stat_activity WHERE application_name = 'plaza listener of {name}'");
        diesel::sql_query(query)
            .get_result::<Backend>(&mut self.schema.connect())
            .map_or(0, |found| found.pid)
    }

    /// Let the node hear nothing until the guard is dropped, on a connection that stays open.
    pub fn deafen(&self) -> Deaf {
        let deaf = Deaf(self.listener());
        deaf.signal(libc::SIGSTOP);
        deaf
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// As if so much time had passed since every refresh.
    pub fn rotated_earlier(&self, interval: &str) {
        self.sql(&format!(
            "UPDATE sessions SET rotated_at = rotated_at - interval '{interval}',
                 rotations = ARRAY(SELECT t - interval '{interval}' FROM unnest(rotations) AS t)"
        ));
    }

    /// How many rows a query counts.
    pub fn count(&self, from: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {from}"));
        query.get_result::<Count>(&mut self.schema.connect()).expect("a count").count
    }

    /// Every file of the media folder, by its path in it.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.media.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&self.media).expect("inside").display().to_string());
                }
            }
        }
        files.sort();
        files
    }
}

/// A node that hears nothing.
pub struct Deaf(i32);

impl Deaf {
    fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved.
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

/// `ana@example.org`; a name that no address can hold is spelt in hexadecimal digits.
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

/// A schema of its own in the run's database, dropped with it.
pub struct Schema {
    name: String,
    pub url: String,
}

impl Schema {
    /// Without tables.
    pub fn empty() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = SERVER.url();
        connect(server).batch_execute(&format!("CREATE SCHEMA {name}")).expect("a schema");
        let separator = if server.contains('?') { '&' } else { '?' };
        // The secret's search path is what makes one database look like many.
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        Self { name, url }
    }

    /// With every table.
    pub fn migrated() -> Self {
        let schema = Self::empty();
        migrations::up(&mut schema.connect()).expect("migrations");
        schema
    }

    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // Requests that the test did not wait for may hold locks a moment longer; the statement waits for them.
        drop(connect(SERVER.url()).batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)));
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("a connection")
}

/// The run's server. It dies with the process; its folder is used again by the next run that finds it free.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
    for number in 0.. {
        let options = Options {
            data_dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{number}")),
            bin_dir: None,
            path: search_path(),
            max_connections: 100,
        };
        match Postgres::start(&options) {
            Ok(server) => {
                drop_leftovers(server.url());
                return server;
            }
            Err(Error::InUse { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("some folder is free")
});

/// Schemas of runs that were killed.
fn drop_leftovers(url: &str) {
    connect(url)
        .batch_execute(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^t[0-9]+_[0-9]+$' LOOP
                     EXECUTE format('DROP SCHEMA %I CASCADE', name);
                 END LOOP;
             END $$",
        )
        .expect("a clean database");
}
