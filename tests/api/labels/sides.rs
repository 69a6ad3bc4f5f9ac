//! The posts of a label.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Client, send};

const POSTS: &str = "/api/v1/labels/ai/posts";

/// Create the label `ai`; ana's post `a1` and draft `a2`; and bob's post `b1` and draft `b2`, which ana edits.
async fn world(app: &TestApp) -> (Client, Client) {
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/labels", json!({ "name": "ai" })).await;
    for (client, title, published, editor) in [
        (&ana, "a1", true, None),
        (&ana, "a2", false, None),
        (&bob, "b1", true, None),
        (&bob, "b2", false, Some("ana")),
    ] {
        let post = json!({ "title": title, "published": published, "editor": editor });
        assert_eq!(client.post("/api/v1/posts", post).await.status, "201 Created");
    }
    (ana, bob)
}

fn posts(slugs: &[&str]) -> Value {
    json!({ "posts": slugs.iter().map(|slug| json!({ "slug": slug })).collect::<Vec<_>>() })
}

fn told(answer: &Answer) -> String {
    format!("{} / {}", answer.each("/posts", "slug"), answer.each("/posts", "reason"))
}

/// The posts that have the label.
fn labeled(app: &TestApp) -> String {
    app.lines("SELECT slug || ':' || coalesce(reason, '') FROM posts JOIN post_labels ON post_id = id ORDER BY slug")
        .replace('\n', " ")
}

#[actix_web::test]
async fn a_label_is_put_on_posts() {
    let app = TestApp::new().await;
    let (ana, bob) = world(&app).await;
    let two = json!({ "posts": [{ "slug": "b2", "reason": " why " }, { "slug": "a1" }] });
    let added = ana.post(POSTS, two).await;
    assert_snapshot!(added.status, @"200 OK");
    // In the order of the request.
    assert_snapshot!(told(&added), @"b2, a1 / why, null");
    let post = added.at("/posts/1");
    let members: Vec<&String> = post.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["labeled_at", "reason", "slug", "title", "url"]);
    assert_eq!(post["url"], format!("{}/api/v1/posts/a1", app.base));
    assert_eq!(app.guest().get("/api/v1/posts/a1").await.at("/labels/0/labeled_at"), post["labeled_at"]);

    // Add them again: the time is kept, and so is a reason that the request omits.
    let again =
        ana.post(POSTS, json!({ "posts": [{ "slug": "a1", "reason": "x" }, { "slug": "b2" }] })).await;
    assert_snapshot!(told(&again), @"a1, b2 / x, why");
    assert_eq!(again.at("/posts/1/labeled_at"), added.at("/posts/0/labeled_at"));
    assert_snapshot!(told(&ana.post(POSTS, json!({ "posts": [{ "slug": "b2", "reason": null }] })).await), @"b2 / null");
    assert_snapshot!(told(&ana.post(POSTS, posts(&[])).await), @" / ");
    assert_snapshot!(labeled(&app), @"a1:x b2:");

    // If one post may not be changed, the whole request is rejected.
    assert_snapshot!(bob.post(POSTS, posts(&["b1", "a1"])).await.refusal(), @"403 forbidden");
    assert_snapshot!(bob.post(POSTS, posts(&["b1", "a2"])).await.refusal(), @"422 validation_failed /posts/1/slug unknown_post");
    assert_snapshot!(labeled(&app), @"a1:x b2:");
    assert_snapshot!(app.staff("root").post(POSTS, posts(&["a2", "b1"])).await.status, @"200 OK");
    assert_snapshot!(labeled(&app), @"a1:x a2: b1: b2:");
}

#[actix_web::test]
async fn a_label_is_replaced_on_the_posts_that_one_may_change() {
    let app = TestApp::new().await;
    let (ana, bob) = world(&app).await;
    let root = app.staff("root");
    root.post(POSTS, posts(&["a1", "a2", "b1", "b2"])).await;
    // Ana edits only one of bob's posts.
    assert_snapshot!(told(&ana.put(POSTS, json!({ "posts": [{ "slug": "a1", "reason": "x" }] })).await), @"a1 / x");
    assert_snapshot!(labeled(&app), @"a1:x b1:");
    assert_snapshot!(told(&bob.put(POSTS, posts(&["b2"])).await), @"b2 / null");
    assert_snapshot!(labeled(&app), @"a1:x b2:");
    assert_snapshot!(bob.put(POSTS, posts(&["a1"])).await.refusal(), @"403 forbidden");
    assert_snapshot!(bob.put(POSTS, posts(&["no"])).await.refusal(), @"422 validation_failed /posts/0/slug unknown_post");
    assert_snapshot!(labeled(&app), @"a1:x b2:");
    assert_snapshot!(app.member("eve").put(POSTS, posts(&[])).await.status, @"200 OK");
    assert_snapshot!(labeled(&app), @"a1:x b2:");
    assert_snapshot!(told(&root.put(POSTS, posts(&["b1", "a1"])).await), @"b1, a1 / null, x");
    assert_snapshot!(labeled(&app), @"a1:x b1:");
    assert_snapshot!(told(&root.put(POSTS, posts(&[])).await), @" / ");
    assert_snapshot!(labeled(&app), @"");
}

#[actix_web::test]
async fn a_label_is_taken_off_the_posts_that_one_may_change() {
    let app = TestApp::new().await;
    let (ana, bob) = world(&app).await;
    let root = app.staff("root");
    root.post(POSTS, posts(&["a1", "a2", "b1", "b2"])).await;
    ana.post("/api/v1/posts/a1/labels", json!({ "labels": [{ "name": "other" }] })).await;
    for client in [&app.member("eve"), &ana, &ana] {
        assert_eq!(client.delete(POSTS).await.status, "204 No Content");
    }
    assert_snapshot!(labeled(&app), @"a1: b1:");
    assert_eq!(ana.get("/api/v1/posts/a1").await.each("/labels", "slug"), "other");
    assert_snapshot!(bob.delete(POSTS).await.status, @"204 No Content");
    assert_snapshot!(labeled(&app), @"a1:");
    root.post(POSTS, posts(&["a2", "b1"])).await;
    assert_snapshot!(root.delete(POSTS).await.status, @"204 No Content");
    assert_snapshot!(labeled(&app), @"a1:");
    assert_snapshot!(root.delete("/api/v1/labels/no/posts").await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn the_posts_of_a_label_come_in_pages_the_newest_first() {
    let app = TestApp::new().await;
    let (ana, bob) = world(&app).await;
    app.staff("root").post(POSTS, posts(&["a1", "a2", "b1", "b2"])).await;
    let seen = async |client: &Client| client.get(POSTS).await.each("/results", "slug");
    assert_eq!(seen(&app.guest()).await, "b1, a1");
    assert_eq!(seen(&ana).await, "b2, b1, a2, a1");
    assert_eq!(seen(&bob).await, "b2, b1, a1");
    let first = ana.get(&format!("{POSTS}?limit=3")).await;
    let second = ana.get(&first.text("/next")).await;
    assert_eq!((second.each("/results", "slug"), second.at("/next")), ("a1".into(), Value::Null));
    assert_eq!(ana.get(&second.text("/previous")).await.at("/results"), first.at("/results"));
    // A summary, as in every list of posts.
    assert_eq!(
        app.guest().get(POSTS).await.at("/results/0"),
        app.guest().get("/api/v1/posts").await.at("/results/0")
    );
    assert_snapshot!(app.guest().get("/api/v1/labels/no/posts").await.refusal(), @"404 not_found");
    assert_snapshot!(app.guest().get("/api/v1/labels/no/posts?limit=0").await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn a_thousand_posts_take_a_label_at_once() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/labels", json!({ "name": "ai" })).await;
    app.sql(
        "INSERT INTO posts (slug, title, content, writer_id)
         SELECT 'p' || n, 'x', '', (SELECT id FROM users) FROM generate_series(1, 1000) AS n",
    );
    let slugs: Vec<String> = (1..=1000).rev().map(|n| format!("p{n}")).collect();
    let slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
    for method in [Method::POST, Method::PUT] {
        let answer = send(ana.request(method, POSTS).json(&posts(&slugs))).await;
        assert_eq!(answer.status, "200 OK");
        assert_eq!(answer.each("/posts", "slug"), slugs.join(", "));
    }
    assert_eq!((app.count("post_labels"), app.count("posts WHERE version = 2")), (1000, 1000));
    assert_snapshot!(ana.delete(POSTS).await.status, @"204 No Content");
    assert_eq!((app.count("post_labels"), app.count("posts WHERE version = 3")), (0, 1000));
}

#[actix_web::test]
async fn who_may_not_is_told_so_before_who_is_late() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/posts", json!({ "title": "p", "published": true, "labels": [{ "name": "ai" }] })).await;
    bob.post("/api/v1/posts", json!({ "title": "q" })).await;
    let put = async |posts: Value| bob.put_if("/api/v1/labels/ai/posts", "\"7-x\"", posts).await.refusal();
    assert_snapshot!(put(json!({ "posts": [{ "slug": "p" }] })).await, @"403 forbidden");
    assert_snapshot!(put(json!({ "posts": [{ "slug": "q" }] })).await, @"412 precondition_failed");
    assert_snapshot!(put(json!({ "posts": [{ "slug": "no" }] })).await, @"412 precondition_failed");
    assert_snapshot!(put(json!({ "posts": 7 })).await, @"412 precondition_failed");
    // Invalid input has precedence over conflicts with existing rows.
    let twice = json!({ "title": "x", "slug": "p", "labels": [{ "name": "New" }, { "name": "new" }] });
    assert_snapshot!(bob.post("/api/v1/posts", twice).await.refusal(), @"422 validation_failed /labels/1 duplicate");
}
