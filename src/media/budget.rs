//! Limits the memory that pictures may use while they are processed.

use std::sync::Arc;
use std::time::Duration;

use plaza_image::Effort;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};
use crate::metrics::GaugeGuard;

/// The memory of the pictures that are being processed, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The memory that they use now.
    pub used: u64,
    /// The memory that they may use together.
    pub max: u64,
}

/// The memory that pictures may use together while they are processed. Requests for memory wait in order of arrival.
#[derive(Clone)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    /// The whole budget, in mebibytes.
    all: u32,
    /// How long a picture waits for its share.
    wait: Duration,
    waiting: Gauge,
}

impl Budget {
    pub(super) fn new(mebibytes: u32, wait: Duration, waiting: Gauge) -> Self {
        Self { free: Arc::new(Semaphore::new(mebibytes as usize)), all: mebibytes, wait, waiting }
    }

    /// Return the memory that is in use.
    pub(super) fn memory(&self) -> Memory {
        let all = self.all();
        Memory { used: all.saturating_sub((self.free.available_permits() as u64) << 20), max: all }
    }

    /// Return the whole budget in bytes.
    pub(super) fn all(&self) -> u64 {
        u64::from(self.all) << 20
    }

    /// Return the largest effort whose price fits into the whole budget, or else the least effort.
    pub(super) fn effort(&self, price: impl Fn(Effort) -> u64) -> Effort {
        Effort::ALL.into_iter().find(|effort| price(*effort) <= self.all()).unwrap_or(Effort::Least)
    }

    /// Reserve this number of bytes until the permit is dropped. Fails with 503 `busy` if that takes too long.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        // A picture that needs more than the whole budget reserves all of it and is processed alone.
        let mebibytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, self.all);
        let permit = Arc::clone(&self.free).acquire_many_owned(mebibytes);
        let _waiting = GaugeGuard::new(&self.waiting);
        match tokio::time::timeout(self.wait, permit).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(Error::unavailable(Code::Busy, 5)),
        }
    }
}
