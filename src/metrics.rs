//! What this node counts, for `/metrics`: OpenMetrics, as Prometheus reads it.

use std::fmt::Error;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::models::job::JobCount;

/// The media type of [`Metrics::text`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: String,
    state: &'static str,
}

/// Counters since the start of the program. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Statements sent to the database.
    pub statements: Counter,
    /// Requests sent to the store.
    pub store_requests: Counter,
    /// Variants made because somebody asked for them.
    pub variants_made: Counter,
    /// Files removed from the store.
    pub files_collected: Counter,
    /// Tries of that which failed.
    pub collections_failed: Counter,
    /// Events that this node published.
    pub events_published: Counter,
    jobs: Family<JobLabels, Gauge>,
}

impl Metrics {
    /// Everything in the text format. `jobs` are the database's, so every node tells the same of them.
    pub fn text(&self, jobs: &[JobCount]) -> Result<String, Error> {
        let mut registry = Registry::with_prefix("plaza");
        let counters = [
            ("database_statements", "Statements sent to the database", &self.statements),
            ("store_requests", "Requests sent to the store of pictures", &self.store_requests),
            ("variants_made", "Variants made because somebody asked for them", &self.variants_made),
            ("files_collected", "Files removed from the store after their rows", &self.files_collected),
            ("file_collections_failed", "Tries of that which failed", &self.collections_failed),
            ("events_published", "Events published", &self.events_published),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        self.jobs.clear();
        for count in jobs {
            let states = [
                // To be done, or to be tried again.
                ("pending", count.pending),
                // Those of them that failed before.
                ("retrying", count.retrying),
                // Given up.
                ("failed", count.failed),
            ];
            for (state, number) in states {
                self.jobs.get_or_create(&JobLabels { kind: count.kind.clone(), state }).set(number);
            }
        }
        registry.register("jobs", "Jobs of the outbox, of all nodes", self.jobs.clone());
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
