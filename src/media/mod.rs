//! Uploads: pictures, from the bytes that a client sends to files in the store.
//!
//! The life of a picture: [`spool`] receives the bytes, `plaza_image` makes the files, [`upload`] announces and writes them,
//! `making` adds variants when a client requests one, and [`cleanup`] removes what no row names any more. The rows are in
//! `models::file`.

mod budget;
pub mod check;
pub mod cleanup;
pub mod defaults;
mod in_flight;
mod limits;
mod making;
pub mod spool;
pub mod store;
pub mod stored;
pub mod upload;
pub mod variants;

use std::sync::Arc;
use std::time::Duration;

use crate::db::Db;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::timing::Timing;
use crate::workers::{Priority, Workers};
use budget::Budget;
use defaults::{Defaults, PAINTERS};
use in_flight::InFlight;
use store::Store;
use variants::PictureKinds;

pub use budget::Memory;
pub use in_flight::VariantOutcome;
pub use limits::{ACCEPTED, LIMITS};

/// The settings of the processing of pictures.
pub struct MediaOptions {
    /// Memory for pictures that are being processed, in MiB.
    pub memory: u32,
    /// Number of threads.
    pub threads: usize,
    /// The priority of these threads.
    pub priority: Priority,
    /// How long an upload may take.
    pub upload_lease: Duration,
    /// The intervals that pictures wait out.
    pub timing: Timing,
}

/// The store, and the threads and the memory for processing pictures. Clones share them.
#[derive(Clone)]
pub struct Media {
    store: Store,
    db: Db,
    kinds: Arc<PictureKinds>,
    workers: Workers,
    budget: Budget,
    defaults: Defaults,
    in_flight: InFlight,
    upload_lease: Duration,
    timing: Timing,
    metrics: Metrics,
}

impl Media {
    /// Start the threads and set the limits, as the settings say.
    pub fn new(
        options: MediaOptions,
        store: Store,
        db: Db,
        kinds: Arc<PictureKinds>,
        metrics: Metrics,
    ) -> Result<Self> {
        let budget =
            Budget::new(options.memory, options.timing.picture_wait, metrics.pictures_waiting.clone());
        // A picture in the queue has memory, at least a mebibyte of it, so the queue is never full.
        let queued = options.memory as usize;
        let threads = options.threads;
        let load = metrics.workers("pictures", threads);
        let workers =
            Workers::start("picture", threads, queued, options.priority, load).map_err(Error::internal)?;
        let load = metrics.workers("default_pictures", PAINTERS);
        let defaults = Defaults::start(options.priority, options.timing.drawing_wait, load)?;
        Ok(Self {
            store,
            db,
            kinds,
            workers,
            budget,
            defaults,
            in_flight: InFlight::new(options.timing.missing_remembered),
            upload_lease: options.upload_lease,
            timing: options.timing,
            metrics,
        })
    }

    /// Return the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Return the settings of pictures by purpose.
    pub fn kinds(&self) -> &Arc<PictureKinds> {
        &self.kinds
    }

    /// Return the default pictures.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Return the memory that is in use by pictures that are being processed.
    pub fn memory(&self) -> Memory {
        self.budget.memory()
    }
}
