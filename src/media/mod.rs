//! What is uploaded: pictures from the bytes of a client to files in the store.
//!
//! A picture's life: [`spool`] takes the bytes in, [`image`] makes the files, [`upload`] announces and writes them, `making` adds
//! variants when somebody asks for one, [`cleanup`] removes what no row names any more. The rows stand in `models::file`.

pub mod check;
pub mod cleanup;
pub mod defaults;
mod making;
pub mod spool;
pub mod store;
pub mod upload;
pub mod variants;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::metrics::{Counted, Metrics};
use crate::timing::Timing;
use crate::workers::Workers;
use defaults::{Defaults, PAINTERS};
use image::{Effort, Format, Limits};
use making::Flights;
pub use making::Made;
pub use plaza_image as image;
use store::{Store, StoreError};
use variants::Uses;

/// Most pixels and longest side of a picture that is accepted.
pub const LIMITS: Limits = Limits { max_pixels: 40_000_000, max_side: 16_384 };
/// Longest side of a picture that is kept.
const MASTER_SIDE: u32 = 2048;

/// The accepted formats, for messages and for `listChoices`.
pub const ACCEPTED: [Format; 4] = [Format::Jpeg, Format::Png, Format::WebP, Format::Gif];

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
        let all = self.budget.all();
        Memory { used: all.saturating_sub((self.budget.free.available_permits() as u64) << 20), max: all }
    }
}

/// The memory of pictures in work, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What those in work take.
    pub used: u64,
    /// What they may take together.
    pub max: u64,
}

/// The memory that pictures in work may take together. Whoever wants some waits in order of arrival.
#[derive(Clone)]
struct Budget {
    free: Arc<Semaphore>,
    /// Mebibytes.
    all: u32,
    /// How long a picture waits for its share.
    wait: Duration,
    waiting: Gauge,
}

impl Budget {
    fn new(mebibytes: u32, wait: Duration, waiting: Gauge) -> Self {
        Self { free: Arc::new(Semaphore::new(mebibytes as usize)), all: mebibytes, wait, waiting }
    }

    /// Bytes.
    fn all(&self) -> u64 {
        u64::from(self.all) << 20
    }

    /// The largest effort whose price the whole budget suffices for, else the least.
    fn effort(&self, price: impl Fn(Effort) -> u64) -> Effort {
        Effort::ALL.into_iter().find(|effort| price(*effort) <= self.all()).unwrap_or(Effort::Least)
    }

    /// So many bytes of it, until the permit is dropped; 503 `busy` when that takes too long.
    async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        // A picture that needs more than the whole budget reserves all of it and is processed alone.
        let mebibytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, self.all);
        let permit = Arc::clone(&self.free).acquire_many_owned(mebibytes);
        let _waiting = Counted::new(&self.waiting);
        match tokio::time::timeout(self.wait, permit).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(Error::unavailable(Code::Busy, 5)),
        }
    }
}

/// The store does not do what it is asked: 503, and a line in the log.
pub fn unavailable(error: &StoreError) -> Error {
    tracing::error!(cause = %error, "the store cannot be reached");
    Error::unavailable(Code::StoreUnavailable, 5)
}
