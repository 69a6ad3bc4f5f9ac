//! Valid, invalid and hostile inputs for every operation that writes labels and comments.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Client, bare, send};

/// Create ana's published post `p` and draft `q`, bob's draft `secret`, and the label `ai`.
async fn world(app: &TestApp) -> (Client, Client) {
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/posts", json!({ "title": "p", "published": true, "labels": [{ "name": "AI" }] })).await;
    ana.post("/api/v1/posts", json!({ "title": "q" })).await;
    bob.post("/api/v1/posts", json!({ "title": "Secret" })).await;
    (ana, bob)
}

/// Assert that each of these requests is rejected and changes nothing.
async fn refuses(app: &TestApp, client: &Client, method: Method, path: &str, cases: &[(Value, &str)]) {
    let before = app.lines(super::STATE);
    for (body, expected) in cases {
        let answer = send(client.request(method.clone(), path).json(body)).await;
        let shown = body.to_string().chars().take(200).collect::<String>();
        assert!(!answer.status.starts_with('2'), "{method} {path} {shown}: {}", answer.status);
        assert_eq!(answer.refusal(), *expected, "{method} {path} {shown}");
        assert_eq!(app.lines(super::STATE), before, "{method} {path} {shown}");
    }
}

fn labels(items: usize) -> Value {
    json!({ "labels": (0..items).map(|n| json!({ "name": format!("Label {n}") })).collect::<Vec<_>>() })
}

fn posts(items: usize) -> Value {
    json!({ "posts": (0..items).map(|n| json!({ "slug": format!("post-{n}") })).collect::<Vec<_>>() })
}

#[actix_web::test]
async fn labels_of_posts_are_checked_before_anything_is_written() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    let one = |label: Value| json!({ "labels": [label] });
    let long = "x".repeat(129);
    let cases = [
        (json!({}), "422 validation_failed /labels required"),
        (json!({ "labels": null }), "422 validation_failed /labels required"),
        (json!({ "labels": "ai" }), "422 validation_failed /labels invalid_type"),
        (json!({ "labels": { "slug": "ai" } }), "422 validation_failed /labels invalid_type"),
        (json!({ "labels": [], "reason": "x" }), "422 validation_failed /reason unknown_member"),
        (json!([]), "422 validation_failed  invalid_type"),
        (one(json!("ai")), "422 validation_failed /labels/0 invalid_type"),
        (one(json!(null)), "422 validation_failed /labels/0 invalid_type"),
        (one(json!(["ai"])), "422 validation_failed /labels/0 invalid_type"),
        (one(json!({})), "422 validation_failed /labels/0 required"),
        (one(json!({ "slug": null, "name": "" })), "422 validation_failed /labels/0 required"),
        (one(json!({ "slug": " ", "name": "\t" })), "422 validation_failed /labels/0 required"),
        (one(json!({ "slug": 7 })), "422 validation_failed /labels/0/slug invalid_type"),
        (one(json!({ "slug": ["ai"] })), "422 validation_failed /labels/0/slug invalid_type"),
        (one(json!({ "name": true })), "422 validation_failed /labels/0/name invalid_type"),
        (one(json!({ "slug": "ai", "reason": 1 })), "422 validation_failed /labels/0/reason invalid_type"),
        (one(json!({ "slug": "ai", "why": "x" })), "422 validation_failed /labels/0/why unknown_member"),
        (
            one(json!({ "slug": "ai", "labeled_at": null })),
            "422 validation_failed /labels/0/labeled_at unknown_member",
        ),
        (one(json!({ "slug": "a b" })), "422 validation_failed /labels/0/slug invalid_slug"),
        (one(json!({ "slug": "ä", "name": "ok" })), "422 validation_failed /labels/0/slug invalid_slug"),
        (one(json!({ "slug": "no" })), "422 validation_failed /labels/0/slug unknown_label"),
        (one(json!({ "slug": "AI" })), "422 validation_failed /labels/0/slug unknown_label"),
        (one(json!({ "slug": long })), "422 validation_failed /labels/0/slug too_long"),
        (one(json!({ "name": long })), "422 validation_failed /labels/0/name too_long"),
        (one(json!({ "name": "a\u{0}" })), "422 validation_failed /labels/0/name null_character"),
        (
            one(json!({ "slug": "ai\u{0}" })),
            "422 validation_failed /labels/0/slug null_character, /labels/0/slug invalid_slug",
        ),
        (
            one(json!({ "slug": "ai", "reason": "\u{0}" })),
            "422 validation_failed /labels/0/reason null_character",
        ),
        (
            one(json!({ "slug": "ai", "reason": "x".repeat(257) })),
            "422 validation_failed /labels/0/reason too_long",
        ),
        // All errors are reported together.
        (
            json!({ "labels": [{ "slug": "no" }, {}, { "slug": "ai" }, { "name": "ai" }, { "name": "x", "reason": "\u{0}" }] }),
            "422 validation_failed /labels/1 required, /labels/4/reason null_character, /labels/0/slug unknown_label, /labels/3 duplicate",
        ),
        (
            json!({ "labels": [{ "slug": "ai" }, { "slug": "ai" }] }),
            "422 validation_failed /labels/1 duplicate",
        ),
        (
            json!({ "labels": [{ "slug": "ai" }, { "name": " aI " }] }),
            "422 validation_failed /labels/1 duplicate",
        ),
        (
            json!({ "labels": [{ "name": "New" }, { "name": "new" }] }),
            "422 validation_failed /labels/1 duplicate",
        ),
        (
            json!({ "labels": [{ "name": "New" }, { "slug": "new", "name": "Other" }] }),
            "422 validation_failed /labels/1 duplicate",
        ),
        (labels(101), "422 validation_failed /labels too_many"),
    ];
    for method in [Method::POST, Method::PUT] {
        refuses(&app, &ana, method, "/api/v1/posts/p/labels", &cases).await;
    }
    let as_created: Vec<(Value, &str)> = cases
        .iter()
        .filter(|(body, _)| body["labels"].is_array() && body.get("reason").is_none())
        .map(|(body, expected)| (json!({ "title": "New", "labels": body["labels"] }), *expected))
        .collect();
    refuses(&app, &ana, Method::POST, "/api/v1/posts", &as_created).await;
    let changed = [(json!({ "labels": [] }), "422 validation_failed /labels unknown_member")];
    refuses(&app, &ana, Method::PATCH, "/api/v1/posts/p", &changed).await;
}

#[actix_web::test]
async fn one_label_of_a_post_takes_a_reason_and_nothing_else() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    let cases = [
        (json!({ "reason": 7 }), "422 validation_failed /reason invalid_type"),
        (json!({ "reason": "a\u{0}b" }), "422 validation_failed /reason null_character"),
        (json!({ "reason": "x".repeat(257) }), "422 validation_failed /reason too_long"),
        (json!({ "slug": "ai" }), "422 validation_failed /slug unknown_member"),
        (json!("x"), "422 validation_failed  invalid_type"),
    ];
    refuses(&app, &ana, Method::PUT, "/api/v1/posts/p/labels/ai", &cases).await;
    let right = json!({ "reason": "ä".repeat(256) });
    assert_snapshot!(ana.put("/api/v1/posts/p/labels/ai", right).await.status, @"200 OK");
    let none = send(ana.request(Method::PUT, "/api/v1/posts/p/labels/ai")).await;
    assert_snapshot!(none.refusal(), @"415 unsupported_media_type");
}

#[actix_web::test]
async fn labels_are_checked_before_they_are_made_or_changed() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    let root = app.staff("root");
    root.post("/api/v1/labels", json!({ "name": "Technology", "slug": "tech" })).await;
    let cases = [
        (json!({ "name": null }), "422 validation_failed /name required"),
        (json!({ "name": " \n" }), "422 validation_failed /name too_short"),
        (json!({ "name": 7 }), "422 validation_failed /name invalid_type"),
        (json!({ "name": "x".repeat(129) }), "422 validation_failed /name too_long"),
        (json!({ "name": "a\u{0}" }), "422 validation_failed /name null_character"),
        (json!({ "name": "x", "slug": "a/b" }), "422 validation_failed /slug invalid_slug"),
        (json!({ "name": "x", "slug": "x".repeat(129) }), "422 validation_failed /slug too_long"),
        (
            json!({ "name": "x", "slug": "a\u{0}" }),
            "422 validation_failed /slug null_character, /slug invalid_slug",
        ),
        (json!({ "name": "x", "slug": 1.5 }), "422 validation_failed /slug invalid_type"),
        (json!({ "name": "", "slug": "ü" }), "422 validation_failed /name too_short, /slug invalid_slug"),
        (json!({ "name": "x", "post_count": 7 }), "422 validation_failed /post_count unknown_member"),
        (json!({ "name": "x", "slug": "tech" }), "409 slug_taken"),
    ];
    refuses(&app, &ana, Method::POST, "/api/v1/labels", &cases).await;
    refuses(&app, &root, Method::PATCH, "/api/v1/labels/ai", &cases).await;
    let cases = [(json!({}), "422 validation_failed /name required")];
    refuses(&app, &ana, Method::POST, "/api/v1/labels", &cases).await;
    let cases = [(json!({ "name": "x" }), "404 not_found")];
    refuses(&app, &root, Method::PATCH, "/api/v1/labels/AI", &cases).await;
    let right = json!({ "name": format!(" {} ", "日".repeat(128)), "slug": "x".repeat(128) });
    assert_snapshot!(ana.post("/api/v1/labels", right).await.status, @"201 Created");
}

#[actix_web::test]
async fn posts_of_labels_are_checked_before_anything_is_written() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    let one = |post: Value| json!({ "posts": [post] });
    let cases = [
        (json!({}), "422 validation_failed /posts required"),
        (json!({ "posts": ["p"] }), "422 validation_failed /posts/0 invalid_type"),
        (one(json!({})), "422 validation_failed /posts/0/slug required"),
        (one(json!({ "slug": null })), "422 validation_failed /posts/0/slug required"),
        (one(json!({ "slug": 7 })), "422 validation_failed /posts/0/slug invalid_type"),
        (one(json!({ "slug": " " })), "422 validation_failed /posts/0/slug too_short"),
        (one(json!({ "slug": "p\u{0}" })), "422 validation_failed /posts/0/slug null_character"),
        (one(json!({ "slug": "x".repeat(257) })), "422 validation_failed /posts/0/slug too_long"),
        (one(json!({ "slug": "p", "title": "P" })), "422 validation_failed /posts/0/title unknown_member"),
        (
            one(json!({ "slug": "p", "reason": "x".repeat(257) })),
            "422 validation_failed /posts/0/reason too_long",
        ),
        (
            one(json!({ "slug": "p", "reason": "\u{0}" })),
            "422 validation_failed /posts/0/reason null_character",
        ),
        (one(json!({ "slug": "no" })), "422 validation_failed /posts/0/slug unknown_post"),
        // Another user's draft looks like a post that does not exist.
        (one(json!({ "slug": "secret" })), "422 validation_failed /posts/0/slug unknown_post"),
        (one(json!({ "slug": "ü" })), "422 validation_failed /posts/0/slug unknown_post"),
        (
            json!({ "posts": [{ "slug": "p" }, { "slug": "no" }, { "slug": "p" }] }),
            "422 validation_failed /posts/2 duplicate, /posts/1/slug unknown_post",
        ),
        (posts(1001), "422 validation_failed /posts too_many"),
    ];
    for method in [Method::POST, Method::PUT] {
        refuses(&app, &ana, method.clone(), "/api/v1/labels/ai/posts", &cases).await;
        let cases = [(one(json!({ "slug": "p" })), "404 not_found"), (json!({}), "404 not_found")];
        refuses(&app, &ana, method.clone(), "/api/v1/labels/no/posts", &cases).await;
    }
    assert_snapshot!(ana.post("/api/v1/labels/ai/posts", posts(1000)).await.status, @"422 Unprocessable Entity");
}

#[actix_web::test]
async fn comments_are_checked_before_anything_is_written() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    ana.post("/api/v1/posts/p/comments", json!({ "content": "Hello" })).await;
    let with = |member: &str, value: Value| {
        let mut body = json!({ "content": "x" });
        body[member] = value;
        body
    };
    let shared = [
        (with("content", json!(null)), "422 validation_failed /content required"),
        (with("content", json!(" ")), "422 validation_failed /content too_short"),
        (with("content", json!(["x"])), "422 validation_failed /content invalid_type"),
        (with("content", json!("x".repeat(10_001))), "422 validation_failed /content too_long"),
        (with("content", json!("a\u{0}")), "422 validation_failed /content null_character"),
        (with("alias", json!("x".repeat(129))), "422 validation_failed /alias too_long"),
        (with("alias", json!("\u{0}")), "422 validation_failed /alias null_character"),
        (with("alias", json!(7)), "422 validation_failed /alias invalid_type"),
        (with("user", json!("bob")), "422 validation_failed /user unknown_member"),
        (with("created_at", json!(null)), "422 validation_failed /created_at unknown_member"),
    ];
    let about = [
        (with("post", json!(1)), "422 validation_failed /post invalid_type"),
        (with("post", json!({ "slug": "p" })), "422 validation_failed /post invalid_type"),
        (with("post", json!("no")), "422 validation_failed /post unknown_post"),
        // Another user's draft looks like a post that does not exist.
        (with("post", json!("secret")), "422 validation_failed /post unknown_post"),
        (with("post", json!("ü/../p")), "422 validation_failed /post unknown_post"),
        (with("post", json!("p\u{0}")), "422 validation_failed /post null_character"),
        (
            json!({ "content": "", "post": "no" }),
            "422 validation_failed /content too_short, /post unknown_post",
        ),
    ];
    let here = [(with("post", json!("p")), "422 validation_failed /post unknown_member")];
    for (method, path) in [
        (Method::POST, "/api/v1/comments"),
        (Method::PATCH, "/api/v1/comments/1"),
        (Method::POST, "/api/v1/posts/p/comments"),
    ] {
        refuses(&app, &ana, method.clone(), path, &shared).await;
        let own = if path.starts_with("/api/v1/posts") { &here[..] } else { &about };
        refuses(&app, &ana, method, path, own).await;
    }
    // The error responses for a draft and for a missing post are identical, except for the request id.
    let refused = async |slug: &str| {
        let mut body = ana.post("/api/v1/comments", with("post", json!(slug))).await.json();
        body["instance"].take();
        body
    };
    assert_eq!(refused("secret").await, refused("no").await);
    let right = json!({ "content": "ä".repeat(10_000), "alias": "ä".repeat(128), "post": " p " });
    assert_snapshot!(ana.post("/api/v1/comments", right).await.status, @"201 Created");
}

#[actix_web::test]
async fn odd_names_in_paths_are_not_found() {
    let app = TestApp::new().await;
    let (ana, root) = (world(&app).await.0, app.staff("root"));
    ana.post("/api/v1/comments", json!({ "content": "Hello" })).await;
    for id in ["0", "-1", "007", "+1", "1.0", "1e0", "99999999999999999999", "me", "%31x", "%00", "ü", "1%20"]
    {
        let path = format!("/api/v1/comments/{id}");
        assert_eq!(ana.get(&path).await.refusal(), "404 not_found", "{id}");
        assert_eq!(ana.patch(&path, json!({})).await.refusal(), "404 not_found", "{id}");
        assert_eq!(root.delete(&path).await.refusal(), "404 not_found", "{id}");
    }
    let long = "x".repeat(3000);
    for name in
        ["me", "P", "%00", "%FF", "%C3%BC", "..%2Fp", "p%2F", "p'--", "p%20", "%E2%80%8Bp", "p%0D%0Ax", &long]
    {
        for (resource, lists) in [("posts", ["labels", "comments"]), ("labels", ["posts", "posts"])] {
            let path = format!("/api/v1/{resource}/{name}");
            assert_eq!(root.get(&path).await.refusal(), "404 not_found", "{path}");
            assert_eq!(root.patch(&path, json!({})).await.refusal(), "404 not_found", "{path}");
            assert_eq!(root.delete(&path).await.refusal(), "404 not_found", "{path}");
            for list in lists {
                let path = format!("{path}/{list}");
                assert_eq!(root.get(&path).await.refusal(), "404 not_found", "{path}");
                assert_eq!(root.post(&path, json!({})).await.refusal(), "404 not_found", "{path}");
                assert_eq!(root.delete(&path).await.refusal(), "404 not_found", "{path}");
            }
        }
        let path = format!("/api/v1/posts/p/labels/{name}");
        assert_eq!(root.put(&path, json!({})).await.refusal(), "404 not_found", "{path}");
        let removed = root.delete(&path).await;
        assert!(["204", "404"].contains(&&removed.status[..3]), "{path}: {removed:?}");
    }
    assert_eq!((app.count("posts"), app.count("post_labels"), app.count("comments")), (3, 1, 1));
}

#[actix_web::test]
async fn under_a_former_slug_odd_names_break_nothing_either() {
    let app = TestApp::new().await;
    let (ana, _) = world(&app).await;
    ana.patch("/api/v1/posts/p", json!({ "slug": "now" })).await;
    for name in ["%C3%BC", "%00", "%FF", "%0D%0Ax:%20y", "a%2Fb", "a%20b", "%25", "%22%3E", "é"] {
        let path = format!("/api/v1/posts/p/labels/{name}");
        let answer = ana.delete(&path).await;
        assert_eq!(answer.status, "308 Permanent Redirect", "{path}: {answer:?}");
        let location = answer.header("location");
        assert!(
            location.starts_with(&format!("{}/api/v1/posts/now/labels/", app.base)),
            "{path}: {location}"
        );
        // The redirect points to the same name.
        let answer = ana.delete(location).await;
        assert!(["204", "404"].contains(&&answer.status[..3]), "{location}: {answer:?}");
        let raw = bare(&app.base, &format!("GET {path}?x=%C3%BC HTTP/1.1")).await;
        assert!(!raw.starts_with("HTTP/1.1 5"), "{raw}");
    }
    let kept = ana.put("/api/v1/posts/p/labels/a%2Fb%20c", json!({})).await;
    assert_eq!(kept.header("location"), format!("{}/api/v1/posts/now/labels/a%2Fb%20c", app.base));
    let kept = ana.get("/api/v1/posts/p/labels?limit=%31").await;
    assert_eq!(kept.header("location"), format!("{}/api/v1/posts/now/labels?limit=%31", app.base));
}
