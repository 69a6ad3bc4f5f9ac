//! The metrics of this node, for `/metrics`: OpenMetrics, as Prometheus reads it. `docs/operations.md` says what each of them
//! means.

mod by;
mod load;
mod requests;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use by::LabeledMetric;
pub use load::{GaugeGuard, WorkerMetrics};
pub use requests::Requests;

use crate::models::job::JobKind;

/// Counters since the start of the program. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests that were answered.
    pub requests: Requests,
    /// Statements sent to the database.
    pub statements: Counter,
    /// Work that got 503 instead of an answer of the database, by `code`.
    pub database_refused: LabeledMetric<Counter>,
    /// Attempts that had to wait, by the policy that they exceeded.
    pub throttled: LabeledMetric<Counter>,
    /// Requests sent to the store.
    pub store_requests: Counter,
    /// Pictures that were accepted, by `purpose`.
    pub pictures_kept: LabeledMetric<Counter>,
    /// Pictures that were rejected, by `code`.
    pub pictures_refused: LabeledMetric<Counter>,
    /// Pictures that wait for memory.
    pub pictures_waiting: Gauge,
    /// Variants that were made because a client requested them.
    pub variants_made: Counter,
    /// Variants that could not be made, by `code`.
    pub variants_failed: LabeledMetric<Counter>,
    /// Files removed from the store.
    pub files_collected: Counter,
    /// Failed attempts to remove files from the store.
    pub collections_failed: Counter,
    /// Events that this node published.
    pub events_published: Counter,
    /// Jobs that this node completed, by `kind`.
    pub jobs_done: LabeledMetric<Counter>,
    /// Failed attempts at jobs that will be retried, by `kind`.
    pub jobs_retried: LabeledMetric<Counter>,
    /// Jobs that this node gave up, by `kind`.
    pub jobs_failed: LabeledMetric<Counter>,
    workers: Workers,
}

/// The metrics of all threads that have a queue, by `workers`.
#[derive(Clone, Debug)]
struct Workers {
    threads: LabeledMetric<Gauge>,
    waiting: LabeledMetric<Gauge>,
    running: LabeledMetric<Gauge>,
    refused: LabeledMetric<Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let by_workers = "workers";
        Self {
            requests: Requests::default(),
            statements: Counter::default(),
            database_refused: LabeledMetric::new("code", &["database_unavailable", "query_timeout", "busy"]),
            throttled: LabeledMetric::new("rule", &[]),
            store_requests: Counter::default(),
            pictures_kept: LabeledMetric::new("purpose", &["avatar", "cover"]),
            pictures_refused: LabeledMetric::new(
                "code",
                &["unsupported_picture", "image_too_large", "image_corrupt", "busy"],
            ),
            pictures_waiting: Gauge::default(),
            variants_made: Counter::default(),
            variants_failed: LabeledMetric::new("code", &["busy", "store_unavailable"]),
            files_collected: Counter::default(),
            collections_failed: Counter::default(),
            events_published: Counter::default(),
            jobs_done: LabeledMetric::new("kind", &JobKind::names()),
            jobs_retried: LabeledMetric::new("kind", &JobKind::names()),
            jobs_failed: LabeledMetric::new("kind", &JobKind::names()),
            workers: Workers {
                threads: LabeledMetric::new(by_workers, &[]),
                waiting: LabeledMetric::new(by_workers, &[]),
                running: LabeledMetric::new(by_workers, &[]),
                refused: LabeledMetric::new(by_workers, &[]),
            },
        }
    }
}

impl Metrics {
    /// Set the number of worker threads of this name, and return their load.
    pub fn workers(&self, name: &'static str, threads: usize) -> WorkerMetrics {
        self.workers.threads.of(name).set(i64::try_from(threads).unwrap_or(i64::MAX));
        WorkerMetrics {
            waiting: self.workers.waiting.of(name),
            running: self.workers.running.of(name),
            refused: self.workers.refused.of(name),
        }
    }

    /// Register every metric of this node.
    pub fn register(&self, registry: &mut Registry) {
        self.requests.register(registry);
        self.register_counters(registry);
        self.workers.register(registry);
        let waiting = self.pictures_waiting.clone();
        registry.register("pictures_waiting", "Pictures that wait for memory", waiting);
    }

    fn register_counters(&self, registry: &mut Registry) {
        let counters = [
            ("database_statements", "Statements sent to the database", &self.statements),
            ("store_requests", "Requests sent to the picture store", &self.store_requests),
            ("variants_made", "Variants made because a client requested them", &self.variants_made),
            (
                "files_collected",
                "Files removed from the store after their database rows",
                &self.files_collected,
            ),
            (
                "file_collections_failed",
                "Failed attempts to remove files from the store",
                &self.collections_failed,
            ),
            ("events_published", "Events that this node published", &self.events_published),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let counters = [
            ("database_refused", "Units of database work that got 503", &self.database_refused),
            ("throttled", "Attempts that the throttle rejected", &self.throttled),
            ("pictures_kept", "Uploaded pictures that were accepted", &self.pictures_kept),
            ("pictures_refused", "Uploaded pictures that were rejected", &self.pictures_refused),
            ("variants_failed", "Variants that could not be made", &self.variants_failed),
            ("jobs_done", "Outbox jobs that this node completed", &self.jobs_done),
            ("jobs_retried", "Failed attempts at outbox jobs that will be retried", &self.jobs_retried),
            ("jobs_failed", "Outbox jobs that this node gave up", &self.jobs_failed),
        ];
        for (name, help, by) in counters {
            registry.register(name, help, by.all());
        }
    }
}

impl Workers {
    fn register(&self, registry: &mut Registry) {
        registry.register("worker_threads", "Worker threads", self.threads.all());
        registry.register("worker_queue", "Tasks that wait for a worker thread", self.waiting.all());
        registry.register("worker_running", "Tasks that worker threads are running", self.running.all());
        registry.register(
            "worker_refused",
            "Tasks that found the queue full, or no worker thread in time",
            self.refused.all(),
        );
    }
}
