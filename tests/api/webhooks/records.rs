//! Webhooks as resources: fields, versions, lists, permissions.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use super::WEBHOOKS;
use crate::app::TestApp;
use crate::client::send;

const URL: &str = "https://example.com/hooks";

fn body() -> Value {
    json!({ "url": URL, "types": ["post.created"] })
}

#[actix_web::test]
async fn a_webhook_has_all_its_members() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let body = json!({
        "url": " HTTPS://Example.com:443/a b ", "types": ["post.created", "*", "post.created"], "description": " For us "
    });
    let made = root.post(WEBHOOKS, body).await;
    assert_snapshot!(made.status, @"201 Created");
    let webhook = made.json();
    let members: Vec<&String> = webhook.as_object().expect("an object").keys().collect();
    assert_eq!(
        members,
        [
            "created_at",
            "description",
            "failing_since",
            "id",
            "is_active",
            "secret",
            "types",
            "updated_at",
            "url"
        ]
    );
    assert_snapshot!(format!("{} {} {}", webhook["url"], webhook["types"], webhook["description"]), @r#""https://example.com/a%20b" ["post.created","*"] "For us""#);
    assert_eq!((&webhook["is_active"], &webhook["failing_since"]), (&json!(true), &Value::Null));
    let secret = webhook["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret.len() == "whsec_".len() + 44, "{secret}");
    let path = format!("{WEBHOOKS}/{}", webhook["id"]);
    assert_eq!(made.header("location"), format!("{}{path}", app.base));

    // Later responses show the same, except for the secret.
    let read = root.get(&path).await;
    let mut shown = webhook.clone();
    shown["secret"] = Value::Null;
    assert_eq!(read.json(), shown);
    assert_eq!(root.get(WEBHOOKS).await.at("/results/0"), shown);
    assert_snapshot!(root.head(&path).await.status, @"200 OK");
    assert_snapshot!(root.get_with(&path, "if-none-match", read.header("etag")).await.status, @"304 Not Modified");
    assert_eq!(app.count(&format!("webhooks AS t WHERE t::text LIKE '%{}%'", &secret[6..])), 0);
}

#[actix_web::test]
async fn a_webhook_is_changed_and_deleted_by_who_knows_its_version() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let made = root.post(WEBHOOKS, body()).await;
    let path = format!("{WEBHOOKS}/{}", made.at("/id"));
    let stale = made.header("etag").to_owned();
    let change = json!({ "url": "https://example.com/other", "types": ["*"], "description": "x" });
    let changed = root.patch_if(&path, &stale, change).await;
    assert_snapshot!(format!("{} {}", changed.status, changed.at("/types")), @r#"200 OK ["*"]"#);
    assert_eq!(changed.text("/url"), "https://example.com/other");
    assert_eq!(changed.at("/secret"), Value::Null);
    assert_ne!(changed.header("etag"), stale);
    assert_snapshot!(root.patch_if(&path, &stale, json!({})).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(root.delete_if(&path, &stale).await.refusal(), @"412 precondition_failed");
    let rotate = root.request(Method::POST, &format!("{path}/rotate-secret"));
    assert_snapshot!(send(rotate.header("if-match", &stale)).await.refusal(), @"412 precondition_failed");
    // An empty patch changes nothing.
    let same = root.patch_if(&path, changed.header("etag"), json!({})).await;
    assert_eq!(same.header("etag"), changed.header("etag"));
    let cleared = root.patch(&path, json!({ "description": "" })).await;
    assert_eq!(cleared.at("/description"), Value::Null);
    // A failing delivery does not change the version.
    app.sql("UPDATE webhooks SET failing_since = now()");
    let deleted = root.delete_if(&path, cleared.header("etag")).await;
    assert_snapshot!(format!("{} {}", deleted.status, deleted.json()), @r#"200 OK {"by_type":{"webhooks":1},"deleted":1}"#);
    assert_snapshot!(root.get(&path).await.refusal(), @"404 not_found");
    assert_snapshot!(root.delete(&path).await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn webhooks_are_listed_by_cursor_with_lookups() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    for n in 1..=3 {
        root.post(WEBHOOKS, json!({ "url": format!("https://example.com/{n}"), "types": ["*"] })).await;
    }
    let page = root.get(&format!("{WEBHOOKS}?limit=2")).await;
    assert_snapshot!(page.each("/results", "url"), @"https://example.com/3, https://example.com/2");
    let next = root.get(&page.text("/next")).await;
    assert_snapshot!(next.each("/results", "url"), @"https://example.com/1");
    let found = root.get(&format!("{WEBHOOKS}?url__endswith=/2")).await;
    assert_snapshot!(found.each("/results", "url"), @"https://example.com/2");
    app.sql("UPDATE webhooks SET failing_since = now() WHERE url LIKE '%/1'");
    let failing = root.get(&format!("{WEBHOOKS}?failing_since__isnull=false")).await;
    assert_snapshot!(failing.each("/results", "url"), @"https://example.com/1");
    assert_snapshot!(root.get(&format!("{WEBHOOKS}?secret=x")).await.refusal(), @"400 invalid_query secret unknown_parameter");
}

/// Every operation, as a request that staff would get a different error for.
const OPERATIONS: [(&str, &str); 8] = [
    ("POST", WEBHOOKS),
    ("GET", WEBHOOKS),
    ("GET", "/api/v1/webhooks/900001"),
    ("PATCH", "/api/v1/webhooks/900001"),
    ("DELETE", "/api/v1/webhooks/900001"),
    ("POST", "/api/v1/webhooks/900001/rotate-secret"),
    ("GET", "/api/v1/webhooks/900001/deliveries"),
    ("POST", "/api/v1/webhooks/900001/deliveries/900001/replay"),
];

#[actix_web::test]
async fn only_staff_may_do_anything_and_others_learn_nothing() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    let state = || app.lines("SELECT t::text FROM webhooks t UNION ALL SELECT t::text FROM deliveries t");
    app.sql(
        "INSERT INTO webhooks (id, url, types) VALUES (900001, 'https://example.com/', '{webhook.disabled}');
         INSERT INTO events (id, type, created_at, changed) VALUES (900001, 'media.deleted', now(), '{}');
         INSERT INTO deliveries (id, webhook_id, event_id, status) VALUES (900001, 900001, 900001, 'failed')",
    );
    let before = state();
    for (method, path) in OPERATIONS {
        let method: Method = method.parse().expect("a method");
        // The response is the same for an existing webhook and a missing one.
        for path in [path.to_owned(), path.replace("900001", "900002")] {
            let request = |client: &crate::client::Client| {
                client
                    .request(method.clone(), &path)
                    .header("if-match", "\"0-x\"")
                    .json(&json!({ "types": [] }))
            };
            assert_eq!(
                send(request(&app.guest())).await.refusal(),
                "401 authentication_required",
                "{method} {path}"
            );
            assert_eq!(send(request(&ana)).await.refusal(), "403 forbidden", "{method} {path}");
        }
    }
    assert_eq!(state(), before);
    for (method, path) in OPERATIONS.into_iter().filter(|(_, path)| path.contains("900001")) {
        let path = path.replace("900001", "900002");
        let request = root.request(method.parse().expect("a method"), &path).json(&json!({}));
        assert_eq!(send(request).await.refusal(), "404 not_found", "{method} {path}");
    }
    assert_snapshot!(root.get(&OPERATIONS[6].1.replace("webhooks/900001", "webhooks/x")).await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn a_repeat_makes_no_second_one_and_shows_no_secret() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let first = root.post_once(WEBHOOKS, "k", body()).await;
    assert!(first.text("/secret").starts_with("whsec_"));
    let again = root.post_once(WEBHOOKS, "k", body()).await;
    assert_eq!((again.status.as_str(), again.header("idempotency-replayed")), ("201 Created", "true"));
    assert_eq!((again.at("/id"), again.at("/secret")), (first.at("/id"), Value::Null));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(app.count("webhooks"), 1);
    let other = root.post_once(WEBHOOKS, "k", json!({ "url": URL, "types": ["*"] })).await;
    assert_snapshot!(other.refusal(), @"422 idempotency_key_reused Idempotency-Key idempotency_key_reused");
    // The stored response does not contain the secret.
    let kept = app.lines("SELECT encode(body, 'escape') FROM idempotency_keys");
    assert!(kept.contains("example.com") && !kept.contains("whsec_"), "{kept}");
}
