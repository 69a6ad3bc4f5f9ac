//! `plaza keys`.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::{Args, Subcommand};

use super::Result;
use super::database::Database;
use crate::auth::keys;
use crate::auth::secret::Secret;
use crate::config::Config;
use crate::config::time::{duration, to_time_delta};
use crate::db::Db;

/// Shortest time between publishing a key and signing with it: every node has heard of it by then.
const SHORTEST_LEAD: Duration = Duration::from_secs(2);

/// Change the keys that sign access tokens.
#[derive(Args)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Publish a new key, which signs once everybody knows it; the old one is retired when its last token is dead
    Rotate(Rotate),
}

#[derive(Args)]
struct Rotate {
    /// How long the key is published before it signs: longer than others keep our published keys, which is 5 minutes
    #[arg(long, default_value = "10m", value_parser = duration)]
    lead: Duration,
}

impl Keys {
    /// Prints the new key's name and when it signs. Running nodes notice by themselves.
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let Action::Rotate(Rotate { lead }) = self.action;
        if lead < SHORTEST_LEAD {
            return Err(
                "--lead must be at least 2s, for every node to hear of the key before it signs".into()
            );
        }
        let secret = Secret::load(config.secret_key()?, &config.data_dir)?;
        let database = Database::migrated(config)?;
        let db = Db::new(database.url(), 1, config.statement_timeout);
        let key = db.transaction_blocking(|conn| keys::Keys::rotate(conn, &secret, to_time_delta(lead)));
        drop(db);
        database.stop()?;
        let key = key.map_err(|error| error.to_string())?;
        let seconds = (key.signs_from - Utc::now()).num_seconds().max(0);
        println!(
            "{} is published and signs from {} (in {seconds} s); the present key goes on verifying until its tokens are dead.",
            key.kid,
            key.signs_from.format("%Y-%m-%d %H:%M:%S UTC")
        );
        Ok(ExitCode::SUCCESS)
    }
}
