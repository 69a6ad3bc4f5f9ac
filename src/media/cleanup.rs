//! Removes files whose rows are gone from the store, and finds what was left there by others.

use std::collections::HashSet;

use futures_util::StreamExt;
use futures_util::future::join_all;
use xxhash_rust::xxh3::xxh3_128;

use super::Media;
use super::store::{Store, StoreError};
use super::variants::Key;
use crate::db::Db;
use crate::error::Error;
use crate::models::file::File;
use crate::models::picture::Picture;

/// Number of files that are removed concurrently.
const AT_ONCE: usize = 10;
/// Number of files that are compared with the database at a time.
const BATCH: usize = 500;

impl Media {
    /// Remove those of the files that have no row any more. If some cannot be removed, the others are removed nevertheless. A
    /// file that is gone already is not an error.
    pub async fn remove_files(&self, keys: &[String]) -> Result<(), CollectError> {
        let mut refusal = None;
        // A variant may have been requested and made again in the meantime, so little time should pass between the check and the
        // removal.
        for few in keys.chunks(AT_ONCE) {
            let asked = few.to_vec();
            let known = self.db.run(move |conn| Ok(File::known(conn, &asked)?)).await?;
            let gone = few.iter().filter(|key| !known.contains(*key));
            for removed in join_all(gone.map(|key| self.store.delete(key))).await {
                match removed {
                    Ok(()) => {
                        self.metrics.files_collected.inc();
                    }
                    Err(error) => refusal = Some(error),
                }
            }
        }
        refusal.map_or(Ok(()), |error| {
            self.metrics.collections_failed.inc();
            Err(error.into())
        })
    }
}

/// What [`Collector::look`] found.
#[derive(Debug, Default)]
pub struct StoreReport {
    /// Number of files that have a row.
    pub known: usize,
    /// Keys of the pictures whose rows exist and that nothing shows.
    pub unused: Vec<String>,
    /// Keys of the files that Plaza made and that have no row.
    pub orphans: Vec<String>,
    /// Total size of these files, in bytes.
    pub bytes: u64,
    /// Number of files that are not Plaza's. They stay.
    pub foreign: usize,
    /// Files that a crash in the middle of a write left, in a local store.
    pub unfinished: Vec<String>,
    /// Keys that have a row, but no file.
    pub missing: Vec<String>,
}

/// Why a check or a removal did not complete.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The error of the database.
    #[error("{0}")]
    Database(String),
}

impl From<Error> for CollectError {
    fn from(error: Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// Compares the store with the database. This is safe while nodes are running: a file that they are about to write has its row
/// already.
pub struct Collector<'a> {
    /// The store.
    pub store: &'a Store,
    /// The database.
    pub db: &'a Db,
}

impl Collector<'_> {
    /// Find what was left by others. `progress` is called with the number of files in each batch that was looked at.
    pub async fn look(&self, mut progress: impl FnMut(usize)) -> Result<StoreReport, CollectError> {
        let mut found = StoreReport {
            unused: self.db.run(|conn| Ok(Picture::unused(conn)?)).await?,
            ..StoreReport::default()
        };
        // One hash per file: a million keys take sixteen megabytes.
        let mut seen: HashSet<u128> = HashSet::new();
        let mut batches = self.store.list().ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;
            progress(batch.len());
            let (ours, foreign): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|file| Key::parse(&file.key).is_some());
            found.foreign += foreign.len();
            let known = self.known(ours.iter().map(|file| file.key.clone()).collect()).await?;
            for file in ours {
                if known.contains(&file.key) {
                    found.known += 1;
                    seen.insert(xxh3_128(file.key.as_bytes()));
                } else {
                    found.bytes += file.size;
                    found.orphans.push(file.key);
                }
            }
        }
        found.unfinished = self.store.unfinished(true).await?;
        found.missing = self.missing(&seen).await?;
        Ok(found)
    }

    /// Remove what was found. The files of pictures that nothing shows are removed by any live node.
    pub async fn remove(&self, found: &StoreReport) -> Result<(), CollectError> {
        let unused = found.unused.clone();
        self.db.transaction(move |conn| Ok(Picture::forget(conn, &unused)?)).await?;
        for batch in found.orphans.chunks(AT_ONCE) {
            // A file that has a row by now was made in the meantime.
            let known = self.known(batch.to_vec()).await?;
            for key in batch.iter().filter(|key| !known.contains(*key)) {
                self.store.delete(key).await?;
            }
        }
        self.store.unfinished(false).await?;
        Ok(())
    }

    async fn known(&self, keys: Vec<String>) -> Result<HashSet<String>, CollectError> {
        Ok(self.db.run(move |conn| Ok(File::known(conn, &keys)?)).await?)
    }

    async fn missing(&self, seen: &HashSet<u128>) -> Result<Vec<String>, CollectError> {
        let mut missing = Vec::new();
        let mut last = String::new();
        loop {
            let after = last.clone();
            let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
            let keys = self.db.run(move |conn| Ok(File::stored_after(conn, &after, most)?)).await?;
            let Some(key) = keys.last() else { return Ok(missing) };
            last.clone_from(key);
            let mut absent = Vec::new();
            for key in keys {
                // A file that was written after its folder was listed exists by now.
                if !seen.contains(&xxh3_128(key.as_bytes())) && !self.store.exists(&key).await? {
                    absent.push(key);
                }
            }
            // A file that was removed since then has no row any more.
            let known = self.known(absent.clone()).await?;
            missing.extend(absent.into_iter().filter(|key| known.contains(key)));
        }
    }
}
