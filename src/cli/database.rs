//! The database that a command works on: the given one, that of a running server, or one that the command starts for itself.

use diesel::Connection;
use diesel::pg::PgConnection;

use super::Result;
use crate::config::{Config, search_path};
use crate::db::embedded::{self, Options, Postgres};
use crate::db::migrations;

/// A database, and the embedded server behind it if this program started the server.
pub struct Database {
    url: String,
    server: Option<Postgres>,
    is_given: bool,
}

impl Database {
    /// Open the database for `serve`: the given one, or else an embedded server that this program starts. No other program may be
    /// running that server.
    pub fn for_serving(config: &Config) -> Result<Self> {
        match config.database_url()? {
            Some(url) => Ok(Self { url, server: None, is_given: true }),
            None => Ok(Self::own(Postgres::start(&options(config))?)),
        }
    }

    /// Open the database for every other command: the given one, that of the running server, or that of an embedded server that
    /// runs only as long as the command.
    pub fn for_command(config: &Config) -> Result<Self> {
        if let Some(url) = config.database_url()? {
            return Ok(Self { url, server: None, is_given: true });
        }
        loop {
            if let Some(url) = embedded::running(&options(config))? {
                return Ok(Self { url, server: None, is_given: false });
            }
            match Postgres::start(&options(config)) {
                // Another command was faster: use its server.
                Err(embedded::Error::InUse { .. }) => {}
                started => return Ok(Self::own(started?)),
            }
        }
    }

    /// Open the database as [`Database::for_command`] does, and migrate it if it is the embedded one.
    pub fn migrated(config: &Config) -> Result<Self> {
        let database = Self::for_command(config)?;
        if !database.is_given {
            migrations::up(&mut database.connect()?)?;
        }
        Ok(database)
    }

    fn own(server: Postgres) -> Self {
        Self { url: server.url().to_owned(), server: Some(server), is_given: false }
    }

    /// Return the URL for libpq.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the administrator manages this database, so that it is not migrated unless requested.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// Open a connection.
    pub fn connect(&self) -> Result<PgConnection> {
        PgConnection::establish(&self.url).map_err(|error| {
            let error = error.to_string();
            let error = error.trim_end();
            format!(
                "cannot connect to the database: {error}. Check DATABASE_URL, and whether the server runs"
            )
            .into()
        })
    }

    /// Stop the server if this program started it.
    pub fn stop(self) -> Result<()> {
        if let Some(server) = self.server {
            server.stop()?;
        }
        Ok(())
    }
}

/// Return the options of the embedded server.
pub fn options(config: &Config) -> Options {
    Options {
        data_dir: config.data_dir.clone(),
        bin_dir: config.postgres_bin.clone(),
        path: search_path(),
        // The pool, and room for commands and for an administrator with psql.
        max_connections: config.database_pool() + 20,
        durable: true,
    }
}
