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
pub mod upload;
pub mod variants;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;

use crate::config::Config;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::timing::Timing;
use crate::workers::Workers;
use budget::Budget;
use defaults::{Defaults, PAINTERS};
use in_flight::InFlight;
use store::Store;
use variants::PictureKinds;

pub use budget::Memory;
pub use in_flight::VariantOutcome;
pub use limits::{ACCEPTED, LIMITS};

/// The store, and the threads and the memory for processing pictures. Clones share them.
#[derive(Clone)]
pub struct Media {
    store: Store,
    db: Data<Db>,
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
        config: &Config,
        store: Store,
        db: Data<Db>,
        kinds: Arc<PictureKinds>,
        metrics: Metrics,
    ) -> Result<Self> {
        let budget =
            Budget::new(config.media_memory, config.timing.picture_wait, metrics.pictures_waiting.clone());
        // A picture in the queue has memory, at least a mebibyte of it, so the queue is never full.
        let queued = config.media_memory as usize;
        let threads = config.picture_threads();
        let load = metrics.workers("pictures", threads);
        let workers = Workers::start("picture", threads, queued, config.work_priority, load)
            .map_err(Error::internal)?;
        let load = metrics.workers("default_pictures", PAINTERS);
        let defaults = Defaults::start(config.work_priority, config.timing.drawing_wait, load)?;
        Ok(Self {
            store,
            db,
            kinds,
            workers,
            budget,
            defaults,
            in_flight: InFlight::new(config.timing.missing_remembered),
            upload_lease: config.pictures.upload_lease,
            timing: config.timing.clone(),
            metrics,
        })
    }

    /// Return the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Return the settings of pictures by purpose.
    pub fn kinds(&self) -> &PictureKinds {
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
