//! The variants that are being made on this node. All requests for a variant wait for the same task.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Code, Result};

/// The outcome of making a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariantOutcome {
    /// It is in the store.
    InStore,
    /// There is no such picture, or it has no variant of this name.
    Unknown,
    /// The picture's original file is gone, or is not a picture.
    SourceMissing,
}

/// The outcome, or the code of the error response to every request that waited.
pub(super) type Outcome = Result<VariantOutcome, Code>;

/// The variants that are being made on this node, and those that recently could not be made. Clones share them.
#[derive(Clone)]
pub(super) struct InFlight {
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>>,
    missing: Arc<Mutex<LruCache<String, Instant>>>,
    remembered: Duration,
}

/// Maximum number of missing sources that are remembered, so that further requests cost nothing.
const MISSING: NonZeroUsize = NonZeroUsize::new(1024).expect("it is more than nothing");

impl InFlight {
    /// Create an empty set. `remembered` is how long a missing source is remembered.
    pub(super) fn new(remembered: Duration) -> Self {
        let missing = Arc::new(Mutex::new(LruCache::new(MISSING)));
        Self { under_way: Arc::default(), missing, remembered }
    }

    pub(super) fn lacks_source(&self, key: &str) -> bool {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.get(key).is_some_and(|since| since.elapsed() < self.remembered)
    }

    pub(super) fn remember_missing(&self, key: &str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.put(key.to_owned(), Instant::now());
    }

    /// Return the sender of the outcome to the caller, who then makes the variant. `Err` is the receiver of the outcome, if
    /// another task makes it already.
    pub(super) fn join_or_start(
        &self,
        key: &str,
    ) -> Result<watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>> {
        let mut in_flight = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = in_flight.get(key) {
            return Err(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        in_flight.insert(key.to_owned(), receiver);
        Ok(sender)
    }

    fn finish(&self, key: &str) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Ends a flight when it is dropped, even after a panic.
pub(super) struct FlightGuard {
    pub(super) in_flight: InFlight,
    pub(super) key: String,
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        self.in_flight.finish(&self.key);
    }
}
