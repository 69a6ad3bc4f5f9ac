//! The OpenAPI document and the pages that are generated from the program.

use insta::assert_snapshot;
use plaza::api::{document, reference};
use plaza::error::{REGISTRY, RULES};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::send;

/// Operations that need no token. Every operation that is not listed here must need one.
const OPEN: &[&str] = &[
    "createUser",
    "listUsers",
    "getUser",
    "login",
    "refreshToken",
    "logout",
    "logoutAll",
    "requestEmailVerification",
    "confirmEmail",
    "requestPasswordReset",
    "resetPassword",
    "listProfiles",
    "getProfile",
    "getAvatar",
    "listPosts",
    "getPost",
    "listPostLabels",
    "listPostComments",
    "listLabels",
    "getLabel",
    "listLabelPosts",
    "listComments",
    "getComment",
    "listChoices",
    "getMedia",
    "getDefaultAvatar",
    "getJwks",
    "getLiveness",
    "getReadiness",
];

fn operations() -> Vec<(String, Method, Value)> {
    let document: Value = serde_json::from_str(&document::json_3_1()).expect("JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            operations.push((path.clone(), method, operation.clone()));
        }
    }
    operations
}

#[test]
fn the_committed_documents_are_what_the_program_says() {
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default();
    assert!(read("openapi/openapi.json") == document::json_3_1(), "run `make generate`");
    assert!(read("openapi/openapi-3.0.json") == document::json_3_0(), "run `make generate`");
    assert!(read("docs/errors.md") == reference::errors_markdown(), "run `make generate`");
    assert!(read("docs/fields.md") == reference::fields_markdown(), "run `make generate`");
    assert!(read("docs/settings.md") == reference::settings_markdown(), "run `make generate`");
}

#[actix_web::test]
async fn every_operation_is_closed_unless_it_is_listed_as_open() {
    let app = TestApp::new().await;
    app.member("ana");
    for (path, method, operation) in operations() {
        let id =
            operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        let url = path
            .replace("{username}", "ana")
            .replace("{slug}", "x")
            .replace("{id}", "1")
            .replace("{key}", "x")
            .replace("{file}", "x");
        let answer = send(app.guest().request(method.clone(), &url)).await;
        let requires =
            operation["security"].as_array().is_some_and(|all| all.iter().all(|one| *one != json!({})));
        if OPEN.contains(&id) {
            assert!(!requires, "{id} is open, and its security says otherwise");
            // A login without a body is rejected because of the body, not because of a missing token.
            let wants_token = !id.starts_with("logout") && answer.status.starts_with("401");
            assert!(!wants_token, "{id} is open, and answered {answer:?}");
        } else {
            assert!(requires, "{id} must say that it wants a token");
            assert_eq!(answer.refusal(), "401 authentication_required", "{id}");
        }
        let bad = send(app.guest().with_token("x").request(method.clone(), &url)).await;
        if path.starts_with("/api/") {
            assert_eq!(bad.refusal(), "401 access_token_invalid", "{id}");
        }
        assert_ne!(answer.status, "405 Method Not Allowed", "{id} is documented and not served");
    }
}

#[test]
fn every_operation_is_well_described() {
    let mut ids = Vec::new();
    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        assert!(
            id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(char::is_alphanumeric),
            "{id}"
        );
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{id} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{id} has one tag");
        let responses = operation["responses"].as_object().expect("responses");
        for status in ["4XX", "5XX"] {
            assert!(responses.contains_key(status), "{id} has no {status}");
        }
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{id} {status}");
            let content = response["content"].as_object().map_or(0, serde_json::Map::len);
            assert!(content <= 1, "{id} {status} has {content} content types");
        }
        assert!(method != Method::POST || !path.ends_with('/'), "{path}");
        ids.push(id);
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operationIds are unique");
}

#[test]
fn every_post_outside_auth_can_be_sent_again() {
    for (path, method, operation) in operations() {
        let names = operation["parameters"].as_array().into_iter().flatten();
        let takes_key = names.clone().any(|parameter| parameter["name"] == "Idempotency-Key");
        let wants_key = method == Method::POST && !path.starts_with("/api/v1/auth/");
        assert_eq!(takes_key, wants_key, "{method} {path}");
    }
}

#[actix_web::test]
async fn the_document_and_its_pages_are_served() {
    let app = TestApp::new().await;
    assert_eq!(app.guest().get("/openapi.json").await.at("/openapi"), "3.1.0");
    assert_eq!(app.guest().get("/openapi-3.0.json").await.at("/openapi"), "3.0.3");
    assert_eq!(app.guest().get("/docs").await.header("location"), "/docs/");
    let page = app.guest().get("/docs/").await;
    assert_snapshot!(page.status, @"200 OK");
    assert!(String::from_utf8_lossy(&page.bytes).contains("swagger-ui"), "{page:?}");
    let script = app.guest().get("/docs/swagger-ui-bundle.js").await;
    assert!(script.bytes.len() > 100_000, "the script comes with the program");
    // The page that the `type` of a problem points to.
    let refusal = app.guest().get("/api/v1/nothing").await;
    let (path, anchor) =
        refusal.text("/type").split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("an anchor");
    let page = app.guest().get(&path).await;
    assert!(String::from_utf8_lossy(&page.bytes).contains(&format!("id={anchor}>")), "{anchor}");
}

#[test]
fn every_code_is_used_and_every_rule_is_registered() {
    let outside: String = sources()
        .into_iter()
        .filter(|(name, _)| !name.ends_with("registry.rs"))
        .map(|(_, text)| text)
        .collect();
    for entry in &REGISTRY {
        let used = format!("Code::{:?}", entry.code);
        assert!(outside.contains(&used), "{used} is registered and never used");
    }
    let known: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
    for rule in &known {
        assert!(outside.contains(&format!("\"{rule}\"")), "{rule} is registered and never used");
    }
    // Matches `Violation::body(place, rule, …)`, `Violation::parameter(…)` and `Fault::new(…)`, on one line or on
    // several.
    let flat: String = outside.split_whitespace().collect::<Vec<_>>().join(" ");
    let violations =
        flat.split("Violation::").filter(|call| call.starts_with("body(") || call.starts_with("parameter("));
    let faults = flat.split("Fault::").filter(|call| call.starts_with("new("));
    for call in violations.chain(faults) {
        let rule = call.split(", ").nth(1).unwrap_or_default().trim_matches(|c| c == '"' || c == ',');
        let is_literal = call.split(", ").nth(1).is_some_and(|argument| argument.starts_with('"'));
        assert!(!is_literal || known.contains(&rule), "the rule {rule} is used and not registered");
    }
}

fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                sources.push((entry.display().to_string(), std::fs::read_to_string(&entry).expect("text")));
            }
        }
    }
    sources
}
