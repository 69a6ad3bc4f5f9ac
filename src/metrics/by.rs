//! Metrics that differ in one label.

use prometheus_client::metrics::family::Family;

/// Metrics of one name, one for each value of a label. Clones share them.
#[derive(Clone, Debug)]
pub struct LabeledMetric<M> {
    label: &'static str,
    family: Family<[(&'static str, &'static str); 1], M>,
}

impl<M: Clone + Default> LabeledMetric<M> {
    /// Create the metrics of a label. Those of `values` exist from the start, at 0: if a metric appears with its first event,
    /// Prometheus misses that event.
    pub fn new(label: &'static str, values: &[&'static str]) -> Self {
        let by = Self { label, family: Family::default() };
        for value in values {
            by.of(value);
        }
        by
    }

    /// Return the metric of this value.
    pub fn of(&self, value: &'static str) -> M {
        self.family.get_or_create_owned(&[(self.label, value)])
    }

    /// Return the metrics of all values.
    pub fn all(&self) -> Family<[(&'static str, &'static str); 1], M> {
        self.family.clone()
    }
}
