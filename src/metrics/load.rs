//! How much there is to do for threads that have a queue.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What one kind of worker threads has to do. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Jobs that wait.
    pub waiting: Gauge,
    /// Jobs that are being done.
    pub running: Gauge,
    /// Jobs that were not taken, because too many waited.
    pub refused: Counter,
}

/// One more, until it is dropped, however that comes about.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// One more of these.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
