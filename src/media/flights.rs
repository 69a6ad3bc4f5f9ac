//! The variants that are being made on this node: all requests for one wait for the same task.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Code, Result};

/// What became of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is in the store.
    Yes,
    /// There is no such picture, or it has no such variant.
    Unknown,
    /// The picture's own file is gone, or is no picture.
    SourceMissing,
}

/// A refusal, to be told to everybody who waited.
pub(super) type Outcome = Result<Made, Code>;

/// The variants that are being made on this node, and those that just could not be. Clones share them.
#[derive(Clone)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>>,
    missing: Arc<Mutex<LruCache<String, Instant>>>,
    remembered: Duration,
}

/// At most so many missing sources are remembered, so that asking again costs nothing.
const MISSING: NonZeroUsize = NonZeroUsize::new(1024).expect("it is more than nothing");

impl Flights {
    /// A missing source is remembered for so long.
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

    /// Who makes it; `Err` is where to hear what became of it, which somebody else makes.
    pub(super) fn board(
        &self,
        key: &str,
    ) -> Result<watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>> {
        let mut flights = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Err(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.to_owned(), receiver);
        Ok(sender)
    }

    fn land(&self, key: &str) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Ends a flight, also where it panics.
pub(super) struct Landing {
    pub(super) flights: Flights,
    pub(super) key: String,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.land(&self.key);
    }
}
