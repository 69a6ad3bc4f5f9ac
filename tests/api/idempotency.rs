//! `Idempotency-Key`: a repeated request takes effect once.

use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{LOCKS, PASSWORD, TestApp};
use crate::client::{Answer, Client, send};

async fn post(client: &Client, path: &str, key: &str, body: Value) -> Answer {
    send(client.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
}

/// Send a body exactly as given.
async fn post_text(client: &Client, path: &str, key: &str, body: &'static str) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "application/json");
    send(request.header("idempotency-key", key).body(body)).await
}

#[actix_web::test]
async fn what_is_sent_again_is_done_once_and_answered_alike() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let first = post(&ana, "/api/v1/posts", "k", json!({ "title": "Once" })).await;
    assert_eq!((first.status.as_str(), first.header("idempotency-replayed")), ("201 Created", ""));
    let again = post(&ana, "/api/v1/posts", "k", json!({ "title": "Once" })).await;
    assert_eq!((again.status.as_str(), again.header("idempotency-replayed")), ("201 Created", "true"));
    assert_eq!(again.bytes, first.bytes);
    for header in ["location", "etag", "content-type", "cache-control"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(app.count("posts"), 1);
    // Bodies are compared by value, not by spelling.
    let spelt = post_text(&ana, "/api/v1/posts", "k", "{ \"title\" : \"\\u004fnce\" }").await;
    assert_eq!((spelt.status.as_str(), spelt.bytes), ("201 Created", first.bytes));
    let other = post(&ana, "/api/v1/posts", "k", json!({ "title": "Twice" })).await;
    assert_snapshot!(other.refusal(), @"422 idempotency_key_reused Idempotency-Key idempotency_key_reused");
    assert_eq!(app.count("posts"), 1);
}

#[actix_web::test]
async fn a_key_belongs_to_its_caller_and_route() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    let body = json!({ "title": "Mine" });
    for client in [&ana, &bob] {
        let answer = post(client, "/api/v1/posts", "k", body.clone()).await;
        assert_eq!((answer.status.as_str(), answer.header("idempotency-replayed")), ("201 Created", ""));
    }
    let user = json!({ "username": "eve", "email": "eve@example.org", "password": PASSWORD });
    assert_snapshot!(post(&ana, "/api/v1/users", "k", user).await.status, @"201 Created");
    assert_eq!((app.count("posts"), app.count("idempotency_keys")), (2, 3));
}

#[actix_web::test]
async fn only_a_success_is_kept() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let taken = json!({ "title": "x", "slug": "taken" });
    post(&ana, "/api/v1/posts", "a", taken.clone()).await;
    assert_snapshot!(post(&ana, "/api/v1/posts", "b", taken.clone()).await.refusal(), @"409 slug_taken");
    ana.delete("/api/v1/posts/taken").await;
    let answer = post(&ana, "/api/v1/posts", "b", taken).await;
    assert_eq!((answer.status.as_str(), answer.header("idempotency-replayed")), ("201 Created", ""));
    assert_snapshot!(post(&ana, "/api/v1/posts", "c", json!({ "title": "" })).await.refusal(),
        @"422 validation_failed /title too_short");
    assert_snapshot!(post(&ana, "/api/v1/posts", "c", json!({ "title": "now" })).await.status, @"201 Created");
}

#[actix_web::test]
async fn parallel_repeats_over_two_nodes_are_done_once() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let on_one = one.member("ana");
    let on_two = two.guest().with_token(on_one.token.as_deref().expect("a token"));
    let tries = (0..20).map(|number| {
        let client = if number % 2 == 0 { &on_one } else { &on_two };
        post(client, "/api/v1/posts", "k", json!({ "title": "Once" }))
    });
    let answers = join_all(tries).await;
    assert_eq!(one.count("posts"), 1);
    let mut bodies: Vec<_> = Vec::new();
    for answer in answers {
        if answer.status == "201 Created" {
            bodies.push(answer.bytes);
        } else {
            assert_eq!(answer.refusal(), "409 idempotency_key_in_use");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let again = post(&on_two, "/api/v1/posts", "k", json!({ "title": "Once" })).await;
    assert_eq!(
        (again.bytes, again.headers["idempotency-replayed"].to_str().expect("text")),
        (bodies.remove(0), "true")
    );
}

#[actix_web::test]
async fn while_it_runs_the_second_one_is_told_so() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    // Of the node's work, only the insert waits for this transaction: everything else only reads posts.
    let blocker = app.lock("LOCK TABLE posts IN SHARE MODE");
    let first = {
        let ana = ana.clone();
        actix_web::rt::spawn(
            async move { post(&ana, "/api/v1/posts", "k", json!({ "title": "Slow" })).await },
        )
    };
    let waits = format!("{LOCKS} WHERE NOT granted AND relation = 'posts'::regclass");
    app.eventually("the first one waits", || app.count(&waits) > 0).await;
    let second = post(&ana, "/api/v1/posts", "k", json!({ "title": "Slow" })).await;
    assert_snapshot!(second.refusal(), @"409 idempotency_key_in_use");
    assert_snapshot!(second.header("retry-after"), @"1");
    drop(blocker);
    assert_snapshot!(first.await.expect("no panic").status, @"201 Created");
}

#[actix_web::test]
async fn of_parallel_registrations_with_one_key_each_is_answered_with_the_user() {
    let app = TestApp::with(&["--throttle", "off"]).await;
    let guest = app.guest();
    let user = json!({ "username": "ana", "email": "ana@example.org", "password": PASSWORD });
    let answers = join_all((0..8).map(|_| post(&guest, "/api/v1/users", "k", user.clone()))).await;
    for answer in &answers {
        let is_answered = answer.status == "201 Created" || answer.refusal() == "409 idempotency_key_in_use";
        assert!(is_answered, "{answer:?}");
    }
    assert!(answers.iter().any(|answer| answer.status == "201 Created"));
    assert_eq!((app.count("users"), app.count("idempotency_keys")), (1, 1));
    let other = json!({ "username": "ana", "email": "ana@example.org", "password": "another good one" });
    let refusal = post(&guest, "/api/v1/users", "k", other).await.refusal();
    assert_snapshot!(refusal, @"422 idempotency_key_reused Idempotency-Key idempotency_key_reused");
    assert_eq!(app.count("idempotency_keys WHERE encode(digest, 'escape') LIKE '%horse%'"), 0);
}

#[actix_web::test]
async fn a_kept_answer_goes_with_its_user_and_after_its_time() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let body = json!({ "title": "x" });
    post(&ana, "/api/v1/posts", "k", body.clone()).await;
    app.sql("UPDATE idempotency_keys SET expires_at = now()");
    let answer = post(&ana, "/api/v1/posts", "k", body).await;
    assert_eq!((answer.status.as_str(), answer.header("idempotency-replayed")), ("201 Created", ""));
    assert_eq!((app.count("posts"), app.count("idempotency_keys")), (2, 1));
    let week = app.count("idempotency_keys WHERE expires_at BETWEEN now() + '6.9 days' AND now() + '7 days'");
    assert_eq!(week, 1);
    ana.delete("/api/v1/users/me").await;
    assert_eq!(app.count("idempotency_keys"), 0);
}

#[actix_web::test]
async fn keys_are_short_and_visible() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let body = json!({ "title": "x" });
    let long = "k".repeat(129);
    for wrong in ["", "a b", "ключ", &long] {
        let answer = post(&ana, "/api/v1/posts", wrong, body.clone()).await;
        assert_eq!(answer.refusal(), "400 invalid_header Idempotency-Key invalid_parameter", "{wrong}");
    }
    let twice = ana.request(Method::POST, "/api/v1/posts").header("idempotency-key", "a");
    let answer = send(twice.header("idempotency-key", "b").json(&body)).await;
    assert_eq!(answer.refusal(), "400 invalid_header Idempotency-Key invalid_parameter");
    assert_eq!(app.count("posts"), 0);
    assert_snapshot!(post(&ana, "/api/v1/posts", &long[1..], body).await.status, @"201 Created");
    // Responses to a login are never stored.
    let login = json!({ "login": "ana", "password": PASSWORD });
    let tokens = [
        post(&app.guest(), "/api/v1/auth/login", "k", login.clone()).await.text("/refresh_token"),
        post(&app.guest(), "/api/v1/auth/login", "k", login).await.text("/refresh_token"),
    ];
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(app.count("idempotency_keys"), 1);
}

#[actix_web::test]
async fn an_answer_goes_with_everybody_whose_data_it_shows() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    let comment = json!({ "content": "Indeed" });
    let path = "/api/v1/posts/hello/comments";
    assert_snapshot!(bob.post_once(path, "k", comment.clone()).await.status, @"201 Created");
    assert_eq!(bob.post_once(path, "k", comment.clone()).await.header("idempotency-replayed"), "true");
    assert_snapshot!(ana.delete("/api/v1/users/ana").await.status, @"200 OK");
    assert_eq!(app.count("idempotency_keys"), 0);
    assert_snapshot!(bob.post_once(path, "k", comment).await.refusal(), @"404 not_found");
}
