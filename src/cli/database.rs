//! Which database a command works on: the one that was given, that of a running server, or one started for the purpose.

use diesel::Connection;
use diesel::pg::PgConnection;

use super::Result;
use crate::config::{Config, search_path};
use crate::db::embedded::{self, Options, Postgres};
use crate::db::migrations;

/// A database, and the embedded server behind it if this program started it.
pub struct Database {
    url: String,
    server: Option<Postgres>,
    is_given: bool,
}

impl Database {
    /// For `serve`: the one that was given, or else an embedded server of this program's own, which nobody else may run.
    pub fn for_serving(config: &Config) -> Result<Self> {
        match config.database_url()? {
            Some(url) => Ok(Self { url, server: None, is_given: true }),
            None => Ok(Self::own(Postgres::start(&options(config))?)),
        }
    }

    /// For every other command: the one that was given, or that of the running server, or an embedded one for as long as
    /// the command takes.
    pub fn for_command(config: &Config) -> Result<Self> {
        if let Some(url) = config.database_url()? {
            return Ok(Self { url, server: None, is_given: true });
        }
        loop {
            if let Some(url) = embedded::running(&options(config))? {
                return Ok(Self { url, server: None, is_given: false });
            }
            match Postgres::start(&options(config)) {
                // Another command was faster: its server will do.
                Err(embedded::Error::InUse { .. }) => {}
                started => return Ok(Self::own(started?)),
            }
        }
    }

    /// The same, migrated if it is the program's own.
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

    /// For libpq.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether somebody else looks after it, so that it is not migrated unasked.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// One connection.
    pub fn connect(&self) -> Result<PgConnection> {
        PgConnection::establish(&self.url).map_err(|error| {
            let error = error.to_string();
            let error = error.trim_end();
            format!(
                "cannot connect to the database: {error}. Is DATABASE_URL right, and is the server running?"
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

/// How the embedded server is run.
pub fn options(config: &Config) -> Options {
    Options {
        data_dir: config.data_dir.clone(),
        bin_dir: config.postgres_bin.clone(),
        path: search_path(),
        // The pool, and room for commands and for somebody with psql.
        max_connections: config.database_pool() + 20,
        durable: true,
    }
}
