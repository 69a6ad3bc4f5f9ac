//! Secrets: only a receiver that was shown a secret can verify what it signs.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Hook, PRIVATE, WEBHOOKS, publish};
use crate::app::TestApp;
use crate::client::Client;
use crate::hooks::{Received, Receiver};

/// Publish a post, and return its delivery.
async fn next(app: &TestApp, receiver: &Receiver, client: &Client) -> Received {
    let before = receiver.count();
    publish(client, "Ada").await;
    app.eventually("it comes", || receiver.count() > before).await;
    app.idle().await;
    assert_eq!(receiver.count(), before + 1);
    receiver.received().pop().expect("the last one")
}

async fn rotate(hook: &Hook, root: &Client) -> String {
    let rotated = root.post(&format!("{}/rotate-secret", hook.path), json!({})).await;
    assert_eq!(rotated.status, "200 OK", "{}", rotated.json());
    rotated.text("/secret")
}

#[actix_web::test]
async fn a_delivery_is_believed_by_who_knows_its_secret() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver, other) = (app.staff("root"), Receiver::start(), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let beside = Hook::to(&other, &["post.created"], &root).await;
    let received = next(&app, &receiver, &root).await;
    assert!(received.is_signed_by(&hook.secret));
    assert!(!received.is_signed_by(&beside.secret), "every webhook has its own");
    assert!(other.received()[0].is_signed_by(&beside.secret));
    let mut changed = received.clone();
    changed.body.push(b' ');
    assert!(!changed.is_signed_by(&hook.secret), "the body is signed");
    let mut changed = received.clone();
    changed.headers.insert("webhook-id", "evt_0".parse().expect("a value"));
    assert!(!changed.is_signed_by(&hook.secret), "so is the id");
    let mut changed = received.clone();
    let time: i64 = received.header("webhook-timestamp").parse().expect("a number");
    changed.headers.insert("webhook-timestamp", (time - 1).into());
    assert!(!changed.is_signed_by(&hook.secret), "and the time");
    assert!((chrono::Utc::now().timestamp() - time).abs() < 60, "{time}");
    assert_eq!(received.header("webhook-id"), format!("evt_{}", received.json()["id"]));
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.path, "/hooks");
}

#[actix_web::test]
async fn another_node_signs_alike() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    let hook = Hook::to(&receiver, &["*"], &root).await;
    let other = app.beside(&PRIVATE);
    app.rest().await;
    assert!(next(&other, &receiver, &other.staff("root")).await.is_signed_by(&hook.secret));
}

#[actix_web::test]
async fn after_a_rotation_both_secrets_sign_for_a_while() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let tag = root.get(&hook.path).await.header("etag").to_owned();
    let second = rotate(&hook, &root).await;
    assert_ne!(second, hook.secret);
    assert_ne!(root.get(&hook.path).await.header("etag"), tag);
    assert_eq!(root.get(&hook.path).await.at("/secret"), Value::Null, "it was shown");
    let until =
        "webhooks WHERE former_until BETWEEN now() + interval '23 hours' AND now() + interval '24 hours'";
    assert_eq!(app.count(until), 1);

    let received = next(&app, &receiver, &root).await;
    assert!(received.is_signed_by(&second) && received.is_signed_by(&hook.secret));
    assert_eq!(received.header("webhook-signature").split(' ').count(), 2);

    // The secret before the previous one is no longer valid.
    let third = rotate(&hook, &root).await;
    let received = next(&app, &receiver, &root).await;
    assert!(received.is_signed_by(&third) && received.is_signed_by(&second));
    assert!(!received.is_signed_by(&hook.secret));

    app.sql("UPDATE webhooks SET former_until = now()");
    let received = next(&app, &receiver, &root).await;
    assert!(received.is_signed_by(&third) && !received.is_signed_by(&second));
    assert_eq!(received.header("webhook-signature").split(' ').count(), 1);
}

#[actix_web::test]
async fn a_webhook_made_after_a_deleted_one_has_another_secret() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let body = json!({ "url": "https://example.com/", "types": ["*"] });
    let first = root.post(WEBHOOKS, body.clone()).await;
    root.delete(&format!("{WEBHOOKS}/{}", first.at("/id"))).await;
    let second = root.post(WEBHOOKS, body).await;
    assert_ne!(first.text("/secret"), second.text("/secret"));
    assert_snapshot!(root.get(&format!("{WEBHOOKS}/{}", first.at("/id"))).await.refusal(), @"404 not_found");
}
