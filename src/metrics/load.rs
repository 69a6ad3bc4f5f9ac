//! The load of threads that have a queue.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// The load of one kind of worker threads. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics {
    /// Jobs that wait.
    pub waiting: Gauge,
    /// Jobs that are running.
    pub running: Gauge,
    /// Jobs that were rejected because too many waited.
    pub refused: Counter,
}

/// Adds one to a gauge until it is dropped, for whatever reason.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Add one to this gauge.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
