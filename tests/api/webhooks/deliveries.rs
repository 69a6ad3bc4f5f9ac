//! Deliveries: what is sent, what is recorded, and what is sent again.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Hook, PRIVATE, hurried, publish};
use crate::app::TestApp;
use crate::hooks::{Answer, Receiver};

#[actix_web::test]
async fn a_webhook_gets_what_it_wants_as_the_list_shows_it() {
    let app = TestApp::with(&PRIVATE).await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    let (all, some) = (Receiver::start(), Receiver::start());
    publish(&ana, "Before").await;
    app.published().await;
    let everything = Hook::to(&all, &["*"], &root).await;
    let wanted = Hook::to(&some, &["comment.created", "post.deleted"], &root).await;
    let last = root.get("/api/v1/events?limit=1").await.at("/results/0/id");

    ana.post("/api/v1/posts", json!({ "title": "Ada", "published": true, "labels": [{ "name": "Ai" }] }))
        .await;
    ana.post("/api/v1/posts/ada/comments", json!({ "content": "Well done." })).await;
    ana.patch("/api/v1/profiles/me", json!({ "bio": "I write.", "phone": "+49 30 1234" })).await;
    ana.delete("/api/v1/posts/ada").await;
    app.published().await;
    app.idle().await;

    let listed = root.get(&format!("/api/v1/events?ordering=id&limit=100&id__gt={last}")).await;
    let Value::Array(listed) = listed.at("/results") else { panic!("no list") };
    assert_eq!(listed.len(), 8, "{listed:#?}");
    let mut told: Vec<Value> = all.received().iter().map(crate::hooks::Received::json).collect();
    // Events of different resources may arrive in any order.
    told.sort_by_key(|event| event["id"].as_i64());
    assert_eq!(told, listed);
    let mut lines = some.lines();
    lines.sort();
    assert_snapshot!(lines.join("\n"), @"
    comment.created 1
    post.deleted ada
    ");
    assert_eq!(wanted.lines(&root).await.lines().count(), 2);
    assert_eq!(everything.lines(&root).await.lines().count(), 8);
    let text: String =
        all.received().iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    assert!(!text.contains("+49") && !text.contains("@example.org"), "{text}");
}

#[actix_web::test]
async fn deliveries_are_listed_with_lookups() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver, other) = (app.staff("root"), Receiver::start(), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created", "label.created"], &root).await;
    let beside = Hook::to(&other, &["*"], &root).await;
    receiver.answers(|it| Answer::Status(if it.kind() == "post.created" { 418 } else { 202 }));
    publish(&root, "Ada").await;
    root.post("/api/v1/labels", json!({ "name": "Ai" })).await;
    app.eventually("both are tried", || app.count("deliveries WHERE webhook_id = 1 AND attempts = 1") == 2)
        .await;
    app.eventually("one waits", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    app.sql("UPDATE jobs SET failed_at = now() WHERE last_error IS NOT NULL");

    let path = hook.deliveries();
    let page = root.get(&path).await;
    assert_snapshot!(page.each("/results", "status"), @"delivered, failed");
    let delivery = page.at("/results/1");
    let members: Vec<&String> = delivery.as_object().expect("an object").keys().collect();
    assert_eq!(
        members,
        [
            "attempted_at",
            "attempts",
            "created_at",
            "delivered_at",
            "error",
            "event",
            "id",
            "response_status",
            "status"
        ]
    );
    let event = root.get("/api/v1/events?type=post.created").await.at("/results/0");
    assert_eq!(delivery["event"], json!({ "id": event["id"], "type": "post.created" }));
    assert_snapshot!(hook.lines(&root).await, @"
    post.created failed 1 418 answered 418
    label.created delivered 1 202 -
    ");
    let found = async |query: &str| root.get(&format!("{path}?{query}")).await.each("/results", "event");
    let post = json!({ "id": event["id"], "type": "post.created" }).to_string().replace('"', "");
    assert_eq!(found("status=failed").await, post);
    assert_eq!(found("event__type=post.created").await, post);
    assert_eq!(found(&format!("event={}", event["id"])).await, post);
    assert_eq!(found("response_status__gte=400&attempts=1").await, post);
    assert_eq!(found("delivered_at__isnull=true").await, post);
    assert_eq!(found("status=pending").await, "");
    assert_eq!(root.get(&format!("{path}?limit=1")).await.each("/results", "status"), "delivered");
    assert_snapshot!(root.get(&format!("{path}?status=gone")).await.refusal(), @"400 invalid_query status not_a_choice");
    assert_snapshot!(root.get(&format!("{path}?webhook=2")).await.refusal(), @"400 invalid_query webhook unknown_parameter");
    // Each webhook has its own deliveries.
    assert_eq!(root.get(&beside.deliveries()).await.at("/results").as_array().map(Vec::len), Some(2));
}

#[actix_web::test]
async fn what_failed_or_was_delivered_is_sent_again() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver, other) = (app.staff("root"), Receiver::start(), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let beside = Hook::to(&other, &["label.created"], &root).await;
    publish(&root, "Ada").await;
    app.eventually("it comes", || receiver.count() == 1).await;
    app.idle().await;
    let id = root.get(&hook.deliveries()).await.at("/results/0/id");
    let replay = format!("{}/{id}/replay", hook.deliveries());

    receiver.answer(Answer::Status(500));
    let answer = root.post(&replay, json!({})).await;
    assert_snapshot!(answer.status, @"202 Accepted");
    assert_snapshot!(format!("{} {} {}", answer.at("/status"), answer.at("/attempts"), answer.at("/delivered_at")), @r#""pending" 1 null"#);
    app.eventually("it fails", || app.count("deliveries WHERE attempts = 2") == 1).await;
    // If a delivery waits for its next attempt, a replay makes it immediately.
    let again = root.post(&replay, json!({})).await;
    assert_snapshot!(format!("{} {} {}", again.status, again.at("/status"), again.at("/attempts")), @r#"202 Accepted "pending" 2"#);
    app.eventually("it fails again", || app.count("deliveries WHERE attempts = 3") == 1).await;
    assert_eq!(app.count("jobs WHERE kind = 'webhook.deliver'"), 1);

    // A failed delivery.
    app.eventually("it waits", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    app.sql("UPDATE jobs SET failed_at = now()");
    assert_snapshot!(hook.lines(&root).await, @"post.created failed 3 500 answered 500");
    receiver.answer(Answer::Status(200));
    assert_snapshot!(root.post(&replay, json!({})).await.at("/status"), @r#""pending""#);
    hurried(&app, "it is delivered", || app.count("deliveries WHERE status = 'delivered'") == 1).await;
    app.idle().await;
    assert_snapshot!(hook.lines(&root).await, @"post.created delivered 4 200 -");
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    for one in &received {
        assert_eq!(
            (one.header("webhook-id"), &one.body),
            (received[0].header("webhook-id"), &received[0].body)
        );
        assert!(one.is_signed_by(&hook.secret));
    }
    // The delivery cannot be reached through another webhook.
    let path = format!("{}/{id}/replay", beside.deliveries());
    assert_snapshot!(root.post(&path, json!({})).await.refusal(), @"404 not_found");
    assert_eq!((other.count(), app.count("jobs WHERE failed_at IS NULL")), (0, 0));
}

#[actix_web::test]
async fn plain_sql_is_delivered_too() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    Hook::to(&receiver, &["label.created"], &root).await;
    app.sql("BEGIN; INSERT INTO labels (slug, name) VALUES ('no', 'No'); ROLLBACK");
    app.sql("INSERT INTO labels (slug, name) SELECT 'l' || n, 'L' FROM generate_series(1, 50) AS n");
    app.eventually("they come", || receiver.count() == 50).await;
    app.idle().await;
    let mut lines = receiver.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 50, "{lines:?}");
    assert!(!lines.contains(&"label.created no".to_owned()));
}
