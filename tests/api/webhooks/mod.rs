//! Webhooks: programs that are notified of events, over real connections.

mod activity;
mod deliveries;
mod erasure;
mod misbehaving;
mod order;
mod private;
mod records;
mod refusals;
mod secrets;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Client;
use crate::hooks::Receiver;

const WEBHOOKS: &str = "/api/v1/webhooks";
/// The receivers of the tests are on this machine.
const PRIVATE: [&str; 2] = ["--webhook-private", "on"];

/// A webhook, and the secret that was shown on creation.
struct Hook {
    id: i64,
    path: String,
    secret: String,
}

impl Hook {
    /// Create a webhook for this receiver.
    async fn to(receiver: &Receiver, types: &[&str], staff: &Client) -> Self {
        let made = staff.post(WEBHOOKS, json!({ "url": receiver.url(), "types": types })).await;
        assert_eq!(made.status, "201 Created", "{}", made.json());
        let id = made.at("/id").as_i64().expect("an id");
        Self { id, path: format!("{WEBHOOKS}/{id}"), secret: made.text("/secret") }
    }

    fn deliveries(&self) -> String {
        format!("{}/deliveries", self.path)
    }

    /// A line for each delivery, such as `post.created delivered 1 204 -`, the first one first.
    async fn lines(&self, staff: &Client) -> String {
        let page = staff.get(&format!("{}?ordering=id&limit=100", self.deliveries())).await;
        assert_eq!(page.status, "200 OK", "{}", page.json());
        let Value::Array(deliveries) = page.at("/results") else { panic!("no list: {}", page.json()) };
        let lines = deliveries.iter().map(|it| {
            let [kind, status, error] =
                [&it["event"]["type"], &it["status"], &it["error"]].map(|text| text.as_str().unwrap_or("-"));
            format!("{kind} {status} {} {} {error}", it["attempts"], it["response_status"])
                .replace("null", "-")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// End the waits of failed attempts. This does not affect attempts in progress.
fn hurry(app: &TestApp) {
    app.sql(
        "UPDATE jobs SET due_at = now(), last_error = NULL
         WHERE kind = 'webhook.deliver' AND last_error IS NOT NULL AND failed_at IS NULL;
         SELECT pg_notify(channel(), 'jobs')",
    );
}

/// Poll until the check is true, without waits between attempts.
async fn hurried(app: &TestApp, what: &str, check: impl Fn() -> bool) {
    app.eventually(what, || {
        hurry(app);
        check()
    })
    .await;
}

async fn publish(client: &Client, title: &str) {
    let made = client.post("/api/v1/posts", json!({ "title": title })).await;
    assert_eq!(made.status, "201 Created", "{}", made.json());
}
