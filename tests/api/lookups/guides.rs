//! The program behaves as the documentation of lookups says.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::send;

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a file of the repository")
}

/// A request as the tables write it: `` `METHOD /path` ``, then `` `{…}` `` if it has a body, and `→ 404` if that is
/// the response.
struct Example {
    method: Method,
    path: String,
    body: Option<Value>,
    status: Option<String>,
}

/// Every example in a text, in order.
fn examples(text: &str) -> Vec<Example> {
    let pieces: Vec<&str> = text.split('`').collect();
    let code = |at: usize| pieces.get(at).copied().unwrap_or_default();
    let mut examples = Vec::new();
    for at in (1..pieces.len()).step_by(2) {
        let Some((method, path)) = code(at).split_once(' ') else { continue };
        let is_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&method);
        if !is_method || !path.starts_with('/') || path.contains('…') {
            continue;
        }
        let has_body = code(at + 1) == " " && code(at + 2).starts_with('{');
        let body = has_body.then(|| serde_json::from_str(code(at + 2)).expect("JSON"));
        let after = code(if has_body { at + 3 } else { at + 1 });
        examples.push(Example {
            method: method.parse().expect("a method"),
            path: path.replace("\\|", "|"),
            body,
            status: after.strip_prefix(" → ").map(|rest| rest[..3].to_owned()),
        });
    }
    examples
}

#[actix_web::test]
async fn every_request_that_the_guides_show_for_lookups_runs() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.staff("ana"), app.member("bob"));
    let labels = json!([{ "name": "Tech" }, { "name": "AI" }]);
    ana.post("/api/v1/posts", json!({ "title": "Python", "published": true, "labels": labels })).await;
    bob.post("/api/v1/posts/python/comments", json!({ "content": "Yes" })).await;
    let django = read("docs/django.md");
    let (_, query_sets) = django.split_once("## Query sets").expect("a section on query sets");
    let lookups = examples(&read("docs/lookups.md"));
    let query_sets = examples(query_sets);
    // A smaller number would mean that this test does not recognise the format of the tables.
    assert!(lookups.len() > 20 && query_sets.len() > 100, "{} and {}", lookups.len(), query_sets.len());
    let mut wrong = Vec::new();
    for Example { method, path, body, status } in lookups.into_iter().chain(query_sets) {
        let request = ana.request(method.clone(), &format!("/api/v1{path}"));
        let answer = send(match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await;
        let is_right = status
            .as_ref()
            .map_or(answer.status.starts_with('2'), |status| answer.status.starts_with(status));
        if !is_right {
            wrong.push(format!("{method} {path} {body:?}: {}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_grammar_of_the_guide_is_the_programs() {
    let guide = read("docs/lookups.md");
    let (_, grammar) = guide.split_once("```pest\n").expect("the grammar");
    let (grammar, _) = grammar.split_once("```").expect("its end");
    assert_eq!(grammar, read("src/lookups/filter.pest"));
}
