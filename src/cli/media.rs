//! `plaza media gc`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use prometheus_client::metrics::counter::Counter;

use super::Result;
use super::database::Database;
use crate::config::Config;
use crate::db::Db;
use crate::media::cleanup::{Collected, collect};
use crate::media::store::Store;

/// Look after the stored pictures.
#[derive(Args)]
pub struct Media {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Remove what foreign hands left in the store: files of Plaza's that no row names; and say which rows lack their files
    Gc(Gc),
}

#[derive(Args)]
struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Media {
    /// Prints what was removed, a line each, and a summary. Safe while nodes run.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let Action::Gc(Gc { dry_run }) = self.action;
        let database = Database::migrated(config)?;
        let db = Db::new(database.url(), 1, config.statement_timeout);
        let bar = ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{spinner} {pos} files, {per_sec}")?);
        bar.enable_steady_tick(Duration::from_millis(100));
        let store = Store::open(&config.store, &config.aws, Counter::default())?;
        let collecting = collect(&store, &db, dry_run, |files| bar.inc(files as u64));
        let collected = actix_web::rt::System::new().block_on(collecting);
        bar.finish_and_clear();
        drop(db);
        database.stop()?;
        report(&collected?, dry_run);
        Ok(ExitCode::SUCCESS)
    }
}

fn report(collected: &Collected, dry_run: bool) {
    let verb = if dry_run { "would remove" } else { "removed" };
    for key in collected.orphans.iter().chain(&collected.unfinished) {
        println!("{verb} {key}");
    }
    for key in &collected.missing {
        println!("missing {key}");
    }
    println!(
        "{verb} {} files ({} bytes) that no row names and {} that were never finished; {} are in use, {} are not Plaza's, {} are missing",
        collected.orphans.len(),
        collected.bytes,
        collected.unfinished.len(),
        collected.known,
        collected.foreign,
        collected.missing.len()
    );
}
