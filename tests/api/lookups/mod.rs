//! The lookup language: the queries of Django's ORM for any HTTP client.

mod bulk;
mod django;
mod documented;
mod expressions;
mod filter;
mod fuzz;
mod guides;
mod pages;
mod plans;
mod property;
mod questions;
mod refusals;
mod rights;
mod search;
mod walked;
mod walks;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Client;

/// A query string with these parameters.
pub fn query<N: AsRef<str>, V: AsRef<str>>(parameters: &[(N, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// One field of every result of a page.
pub fn keys(page: &Value, member: &str) -> Vec<Value> {
    let results = page["results"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    results.iter().map(|row| row[member].clone()).collect()
}

/// Create two rows in every list, and return a client of a staff user.
pub async fn two_of_everything(app: &TestApp) -> Client {
    let (ana, root) = (app.member("ana"), app.staff("root"));
    for title in ["p", "q"] {
        let labels = json!([{ "name": "AI", "reason": "x" }, { "name": "Tech" }]);
        let body = json!({ "title": title, "published": true, "editor": "root", "labels": labels });
        ana.post("/api/v1/posts", body).await;
        ana.post("/api/v1/posts/p/comments", json!({ "content": "x" })).await;
    }
    app.staff("root");
    // Disabled webhooks, so that nothing is sent.
    app.sql(
        "INSERT INTO webhooks (id, url, types, disabled_at)
             SELECT id, 'https://hooks.example/', '{*}', now() FROM unnest(ARRAY[900001, 900002]) AS id",
    );
    app.eventually("events are published", || app.count("events") > 1).await;
    app.sql("INSERT INTO deliveries (webhook_id, event_id) SELECT 900001, id FROM events WHERE id < 3");
    root
}
