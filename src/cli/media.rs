//! `plaza media`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use prometheus_client::metrics::counter::Counter;

use super::Result;
use super::database::Database;
use crate::app;
use crate::config::Config;
use crate::db::Db;
use crate::media;
use crate::media::cleanup::{Collector, StoreReport};
use crate::media::store::Store;
use crate::media::variants::Key;
use crate::metrics::Metrics;
use crate::models::picture::Picture;

/// Maintain the stored pictures.
#[derive(Args)]
pub struct Media {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Remove Plaza's files that no row names, left behind by changes outside of Plaza, and list rows whose files are missing
    Gc(Gc),
    /// Make every variant that the settings name and that does not exist yet: before another server serves the files, or after the
    /// settings changed
    Make,
    /// Find pictures that version 0.1.0 stored with missing rows of pixels, and regenerate damaged variants under new URLs
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// Only report what is damaged
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
struct Gc {
    /// Only report what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Remove every picture from the store even if the database has no picture at all
    #[arg(long)]
    empty_database: bool,
}

impl Media {
    /// Run the action, and print what was removed or made. It is safe while nodes run. `gc` exits with 1 if the original of a
    /// picture is missing, `make` if a variant could not be made, and `check` if an original is damaged.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::migrated(config)?;
        let db = Db::new(database.url(), 1, config.statement_timeout);
        let system = actix_web::rt::System::new();
        let done = match &self.action {
            Action::Gc(gc) => system.block_on(collect_garbage(config, &db, gc)),
            Action::Make => system.block_on(make_variants(config, &db)),
            Action::Check(check) => system.block_on(check_pictures(config, &db, check)),
        };
        drop((system, db));
        database.stop()?;
        done
    }
}

async fn collect_garbage(config: &Config, db: &Db, gc: &Gc) -> Result<ExitCode> {
    let store = Store::open(&config.store, &config.aws, Counter::default())?;
    let collector = Collector { store: &store, db };
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {pos} files, {per_sec}")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let found = collector.look(|files| bar.inc(files as u64)).await;
    bar.finish_and_clear();
    let found = found?;
    let pictures = db.run(|conn| Ok(Picture::count(conn)?)).await.map_err(|error| error.to_string())?;
    if pictures == 0 && !found.orphans.is_empty() && !gc.dry_run && !gc.empty_database {
        return Err(format!(
            "the store has {} files of Plaza's, but the database has no pictures: it may belong to another store. Nothing was \
             removed. To remove all of these files, use --empty-database",
            found.orphans.len()
        )
        .into());
    }
    if !gc.dry_run {
        collector.remove(&found).await?;
    }
    report(&found, gc.dry_run);
    let is_original = |key: &String| Key::parse(key).is_some_and(|key| key.variant.is_none());
    Ok(if found.missing.iter().any(is_original) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Open the store, with everything that is needed to put pictures into it.
pub fn open(config: &Config, db: &Db, metrics: Metrics) -> Result<media::Media> {
    app::media(config, db, metrics).map_err(|error| error.to_string().into())
}

/// Pictures that one query reads.
const BATCH: i64 = 100;

async fn make_variants(config: &Config, db: &Db) -> Result<ExitCode> {
    let metrics = Metrics::default();
    let media = open(config, db, metrics.clone())?;
    let mut failed = Vec::new();
    let count = each_picture(db, async |picture| {
        failed.extend(media.make_all(picture).await);
        Ok(())
    });
    let count = count.await?;
    for key in &failed {
        println!("failed {key}");
    }
    println!("made {} variants of {count} pictures, {} failed", metrics.variants_made.get(), failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Run `work` for every picture, and show the progress. Returns the number of pictures.
async fn each_picture(db: &Db, mut work: impl AsyncFnMut(&Picture) -> Result<()>) -> Result<u64> {
    let all = db.run(|conn| Ok(Picture::count(conn)?)).await.map_err(|error| error.to_string())?;
    let bar = ProgressBar::new(u64::try_from(all).unwrap_or_default())
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} pictures, {eta} left")?);
    let mut last = String::new();
    loop {
        let after = last.clone();
        let page = db.run(move |conn| Ok(Picture::after(conn, &after, BATCH)?)).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(picture) = page.last() else { break };
        last.clone_from(&picture.key);
        for picture in &page {
            work(picture).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(bar.position())
}

async fn check_pictures(config: &Config, db: &Db, check: &Check) -> Result<ExitCode> {
    let media = open(config, db, Metrics::default())?;
    let (mut renewed, mut variants, mut originals) = (0, 0, 0);
    let count = each_picture(db, async |picture| {
        let found = media.check(picture).await.map_err(|error| error.to_string())?;
        let what = found
            .unreadable
            .clone()
            .unwrap_or_else(|| format!("{} lines along an edge are empty", found.empty_lines));
        if found.unreadable.is_some() || found.empty_lines > 0 {
            originals += 1;
            let key = picture.key.clone();
            let shown = db.run(move |conn| Ok(Picture::shown_by(conn, &key)?)).await;
            let (shown_by, owner) = shown
                .map_err(|error| error.to_string())?
                .unwrap_or_else(|| ("no resource".to_owned(), "no user".to_owned()));
            println!("damaged {}, shown by {shown_by} of {owner}: {what}", picture.key);
        }
        for (key, rows) in &found.variants {
            println!("damaged {key}: {rows} rows are missing");
        }
        variants += found.variants.len();
        if found.variants.is_empty() || check.dry_run {
            return Ok(());
        }
        if let Some(key) = media.renew(picture).await.map_err(|error| error.to_string())? {
            println!("renewed {} as {key}", picture.key);
            renewed += 1;
        }
        Ok(())
    });
    let count = count.await?;
    println!(
        "checked {count} pictures: {variants} variants are damaged, {renewed} pictures renewed; {originals} originals are damaged \
         and must be uploaded again"
    );
    Ok(if originals == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(found: &StoreReport, dry_run: bool) {
    let verb = if dry_run { "would remove" } else { "removed" };
    for key in found.orphans.iter().chain(&found.unfinished) {
        println!("{verb} {key}");
    }
    for key in &found.unused {
        println!("{verb} {key}, an unused picture");
    }
    for key in &found.missing {
        println!("missing {key}");
    }
    println!(
        "{verb}: {} files ({} bytes) without a row, {} unfinished files, {} unused pictures; {} files are in use, \
         {} are not Plaza's, {} are missing",
        found.orphans.len(),
        found.bytes,
        found.unfinished.len(),
        found.unused.len(),
        found.known,
        found.foreign,
        found.missing.len()
    );
}
