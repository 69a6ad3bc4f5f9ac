//! What is uploaded: pictures from the bytes of a client to files in the store.
//!
//! A picture's life: [`spool`] takes the bytes in, `plaza_image` makes the files, [`upload`] announces and writes them, `making` adds
//! variants when somebody asks for one, [`cleanup`] removes what no row names any more. The rows stand in `models::file`.

mod budget;
pub mod check;
pub mod cleanup;
pub mod defaults;
mod flights;
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
use flights::Flights;
use store::Store;
use variants::Uses;

pub use budget::Memory;
pub use flights::Made;
pub use limits::{ACCEPTED, LIMITS};

/// The store, and the threads and the memory that pictures in work may take. Clones share them.
#[derive(Clone)]
pub struct Media {
    store: Store,
    db: Data<Db>,
    uses: Arc<Uses>,
    workers: Workers,
    budget: Budget,
    defaults: Defaults,
    flights: Flights,
    upload_lease: Duration,
    timing: Timing,
    metrics: Metrics,
}

impl Media {
    /// As the settings say.
    pub fn new(
        config: &Config,
        store: Store,
        db: Data<Db>,
        uses: Arc<Uses>,
        metrics: Metrics,
    ) -> Result<Self> {
        let budget =
            Budget::new(config.media_memory, config.timing.picture_wait, metrics.pictures_waiting.clone());
        // Whoever is queued has memory, and at least a mebibyte of it: so the queue is never full.
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
            uses,
            workers,
            budget,
            defaults,
            flights: Flights::new(config.timing.missing_remembered),
            upload_lease: config.pictures.upload_lease,
            timing: config.timing.clone(),
            metrics,
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What pictures are like.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// The pictures of those who have none.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// What those in work take.
    pub fn memory(&self) -> Memory {
        self.budget.memory()
    }
}
