//! The labels of a post, each with its reason.

use insta::assert_snapshot;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Client, send};
use crate::pictures;

const LABELS: &str = "/api/v1/posts/p/labels";

async fn hello(client: &Client) {
    let made = client.post("/api/v1/posts", json!({ "title": "p", "published": true })).await;
    assert_eq!(made.status, "201 Created");
}

/// The labels with their reasons, such as `ai: why, tech: null`.
fn told(answer: &Answer) -> String {
    let list = answer.at("/labels");
    let list = list.as_array().unwrap_or_else(|| panic!("{answer:?}")).iter();
    let label = |label: &Value| format!("{}: {}", label["slug"], label["reason"]).replace('"', "");
    list.map(label).collect::<Vec<_>>().join(", ")
}

#[actix_web::test]
async fn a_post_is_written_with_labels() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/labels", json!({ "name": "Technology", "slug": "tech" })).await;
    let labels = json!([{ "slug": "tech", "reason": " why " }, { "name": "Straße & Co" }, { "slug": "x", "name": "Alpha", "reason": "" }]);
    let post = ana.post("/api/v1/posts", json!({ "title": "p", "published": true, "labels": labels })).await;
    assert_snapshot!(post.status, @"201 Created");
    assert_snapshot!(told(&post), @"x: null, strasse-co: null, tech: why");
    assert_snapshot!(post.each("/labels", "name"), @"Alpha, Straße & Co, Technology");
    let label = post.at("/labels/0");
    let members: Vec<&String> = label.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["labeled_at", "name", "reason", "slug"]);
    // The labels look the same everywhere.
    let guest = app.guest();
    assert_eq!(guest.get("/api/v1/posts/p").await.json(), post.json());
    assert_eq!(guest.get("/api/v1/posts").await.at("/results/0/labels"), post.at("/labels"));
    assert_eq!(guest.get("/api/v1/labels/tech/posts").await.at("/results/0/labels"), post.at("/labels"));
    assert_eq!(guest.get(LABELS).await.at("/results"), post.at("/labels"));
    // All or nothing.
    let both = json!({ "title": "q", "labels": [{ "name": "New" }, { "slug": "no" }] });
    assert_snapshot!(ana.post("/api/v1/posts", both).await.refusal(), @"422 validation_failed /labels/1/slug unknown_label");
    let taken = json!({ "title": "q", "slug": "p", "labels": [{ "name": "New" }] });
    assert_snapshot!(ana.post("/api/v1/posts", taken).await.refusal(), @"409 slug_taken");
    assert_eq!((app.count("posts"), app.count("labels")), (1, 3));
}

#[actix_web::test]
async fn a_form_brings_labels_as_slugs_or_as_json() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    for slug in ["ai", "tech"] {
        ana.post("/api/v1/labels", json!({ "name": slug })).await;
    }
    let post = async |labels: &str| {
        let cover = Part::bytes(pictures::jpeg(8, 6)).file_name("cover.jpg");
        let form = Form::new().text("title", "p").text("labels", labels.to_owned()).part("cover", cover);
        send(ana.request(Method::POST, "/api/v1/forms/posts").multipart(form)).await
    };
    assert_snapshot!(told(&post("ai,tech").await), @"ai: null, tech: null");
    assert_snapshot!(told(&post(" tech , ").await), @"tech: null");
    assert_snapshot!(told(&post("").await), @"");
    let json = r#"[{"slug": "ai", "reason": "why"}, {"name": "New, one"}]"#;
    assert_snapshot!(told(&post(json).await), @"ai: why, new-one: null");
    assert_snapshot!(post("ai,no").await.refusal(), @"422 validation_failed /labels/1/slug unknown_label");
    assert_snapshot!(post("ai,a b").await.refusal(), @"422 validation_failed /labels/1/slug invalid_slug");
    assert_snapshot!(post("ai,ai").await.refusal(), @"422 validation_failed /labels/1 duplicate");
    assert_snapshot!(post("a\u{0}").await.refusal(), @"422 validation_failed /labels/0/slug null_character, /labels/0/slug invalid_slug");
    assert_snapshot!(post("[{").await.refusal(), @"422 validation_failed /labels invalid_type");
    assert_snapshot!(post("[1]").await.refusal(), @"422 validation_failed /labels/0 invalid_type");
    assert_snapshot!(post(r#"{"slug": "ai"}"#).await.refusal(), @r#"422 validation_failed /labels/0/slug invalid_slug"#);
    assert_eq!(app.count("posts"), 4);
}

#[actix_web::test]
async fn labels_are_added_by_slug_by_name_or_by_both() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    let made = json!({ "name": "Straße", "slug": "road" });
    ana.post("/api/v1/labels", made).await;
    let add = async |label: Value| {
        let added = ana.post(LABELS, json!({ "labels": [label] })).await;
        assert_eq!(
            ana.get("/api/v1/posts/p").await.header("etag").split('-').next(),
            added.header("etag").split('-').next()
        );
        let labels = told(&added);
        ana.delete(LABELS).await;
        labels
    };
    assert_snapshot!(add(json!({ "slug": "road" })).await, @"road: null");
    assert_snapshot!(add(json!({ "name": "straße" })).await, @"road: null");
    assert_snapshot!(add(json!({ "name": " STRASSE ", "slug": null })).await, @"road: null");
    // If both are given, the slug identifies the label, whatever its name is.
    assert_snapshot!(add(json!({ "slug": "road", "name": "Other" })).await, @"road: null");
    assert_snapshot!(add(json!({ "slug": "lane", "name": "Straße" })).await, @"lane: null");
    assert_eq!(ana.get("/api/v1/labels/lane").await.text("/name"), "Straße");
    // If several labels have the same name in different case, the exact spelling wins, otherwise the oldest label.
    ana.post("/api/v1/labels", json!({ "name": "STRASSE", "slug": "street" })).await;
    assert_snapshot!(add(json!({ "name": "STRASSE" })).await, @"street: null");
    assert_snapshot!(add(json!({ "name": "strasse" })).await, @"road: null");
    // A label that does not exist is created.
    assert_snapshot!(add(json!({ "name": "Über uns" })).await, @"uber-uns: null");
    assert_snapshot!(add(json!({ "slug": "Own_1", "name": "Mine", "reason": "why" })).await, @"Own_1: why");
    assert_snapshot!(add(json!({ "name": "日本語" })).await, @"ri-ben-yu: null");
    assert_snapshot!(add(json!({ "name": "%_\\" })).await, @"label: null");
    assert_snapshot!(add(json!({ "name": "x_\\" })).await, @"x: null");
    assert_eq!(app.count("labels"), 8);
}

#[actix_web::test]
async fn a_label_added_again_takes_the_new_reason_and_keeps_its_time() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    let first =
        ana.post(LABELS, json!({ "labels": [{ "name": "AI", "reason": "one" }, { "name": "B" }] })).await;
    let again = async |label: Value| {
        let answer = ana.post(LABELS, json!({ "labels": [label] })).await;
        assert_eq!(answer.each("/labels", "labeled_at"), first.each("/labels", "labeled_at"));
        told(&answer)
    };
    assert_snapshot!(again(json!({ "slug": "ai" })).await, @"ai: one, b: null");
    assert_snapshot!(again(json!({ "name": "ai", "reason": "two" })).await, @"ai: two, b: null");
    assert_snapshot!(again(json!({ "slug": "ai", "reason": "" })).await, @"ai: null, b: null");
    assert_snapshot!(again(json!({ "slug": "ai", "reason": " three " })).await, @"ai: three, b: null");
    assert_snapshot!(again(json!({ "slug": "ai", "reason": null })).await, @"ai: null, b: null");
    // An existing label together with a new one.
    let two = json!({ "labels": [{ "slug": "b", "reason": "four" }, { "name": "C" }] });
    assert_snapshot!(told(&ana.post(LABELS, two).await), @"ai: null, b: four, c: null");
    assert_snapshot!(told(&ana.post(LABELS, json!({ "labels": [] })).await), @"ai: null, b: four, c: null");
}

#[actix_web::test]
async fn a_set_of_labels_is_replaced() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    let first =
        ana.put(LABELS, json!({ "labels": [{ "name": "A", "reason": "one" }, { "name": "B" }] })).await;
    assert_snapshot!(told(&first), @"a: one, b: null");
    let second = ana.put(LABELS, json!({ "labels": [{ "slug": "a" }, { "name": "C" }] })).await;
    assert_snapshot!(told(&second), @"a: one, c: null");
    assert_eq!(second.at("/labels/0/labeled_at"), first.at("/labels/0/labeled_at"));
    assert_snapshot!(told(&ana.put(LABELS, json!({ "labels": [{ "slug": "c", "reason": "x" }] })).await), @"c: x");
    assert_snapshot!(told(&ana.put(LABELS, json!({ "labels": [] })).await), @"");
    assert_snapshot!(app.guest().get(LABELS).await.each("/results", "slug"), @"");
    // The labels themselves stay.
    assert_eq!(app.count("labels"), 3);
}

#[actix_web::test]
async fn one_label_is_set_and_removed() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    for name in ["ai", "tech"] {
        ana.post("/api/v1/labels", json!({ "name": name })).await;
    }
    let ai = "/api/v1/posts/p/labels/ai";
    let set = ana.put(ai, json!({ "reason": "why" })).await;
    assert_snapshot!(told(&set), @"ai: why");
    let again = ana.put(ai, json!({})).await;
    assert_eq!(again.json(), set.json());
    assert_snapshot!(told(&ana.put(ai, json!({ "reason": null })).await), @"ai: null");
    assert_snapshot!(told(&ana.put("/api/v1/posts/p/labels/tech", json!({})).await), @"ai: null, tech: null");
    for _ in 0..2 {
        assert_eq!(ana.delete(ai).await.status, "204 No Content");
        assert_eq!(ana.get(LABELS).await.each("/results", "slug"), "tech");
    }
    assert_snapshot!(ana.delete("/api/v1/posts/p/labels/nothing").await.status, @"204 No Content");
    for _ in 0..2 {
        assert_eq!(ana.delete(LABELS).await.status, "204 No Content");
        assert_eq!(app.count("post_labels"), 0);
    }
    // The path contains a slug, not a name.
    assert_snapshot!(ana.put("/api/v1/posts/p/labels/AI", json!({})).await.refusal(), @"404 not_found");
    let answers = [ana.get(ai).await, ana.post(ai, json!({})).await];
    for answer in answers {
        assert_eq!(
            (answer.refusal().as_str(), answer.header("allow")),
            ("405 method_not_allowed", "DELETE, PUT")
        );
    }
}

#[actix_web::test]
async fn the_labels_of_a_post_come_in_pages() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    let labels: Vec<Value> = ["d", "B", "a", "C", "e"].iter().map(|name| json!({ "name": name })).collect();
    ana.put(LABELS, json!({ "labels": labels })).await;
    let first = app.guest().get("/api/v1/posts/p/labels?limit=2").await;
    let second = app.guest().get(&first.text("/next")).await;
    let third = app.guest().get(&second.text("/next")).await;
    let names = [&first, &second, &third].map(|page| page.each("/results", "name"));
    assert_eq!(names, ["a, B", "C, d", "e"]);
    assert_eq!(third.at("/next"), Value::Null);
    assert_eq!(app.guest().get(&second.text("/previous")).await.at("/results"), first.at("/results"));
    // A cursor belongs to its list.
    ana.post("/api/v1/posts", json!({ "title": "q", "published": true })).await;
    let cursor = first.text("/next_cursor");
    let other = app.guest().get(&format!("/api/v1/posts/q/labels?cursor={cursor}")).await;
    assert_snapshot!(other.refusal(), @"400 invalid_query cursor invalid_cursor");
    assert_snapshot!(app.guest().get("/api/v1/posts/q/labels").await.each("/results", "name"), @"");
}

#[actix_web::test]
async fn a_posts_version_moves_with_its_labels_and_with_nothing_else() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    hello(&ana).await;
    let post = "/api/v1/posts/p";
    let tag = async || ana.get(post).await.header("etag").to_owned();
    let version = async || tag().await.split('-').next().expect("a version").to_owned();
    let stale = tag().await;
    let added =
        ana.post(LABELS, json!({ "labels": [{ "name": "AI" }, { "name": "B", "reason": "x" }] })).await;
    assert_eq!(added.header("etag").split('-').next(), Some(version().await.as_str()));
    assert_snapshot!(ana.patch_if(post, &stale, json!({ "rank": 1 })).await.refusal(), @"412 precondition_failed");
    let one = json!({ "labels": [{ "slug": "ai" }] });
    assert_snapshot!(ana.put_if(LABELS, &stale, one.clone()).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(ana.delete_if(LABELS, &stale).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(ana.put_if("/api/v1/posts/p/labels/ai", &stale, json!({})).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(ana.delete_if("/api/v1/posts/p/labels/ai", &stale).await.refusal(), @"412 precondition_failed");

    // Nothing changes, so the version stays.
    let before = version().await;
    ana.post(LABELS, one.clone()).await;
    ana.post(
        LABELS,
        json!({ "labels": [{ "slug": "b", "reason": " x " }, { "slug": "ai", "reason": null }] }),
    )
    .await;
    ana.put(LABELS, json!({ "labels": [{ "slug": "b" }, { "slug": "ai" }] })).await;
    ana.put("/api/v1/posts/p/labels/ai", json!({ "reason": "" })).await;
    ana.post("/api/v1/labels/ai/posts", json!({ "posts": [{ "slug": "p" }] })).await;
    ana.put("/api/v1/labels/ai/posts", json!({ "posts": [{ "slug": "p", "reason": null }] })).await;
    ana.delete("/api/v1/posts/p/labels/no").await;
    ana.post("/api/v1/labels", json!({ "name": "C" })).await;
    ana.delete("/api/v1/labels/c/posts").await;
    assert_eq!(version().await, before);
    // Comments do not change the version either, although they change the representation.
    let shown = tag().await;
    bob.post("/api/v1/posts/p/comments", json!({ "content": "Hello" })).await;
    assert_eq!(version().await, before);
    assert_ne!(tag().await, shown);
    assert_snapshot!(ana.put_if(LABELS, &shown, one).await.status, @"200 OK");

    // Every change of the labels raises the version by at least one.
    let changes: [(Method, &str, Value); 7] = [
        (Method::PUT, "/api/v1/posts/p/labels/ai", json!({ "reason": "new" })),
        (Method::PUT, LABELS, json!({ "labels": [{ "slug": "b" }] })),
        (Method::DELETE, "/api/v1/posts/p/labels/b", Value::Null),
        (Method::POST, "/api/v1/labels/ai/posts", json!({ "posts": [{ "slug": "p" }] })),
        (Method::DELETE, "/api/v1/labels/ai/posts", Value::Null),
        (Method::PUT, "/api/v1/labels/ai/posts", json!({ "posts": [{ "slug": "p" }] })),
        (Method::DELETE, LABELS, Value::Null),
    ];
    for (method, path, body) in changes {
        let before = version().await;
        let request = ana.request(method.clone(), path);
        let request = if body.is_null() { request } else { request.json(&body) };
        assert!(send(request).await.status.starts_with('2'), "{method} {path}");
        assert_ne!(version().await, before, "{method} {path}");
    }
}

#[actix_web::test]
async fn a_post_has_a_hundred_labels_at_the_most() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    hello(&ana).await;
    let labels = |names: std::ops::Range<u32>| json!({ "labels": names.map(|n| json!({ "name": format!("Label {n}") })).collect::<Vec<_>>() });
    assert_snapshot!(ana.post(LABELS, labels(0..100)).await.status, @"200 OK");
    assert_snapshot!(ana.post(LABELS, labels(100..101)).await.refusal(), @"422 validation_failed /labels too_many");
    // Existing labels do not count twice.
    assert_snapshot!(ana.post(LABELS, labels(50..100)).await.status, @"200 OK");
    assert_snapshot!(ana.put(LABELS, labels(50..150)).await.status, @"200 OK");
    assert_eq!((app.count("post_labels"), app.count("labels")), (100, 150));
    assert_snapshot!(ana.put("/api/v1/posts/p/labels/label-0", json!({})).await.refusal(), @"422 validation_failed  too_many");
    ana.post("/api/v1/posts", json!({ "title": "q" })).await;
    let two = json!({ "posts": [{ "slug": "q" }, { "slug": "p" }] });
    for method in [Method::POST, Method::PUT] {
        let answer = send(ana.request(method, "/api/v1/labels/label-0/posts").json(&two)).await;
        assert_eq!(answer.refusal(), "422 validation_failed /posts/1 too_many");
    }
    assert_eq!(app.count("post_labels"), 100);
    ana.delete("/api/v1/posts/p/labels/label-50").await;
    assert_snapshot!(ana.post("/api/v1/labels/label-0/posts", two).await.status, @"200 OK");
}

#[actix_web::test]
async fn under_a_former_slug_every_way_leads_on() {
    let app = TestApp::new().await;
    let (ana, guest) = (app.member("ana"), app.guest());
    hello(&ana).await;
    ana.post("/api/v1/labels", json!({ "name": "ai" })).await;
    for slug in ["second", "third"] {
        let from = if slug == "second" { "p" } else { "second" };
        ana.patch(&format!("/api/v1/posts/{from}"), json!({ "slug": slug })).await;
    }
    let ways = [
        (Method::GET, "labels"),
        (Method::POST, "labels"),
        (Method::PUT, "labels"),
        (Method::DELETE, "labels"),
        (Method::PUT, "labels/ai"),
        (Method::DELETE, "labels/ai"),
        (Method::GET, "comments"),
        (Method::HEAD, "comments"),
        (Method::POST, "comments"),
        (Method::DELETE, "comments"),
        (Method::DELETE, "cover"),
    ];
    for former in ["p", "second"] {
        for (method, below) in &ways {
            let path = format!("/api/v1/posts/{former}/{below}");
            let request = |client: &Client| {
                let request = client.request(method.clone(), &path);
                if *method == Method::POST || *method == Method::PUT {
                    request.json(&json!({}))
                } else {
                    request
                }
            };
            let moved = send(request(&ana)).await;
            assert_eq!(moved.status, "308 Permanent Redirect", "{method} {path}");
            assert_eq!(moved.header("location"), format!("{}/api/v1/posts/third/{below}", app.base));
            let is_read = *method == Method::GET || *method == Method::HEAD;
            let expected = if is_read { "308 Permanent Redirect" } else { "401 Unauthorized" };
            assert_eq!(send(request(&guest)).await.status, expected, "{method} {path}");
        }
    }
    // The redirect exists only for users who may see the post.
    ana.patch("/api/v1/posts/third", json!({ "published": false })).await;
    let eve = app.member("eve");
    for (path, body) in [("labels/ai", json!({})), ("labels", json!({ "labels": [] }))] {
        assert_eq!(eve.put(&format!("/api/v1/posts/p/{path}"), body).await.refusal(), "404 not_found");
    }
    assert_snapshot!(eve.post("/api/v1/posts/p/comments", json!({ "content": "x" })).await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/api/v1/posts/p/comments").await.refusal(), @"404 not_found");
    // References in other resources must use the current slug.
    assert_snapshot!(ana.post("/api/v1/comments", json!({ "content": "x", "post": "p" })).await.refusal(),
        @"422 validation_failed /post unknown_post");
}
