//! Events: what every change writes, and who may read it.

mod ending;
mod erasure;
mod list;
mod long;
mod mails;
mod nodes;
mod publication;
mod records;
mod rights;
mod seats;
mod slow;
mod sse;
mod stream;

use serde_json::Value;

use crate::app::TestApp;
use crate::client::Client;

const EVENTS: &str = "/api/v1/events";

/// Reads the events since the last call, as one user.
struct Watch<'a> {
    app: &'a TestApp,
    reader: Client,
    last: i64,
}

impl<'a> Watch<'a> {
    /// Start now, as a staff user.
    async fn begin(app: &'a TestApp) -> Self {
        let mut watch = Self { app, reader: app.staff("root"), last: 0 };
        watch.events().await;
        watch
    }

    /// The events themselves.
    async fn events(&mut self) -> Vec<Value> {
        self.app.published().await;
        let mut found = Vec::new();
        loop {
            let path = format!("{EVENTS}?ordering=id&id__gt={}&limit=100", self.last);
            let page = self.reader.get(&path).await;
            assert_eq!(page.status, "200 OK", "{}", page.json());
            let Value::Array(events) = page.at("/results") else { panic!("no list: {}", page.json()) };
            let Some(last) = events.last() else { return found };
            self.last = last["id"].as_i64().expect("an id");
            found.extend(events);
        }
    }

    /// A line for each event; see [`line`].
    async fn lines(&mut self) -> String {
        lines(&self.events().await)
    }
}

/// The type, the path of the resource, the fields that changed, and the actor.
fn line(event: &Value) -> String {
    let url = event["resource"]["url"].as_str().unwrap_or("-");
    let path = url.rsplit_once("/api/v1/").map_or(url, |(_, path)| path);
    let changed: Vec<&str> =
        event["changed"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let actor = event["actor"].as_str().unwrap_or("-");
    format!("{} {path} [{}] {actor}", event["type"].as_str().expect("a type"), changed.join(" "))
}

/// A [`line`] for each event.
fn lines(events: &[Value]) -> String {
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}
