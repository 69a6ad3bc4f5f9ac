//! Invalid webhooks.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{PRIVATE, WEBHOOKS};
use crate::app::TestApp;

#[actix_web::test]
async fn urls_that_are_none_or_lead_inside_are_refused() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let made = root.post(WEBHOOKS, json!({ "url": "https://example.com/", "types": ["*"] })).await;
    let path = format!("{WEBHOOKS}/{}", made.at("/id"));
    let refused = async |url: String| {
        let made = root.post(WEBHOOKS, json!({ "url": &url, "types": ["*"] })).await.refusal();
        assert_eq!(root.patch(&path, json!({ "url": &url })).await.refusal(), made, "{url}");
        made
    };
    for url in
        ["", "x", "ftp://example.com/", "https://a:b@example.com/", "https://example.com/#x", "https:///"]
    {
        let refusal = if url == "https:///" { "https://[/" } else { url };
        assert_eq!(refused(refusal.into()).await, "422 validation_failed /url invalid_url", "{url}");
    }
    assert_snapshot!(refused(format!("https://example.com/{}", "x".repeat(2048))).await, @"422 validation_failed /url invalid_url");
    for host in
        ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "[::1]", "[::ffff:10.0.0.1]", "0x7f.1"]
    {
        let code = refused(format!("http://{host}/")).await;
        assert_eq!(code, "422 validation_failed /url private_address", "{host}");
    }
    // A name may resolve to another address later, so the server checks it on delivery.
    let named = root.post(WEBHOOKS, json!({ "url": "http://localhost/", "types": ["*"] })).await;
    assert_snapshot!(named.status, @"201 Created");
    assert_eq!(app.count("webhooks"), 2);
}

#[actix_web::test]
async fn a_setting_lets_addresses_inside_be_called() {
    let app = TestApp::with(&PRIVATE).await;
    let root = app.staff("root");
    let made = root.post(WEBHOOKS, json!({ "url": "http://127.0.0.1:9/", "types": ["*"] })).await;
    assert_snapshot!(made.status, @"201 Created");
    let other = root.post(WEBHOOKS, json!({ "url": "http://a:b@127.0.0.1:9/", "types": ["*"] })).await;
    assert_snapshot!(other.refusal(), @"422 validation_failed /url invalid_url");
}

#[actix_web::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    let refused = async |body: Value| root.post(WEBHOOKS, body).await.refusal();
    assert_snapshot!(refused(json!({})).await, @"422 validation_failed /url required, /types required");
    assert_snapshot!(refused(json!({ "url": null, "types": null })).await, @"422 validation_failed /url required, /types required");
    let all = json!({ "url": "x", "types": ["post.created", "post.gone", "Post.created", ""], "description": "x".repeat(257) });
    assert_snapshot!(refused(all).await, @"422 validation_failed /url invalid_url, /description too_long, /types/1 not_a_choice, /types/2 not_a_choice, /types/3 not_a_choice");
    let url = "https://example.com/";
    assert_snapshot!(refused(json!({ "url": url, "types": [] })).await, @"422 validation_failed /types out_of_range");
    assert_snapshot!(refused(json!({ "url": url, "types": vec!["*"; 51] })).await, @"422 validation_failed /types out_of_range");
    assert_snapshot!(refused(json!({ "url": url, "types": "*" })).await, @"422 validation_failed /types invalid_type");
    assert_snapshot!(refused(json!({ "url": url, "types": [1] })).await, @"422 validation_failed /types/0 invalid_type");
    assert_snapshot!(refused(json!({ "url": url, "types": ["*"], "secret": "x" })).await, @"422 validation_failed /secret unknown_member");
    assert_eq!(app.count("webhooks"), 0);
    let made = root
        .post(WEBHOOKS, json!({ "url": url, "types": vec!["*"; 50], "description": "x".repeat(256) }))
        .await;
    assert_snapshot!(format!("{} {}", made.status, made.at("/types")), @r#"201 Created ["*"]"#);
    let path = format!("{WEBHOOKS}/{}", made.at("/id"));
    let refused = async |body: Value| root.patch(&path, body).await.refusal();
    assert_snapshot!(refused(json!({ "url": null, "types": null, "is_active": null })).await, @"422 validation_failed /url required, /types required, /is_active required");
    assert_snapshot!(refused(json!({ "url": "x", "types": ["x"] })).await, @"422 validation_failed /url invalid_url, /types/0 not_a_choice");
    assert_snapshot!(refused(json!({ "is_active": "yes" })).await, @"422 validation_failed /is_active invalid_type");
    let choices = root.patch(&path, json!({ "types": ["x"] })).await.at("/errors/0/params/choices");
    let choices: Vec<&str> = choices.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!((choices.len(), choices.last()), (19, Some(&"*")), "{choices:?}");
}
