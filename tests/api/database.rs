//! PostgreSQL for the tests: one private server for the run, a schema for each test.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use plaza::config::search_path;
use plaza::db::embedded::{Error, Options, Postgres};
use plaza::db::migrations;

/// A schema of its own in the run's database, dropped with it.
pub struct Schema {
    pub name: String,
    pub url: String,
}

impl Schema {
    /// Without tables.
    pub fn empty() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = RUN.server.url();
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
        drop(connect(RUN.server.url()).batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)));
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).expect("a connection")
}

/// What the tests of one run share.
struct Run {
    server: Postgres,
    folder: PathBuf,
}

/// The run's server dies with the process; its folder is used again by the next run that finds it free.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    for number in 0.. {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{number}"));
        let options =
            Options { data_dir: folder.clone(), bin_dir: None, path: search_path(), max_connections: 100 };
        match Postgres::start(&options) {
            Ok(server) => {
                drop_leftovers(server.url());
                return Run { server, folder };
            }
            Err(Error::InUse { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("some folder is free")
});

/// A folder that no other run uses at the same time. What earlier runs left is still in it.
pub fn run_folder() -> &'static Path {
    &RUN.folder
}

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
