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

/// Shortest time between publishing a key and signing with it. Every node has received the notice of the key by then.
const SHORTEST_LEAD: Duration = Duration::from_secs(2);

/// Manage the keys that sign access tokens.
#[derive(Args)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Publish a new key, which signs once every node and client knows it; the old key is retired when its last token has expired
    Rotate(Rotate),
}

#[derive(Args)]
struct Rotate {
    /// How long the key is published before it signs; choose more than the 5 minutes for which clients cache the published keys
    #[arg(long, default_value = "10m", value_parser = duration)]
    lead: Duration,
}

impl Keys {
    /// Rotate the keys, and print the new key's name and when it signs. Running nodes notice the key by themselves.
    pub fn run(self, config: &Config) -> Result<ExitCode> {
        let Action::Rotate(Rotate { lead }) = self.action;
        if lead < SHORTEST_LEAD {
            return Err(
                "--lead must be at least 2s, so that every node receives the key before it signs".into()
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
            "{} is published and signs from {} (in {seconds} s). The old key verifies tokens until the last one has expired.",
            key.kid,
            key.signs_from.format("%Y-%m-%d %H:%M:%S UTC")
        );
        Ok(ExitCode::SUCCESS)
    }
}
