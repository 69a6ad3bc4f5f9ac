//! Webhooks are enabled and disabled: by a change, by the receiver itself, by failing for too long. And deleted
//! webhooks.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use insta::assert_snapshot;
use serde_json::json;

use super::{Hook, PRIVATE, hurried, hurry, publish};
use crate::app::TestApp;
use crate::hooks::{Answer, Receiver};

const PENDING: &str = "deliveries WHERE status = 'pending'";

#[actix_web::test]
async fn one_out_of_action_is_told_nothing_and_begins_anew() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::that(Answer::Status(500)));
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let tag = root.get(&hook.path).await.header("etag").to_owned();
    publish(&root, "Ada").await;
    publish(&root, "Bell").await;
    app.eventually("both fail", || app.count("jobs WHERE last_error IS NOT NULL") == 2).await;
    let failing = root.get(&hook.path).await;
    assert!(failing.at("/failing_since").is_string());
    assert_eq!(failing.at("/is_active"), json!(true));

    let off = root.patch(&hook.path, json!({ "is_active": false })).await;
    assert_snapshot!(format!("{} {}", off.status, off.at("/is_active")), @"200 OK false");
    assert_ne!(off.header("etag"), tag);
    assert_snapshot!(hook.lines(&root).await, @"
    post.created failed 1 500 answered 500
    post.created failed 1 500 answered 500
    ");
    assert_eq!(app.count("jobs"), 0);
    app.published().await;
    assert_eq!(app.count("events WHERE type = 'webhook.disabled'"), 0, "whoever did it knows");
    let same = root.patch(&hook.path, json!({ "is_active": false })).await;
    assert_eq!(same.header("etag"), off.header("etag"));
    receiver.forget();
    receiver.answer(Answer::Status(204));
    publish(&root, "Curie").await;
    app.published().await;
    assert_eq!(app.count("deliveries"), 2, "what happens meanwhile is not for it");

    let on = root.patch(&hook.path, json!({ "is_active": true })).await;
    assert_snapshot!(format!("{} {} {}", on.status, on.at("/is_active"), on.at("/failing_since")), @"200 OK true null");
    publish(&root, "Dirac").await;
    app.published().await;
    app.idle().await;
    assert_snapshot!(receiver.lines().join("\n"), @"post.created dirac");
}

#[actix_web::test]
async fn what_was_never_delivered_can_be_replayed_to_one_in_action_again() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::that(Answer::Status(500)));
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    publish(&root, "Ada").await;
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    root.patch(&hook.path, json!({ "is_active": false })).await;
    root.patch(&hook.path, json!({ "is_active": true })).await;
    receiver.answer(Answer::Status(200));
    let id = root.get(&hook.deliveries()).await.at("/results/0/id");
    root.post(&format!("{}/{id}/replay", hook.deliveries()), json!({})).await;
    app.idle().await;
    assert_snapshot!(hook.lines(&root).await, @"post.created delivered 2 200 -");
}

#[actix_web::test]
async fn one_that_says_it_is_gone_is_disabled_at_once_with_an_event() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, gone, good) = (app.staff("root"), Receiver::start(), Receiver::start());
    // All deliveries that a node has in progress get their response at the same time.
    let (together, came) = (Barrier::new(4), AtomicUsize::new(0));
    gone.answers(move |_| {
        if came.fetch_add(1, Ordering::SeqCst) < 4 {
            together.wait();
        }
        Answer::Status(410)
    });
    let hook = Hook::to(&gone, &["post.created"], &root).await;
    Hook::to(&good, &["*"], &root).await;
    app.sql(
        "INSERT INTO posts (slug, title, content, writer_id)
         SELECT 'p' || n, 'P', '', (SELECT id FROM users WHERE username = 'root') FROM generate_series(1, 20) AS n",
    );
    app.eventually("it is given up", || app.count("webhooks WHERE disabled_at IS NOT NULL") == 1).await;
    app.published().await;
    app.idle().await;
    assert_eq!(app.count(PENDING), 0);
    let attempts = "SELECT sum(attempts)::text FROM deliveries WHERE webhook_id = 1";
    assert_eq!((gone.count(), app.lines(attempts).as_str()), (4, "4"), "those under way, all written down");
    assert_eq!(root.get(&hook.path).await.at("/is_active"), json!(false));
    let failed = root.get(&format!("{}?status=failed&limit=100", hook.deliveries())).await;
    assert_eq!(failed.at("/results").as_array().map(Vec::len), Some(20));
    let told = root.get("/api/v1/events?type=webhook.disabled").await;
    assert_eq!(told.at("/results").as_array().map(Vec::len), Some(1), "once");
    assert_eq!(told.at("/results/0/resource/url"), json!(format!("{}{}", app.base, hook.path)));
    assert_eq!(told.at("/results/0/data/url"), json!(gone.url()));
    assert!(told.at("/results/0/data/failing_since").is_string(), "{}", told.json());
    assert_eq!(told.at("/results/0/actor"), json!(null));
    assert!(good.lines().contains(&format!("webhook.disabled {}", hook.id)), "{:?}", good.lines());
    assert_eq!(app.member("ana").get("/api/v1/events").await.at("/results"), json!([]), "staff alone know");
    assert_eq!(app.lines("SELECT last_error FROM jobs WHERE last_error IS NOT NULL"), "", "nobody stumbled");
}

#[actix_web::test]
async fn one_that_fails_for_too_long_is_disabled_with_an_event() {
    let app = TestApp::with(&["--webhook-private", "on", "--webhook-patience", "1h"]).await;
    let (root, bad, good) = (app.staff("root"), Receiver::that(Answer::Status(503)), Receiver::start());
    let hook = Hook::to(&bad, &["post.created", "label.created"], &root).await;
    Hook::to(&good, &["*"], &root).await;
    publish(&root, "Ada").await;
    root.post("/api/v1/labels", json!({ "name": "Ai" })).await;
    let tried =
        |attempts: i32| app.count(&format!("jobs WHERE attempts = {attempts} AND last_error IS NOT NULL"));
    app.eventually("both fail", || tried(1) == 2).await;
    app.sql(
        "UPDATE webhooks SET failing_since = now() - interval '59 minutes' WHERE failing_since IS NOT NULL",
    );
    hurry(&app);
    app.eventually("both fail again", || tried(2) == 2).await;
    assert_eq!(app.count("webhooks WHERE disabled_at IS NOT NULL"), 0, "not yet");
    app.sql(
        "UPDATE webhooks SET failing_since = now() - interval '61 minutes' WHERE failing_since IS NOT NULL",
    );
    hurry(&app);
    app.eventually("it is given up", || app.count("webhooks WHERE disabled_at IS NOT NULL") == 1).await;
    let told = format!("webhook.disabled {}", hook.id);
    app.eventually("the others are told", || good.lines().contains(&told)).await;
    app.idle().await;
    assert_eq!((app.count(PENDING), app.count("events WHERE type = 'webhook.disabled'")), (0, 1));
    // It gets no more deliveries.
    let before = bad.count();
    publish(&root, "Bell").await;
    app.published().await;
    app.idle().await;
    assert_eq!(bad.count(), before);
}

#[actix_web::test]
async fn one_success_is_all_that_patience_asks_for() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    app.sql("UPDATE webhooks SET failing_since = now() - interval '2 days'");
    publish(&root, "Ada").await;
    app.published().await;
    app.idle().await;
    assert_eq!(root.get(&hook.path).await.at("/failing_since"), json!(null));
    receiver.answer(Answer::Status(500));
    publish(&root, "Bell").await;
    app.eventually("it fails", || app.count("webhooks WHERE failing_since > now() - interval '1 hour'") == 1)
        .await;
    receiver.answer(Answer::Status(200));
    hurried(&app, "it succeeds", || app.count("webhooks WHERE failing_since IS NULL") == 1).await;
}

#[actix_web::test]
async fn one_that_is_deleted_takes_its_deliveries_and_its_work_along() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, bad, good) = (app.staff("root"), Receiver::that(Answer::Status(500)), Receiver::start());
    let hook = Hook::to(&bad, &["*"], &root).await;
    let beside = Hook::to(&good, &["post.created"], &root).await;
    publish(&root, "Ada").await;
    root.post("/api/v1/labels", json!({ "name": "Ai" })).await;
    app.eventually("all fail", || app.count("jobs WHERE last_error IS NOT NULL") == 2).await;
    let deleted = root.delete(&hook.path).await;
    assert_snapshot!(deleted.json(), @r#"{"by_type":{"deliveries":2,"webhooks":1},"deleted":3}"#);
    app.idle().await;
    assert_eq!((app.count("deliveries"), app.count("jobs")), (1, 0));
    assert_snapshot!(root.get(&hook.deliveries()).await.refusal(), @"404 not_found");
    assert_snapshot!(beside.lines(&root).await, @"post.created delivered 1 204 -");
}
