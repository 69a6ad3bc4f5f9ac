//! `plaza dbshell`.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use clap::Args;

use super::Result;
use super::database::{Database, options};
use crate::config::Config;
use crate::db::embedded;

/// Open psql on the database.
#[derive(Args)]
pub struct Dbshell {
    /// Only print the database's URL; the URL of the embedded server is valid as long as a server runs
    #[arg(long)]
    print_url: bool,
    /// Arguments for psql, as in `plaza dbshell -- -c 'SELECT count(*) FROM users'`
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Dbshell {
    /// Run psql, and exit with its status.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::for_command(config)?;
        if self.print_url {
            println!("{}", database.url());
            database.stop()?;
            return Ok(ExitCode::SUCCESS);
        }
        // The psql beside the embedded server's binaries matches that server. For a given database, any psql will do.
        let psql = if database.is_given() {
            "psql".into()
        } else {
            embedded::bin_dir(&options(config))?.join("psql")
        };
        let status =
            Command::new(&psql).arg(database.url()).args(&self.arguments).status().map_err(|error| {
                format!(
                    "cannot run {}: {error}. Check whether the PostgreSQL client is installed",
                    psql.display()
                )
            })?;
        database.stop()?;
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}
