//! Requests by route, method and class of status. Clients cannot create an unlimited number of values of these labels.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The `route` label of a path that has no route.
const NO_ROUTE: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: Cow<'static, str>,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    route: Cow<'static, str>,
    method: &'static str,
}

/// Requests that were answered. Clones share them.
#[derive(Clone, Debug)]
pub struct Requests {
    answered: Family<Answer, Counter>,
    seconds: Family<Operation, Histogram, fn() -> Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { answered: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl Requests {
    /// Count a request. `route` is a template, or `None` if no route was found.
    ///
    /// The template moves through both lookups, so that a request of a known kind allocates nothing here.
    pub fn answered(&self, route: Option<String>, method: &Method, status: StatusCode, took: Duration) {
        let route = route.map_or(Cow::Borrowed(NO_ROUTE), Cow::Owned);
        let answer = Answer { route, method: name_of(method), status: class_of(status) };
        self.answered.get_or_create(&answer).inc();
        let operation = Operation { route: answer.route, method: answer.method };
        self.seconds.get_or_create(&operation).observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests that were answered", self.answered.clone());
        let help = "Time from the head of a request to the head of its response";
        registry.register_with_unit("request", help, Unit::Seconds, self.seconds.clone());
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        // A client may send any word as the method.
        _ => "other",
    }
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}
