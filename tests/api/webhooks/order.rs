//! Attempts and their order: events of one resource are delivered in order, and do not wait for those of others.

use insta::assert_snapshot;
use serde_json::json;

use super::{Hook, PRIVATE, hurried, hurry, publish};
use crate::app::TestApp;
use crate::hooks::{Answer, Receiver};

/// The maximum number of attempts for a delivery.
const TRIES: i32 = 30;

#[actix_web::test]
async fn an_event_waits_for_those_before_of_its_resource_alone() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, bad, good) = (app.staff("root"), Receiver::start(), Receiver::start());
    bad.answers(|it| Answer::Status(if it.line() == "post.created ada" { 500 } else { 200 }));
    let hook = Hook::to(&bad, &["*"], &root).await;
    Hook::to(&good, &["*"], &root).await;
    publish(&root, "Ada").await;
    for rating in [1, 2] {
        root.patch("/api/v1/posts/ada", json!({ "rating": rating })).await;
    }
    publish(&root, "Bell").await;
    root.post("/api/v1/labels", json!({ "name": "Ai" })).await;
    let expected = ["post.created ada", "post.updated ada", "post.updated ada"];
    app.eventually("the good one has all", || good.count() == 5).await;
    let of_ada = |receiver: &Receiver| -> Vec<String> {
        receiver.lines().into_iter().filter(|line| line.ends_with(" ada")).collect()
    };
    assert_eq!(of_ada(&good), expected);
    let others = || bad.lines().iter().filter(|line| !line.ends_with(" ada")).count();
    app.eventually("the others pass", || others() == 2).await;
    for attempt in 2..5 {
        hurried(&app, "it is tried again", || of_ada(&bad).len() >= attempt).await;
    }
    assert!(of_ada(&bad).iter().all(|line| line == expected[0]), "{:?}", bad.lines());
    assert_eq!(app.count("deliveries WHERE status = 'pending' AND attempts = 0"), 2);

    bad.answer(Answer::Status(200));
    hurried(&app, "all are delivered", || app.count("deliveries WHERE status <> 'delivered'") == 0).await;
    let mut lines = of_ada(&bad);
    lines.dedup();
    assert_eq!(lines, expected[..2]);
    let ratings: Vec<_> = bad
        .received()
        .iter()
        .filter(|it| it.kind() == "post.updated")
        .map(|it| it.json()["data"]["rating"].clone())
        .collect();
    assert_eq!(ratings, [1, 2]);
    assert_eq!(root.get(&hook.path).await.at("/failing_since"), json!(null));
}

#[actix_web::test]
async fn after_the_last_try_a_delivery_has_failed_and_the_next_proceeds() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    receiver.answers(|it| Answer::Status(if it.kind() == "post.created" { 500 } else { 200 }));
    let hook = Hook::to(&receiver, &["*"], &root).await;
    publish(&root, "Ada").await;
    root.patch("/api/v1/posts/ada", json!({ "rating": 1 })).await;
    app.published().await;
    for attempt in 1..=TRIES {
        let failed = format!("jobs WHERE attempts = {attempt} AND last_error = 'answered 500'");
        app.eventually("it fails", || app.count(&failed) == 1).await;
        assert_eq!(app.count(&format!("deliveries WHERE attempts = {attempt}")), 1);
        assert_eq!(app.count("jobs WHERE failed_at IS NOT NULL"), i64::from(attempt == TRIES));
        if attempt > 1 && attempt < TRIES {
            // The more attempts have failed, the longer the wait, up to an hour.
            let delay = (1_i64 << attempt).min(3600);
            let waits =
                format!("jobs WHERE abs(extract(epoch FROM due_at - now()) - {delay}) < 10 AND attempts > 0");
            assert_eq!(app.count(&waits), 1, "after attempt {attempt}");
        }
        hurry(&app);
    }
    app.idle().await;
    assert_snapshot!(hook.lines(&root).await, @"
    post.created failed 30 500 answered 500
    post.updated delivered 1 200 -
    ");
    assert_eq!(receiver.count(), 31);
    let ids: std::collections::BTreeSet<String> =
        receiver.received().iter().map(|it| it.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 2, "a retry has the id of what it repeats");
}

#[actix_web::test]
async fn one_that_ends_its_program_is_given_up_in_the_end() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::that(Answer::Status(500)));
    let hook = Hook::to(&receiver, &["*"], &root).await;
    publish(&root, "Ada").await;
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    app.sql(&format!("UPDATE jobs SET attempts = {TRIES}"));
    hurry(&app);
    app.idle().await;
    assert_eq!(receiver.count(), 1);
    assert_snapshot!(hook.lines(&root).await, @"post.created failed 1 500 answered 500");
}
