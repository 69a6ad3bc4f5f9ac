//! `/metrics`: the counters of this node, and values that are read when an operator requests them. `docs/operations.md` explains
//! each metric.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::{HttpResponse, get};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use tokio::time::timeout;

use crate::api::state::AppState;
use crate::db::Connections;
use crate::error::{Error, Result};
use crate::media::Memory;
use crate::media::spool::UnderWay;
use crate::metrics::{LabeledMetric, Metrics};
use crate::models::event::{Event, EventCount};
use crate::models::job::{JobCount, JobKind, TakenJob};

/// The media type of the response.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the metrics wait for the database.
const JOBS_PATIENCE: Duration = Duration::from_secs(1);

/// Return the metrics, on the operators' listener only. The metrics of jobs and events are included if the database returns them.
#[get("/metrics")]
pub async fn get_metrics(app: AppState) -> Result<HttpResponse> {
    // Read before this request itself takes a connection.
    let connections = app.db.connections();
    let counts = app.db.run(|conn| Ok((TakenJob::counts(conn, &JobKind::names())?, Event::count(conn)?)));
    // While the database is unavailable, the node's own counters matter most.
    let (jobs, events) = match timeout(JOBS_PATIENCE, counts).await {
        Ok(Ok((jobs, events))) => (jobs, Some(events)),
        Ok(Err(error)) => {
            error.log("the jobs and events could not be counted");
            Default::default()
        }
        Err(_) => Default::default(),
    };
    let readings = Readings {
        jobs,
        events,
        streams: app.streams.count(),
        connections,
        memory: app.media.memory(),
        uploads: app.uploads.under_way(),
    };
    let text = text(&app.metrics, &readings).map_err(Error::internal)?;
    Ok(HttpResponse::Ok().content_type(OPENMETRICS).body(text))
}

/// The values that are read at each request, since they are available anyway.
struct Readings {
    /// The jobs in the database, so every node reports the same values.
    jobs: Vec<JobCount>,
    /// The events in the database, too; `None` while it is unavailable.
    events: Option<EventCount>,
    /// The number of event streams.
    streams: usize,
    /// The connections of the pool.
    connections: Connections,
    /// The memory that pictures in work take.
    memory: Memory,
    /// The uploads in progress.
    uploads: UnderWay,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: String,
    state: &'static str,
}

/// Encode all metrics in the text format.
fn text(metrics: &Metrics, readings: &Readings) -> std::result::Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("plaza");
    metrics.register(&mut registry);
    readings.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Readings {
    fn register(&self, registry: &mut Registry) {
        let Connections { busy, idle, max, waiting } = self.connections;
        let connections = LabeledMetric::<Gauge>::new("state", &[]);
        connections.of("busy").set(busy.into());
        connections.of("idle").set(idle.into());
        registry.register("database_connections", "Open connections of the pool", connections.all());
        registry.register("database_connections_max", "Maximum size of the pool", ConstGauge::new(max));
        let help = "Units of work that wait for a connection";
        registry.register("database_waiting", help, ConstGauge::new(waiting));
        let Memory { used, max } = self.memory;
        let help = "Memory that is reserved for pictures in progress";
        registry.register_with_unit("picture_memory", help, Unit::Bytes, ConstGauge::new(used));
        let help = "Maximum memory for pictures in progress";
        registry.register_with_unit("picture_memory_max", help, Unit::Bytes, ConstGauge::new(max));
        let UnderWay { now, max } = self.uploads;
        registry.register("uploads", "Uploads in progress", ConstGauge::new(now));
        registry.register("uploads_max", "Maximum number of concurrent uploads", ConstGauge::new(max));
        registry.register("jobs", "Outbox jobs of all nodes", self.jobs());
        let help = "How long the oldest unfinished job has waited";
        registry.register_with_unit("jobs_oldest", help, Unit::Seconds, self.oldest_jobs());
        registry.register(
            "event_streams",
            "Event streams that this node serves",
            ConstGauge::new(self.streams),
        );
        if let Some(EventCount { written, waiting, oldest }) = self.events {
            let written = ConstCounter::new(u64::try_from(written).unwrap_or_default());
            registry.register("events_written", "Events that all nodes wrote", written);
            registry.register(
                "events_waiting",
                "Events that no node has published yet",
                ConstGauge::new(waiting),
            );
            let help = "How long the oldest unpublished event has waited";
            registry.register_with_unit("events_oldest", help, Unit::Seconds, ConstGauge::new(oldest));
        }
    }

    fn oldest_jobs(&self) -> Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>> {
        let oldest = Family::<[(&'static str, String); 1], Gauge<f64, AtomicU64>>::default();
        for count in &self.jobs {
            oldest.get_or_create(&[("kind", count.kind.clone())]).set(count.oldest);
        }
        oldest
    }

    fn jobs(&self) -> Family<JobLabels, Gauge> {
        let jobs = Family::<JobLabels, Gauge>::default();
        for count in &self.jobs {
            let states = [
                // To be done, or to be retried.
                ("pending", count.pending),
                // The pending jobs that have failed before.
                ("retrying", count.retrying),
                // The jobs that were given up.
                ("failed", count.failed),
            ];
            for (state, number) in states {
                jobs.get_or_create(&JobLabels { kind: count.kind.clone(), state }).set(number);
            }
        }
        jobs
    }
}
