//! `plaza media`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use prometheus_client::metrics::counter::Counter;

use super::Result;
use super::database::Database;
use crate::config::Config;
use crate::db::Db;
use crate::media;
use crate::media::cleanup::{Collected, collect};
use crate::media::store::Store;
use crate::media::variants::Uses;
use crate::metrics::Metrics;
use crate::models::picture::Picture;

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
    /// Make every variant that the settings name and that is not there yet: before somebody else serves the files, or after the
    /// settings changed
    Make,
}

#[derive(Args)]
struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Media {
    /// Prints what was removed or made. Safe while nodes run.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::migrated(config)?;
        let db = Db::new(database.url(), 1, config.statement_timeout);
        let system = actix_web::rt::System::new();
        let done = match self.action {
            Action::Gc(Gc { dry_run }) => system.block_on(collect_garbage(config, &db, dry_run)),
            Action::Make => system.block_on(make_variants(config, &db)),
        };
        drop((system, db));
        database.stop()?;
        done.map(|()| ExitCode::SUCCESS)
    }
}

async fn collect_garbage(config: &Config, db: &Db, dry_run: bool) -> Result<()> {
    let store = Store::open(&config.store, &config.aws, Counter::default())?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {pos} files, {per_sec}")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let collected = collect(&store, db, dry_run, |files| bar.inc(files as u64)).await;
    bar.finish_and_clear();
    report(&collected?, dry_run);
    Ok(())
}

/// Pictures that are read at once.
const BATCH: i64 = 100;

async fn make_variants(config: &Config, db: &Db) -> Result<()> {
    let store = Store::open(&config.store, &config.aws, Counter::default())?;
    let uses = Arc::new(Uses::new(&config.pictures)?);
    let shared = Data::new(db.clone());
    let media = media::Media::new(config, store, shared, uses, Metrics::default())
        .map_err(|error| error.to_string())?;
    let all = db.run(|conn| Ok(Picture::count(conn)?)).await.map_err(|error| error.to_string())?;
    let bar = ProgressBar::new(u64::try_from(all).unwrap_or_default())
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left")?);
    let (mut made, mut last) = (0, String::new());
    loop {
        let after = last.clone();
        let page = db.run(move |conn| Ok(Picture::after(conn, &after, BATCH)?)).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(picture) = page.last() else { break };
        last.clone_from(&picture.key);
        for picture in &page {
            made += media.make_all(picture).await.map_err(|error| error.to_string())?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    println!("made {made} variants of {} pictures", bar.position());
    Ok(())
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
