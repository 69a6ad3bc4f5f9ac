//! The OpenAPI document's description of lists and of bulk operations.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use super::{query, two_of_everything};
use crate::app::TestApp;
use crate::client::send;

/// An operation that accepts conditions.
struct Operation {
    id: String,
    method: Method,
    path: String,
    parameters: Vec<Value>,
}

/// Every such operation in the document.
async fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.guest().get("/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            if parameters.iter().any(|parameter| parameter["name"] == "filter") {
                let slug = if path.contains("/labels/{slug}") { "ai" } else { "p" };
                found.push(Operation {
                    id: operation["operationId"].as_str().expect("a name").to_owned(),
                    method: method.to_uppercase().parse().expect("a method"),
                    path: path.replace("{slug}", slug).replace("{id}", "900001"),
                    parameters: parameters.into_iter().filter(|p| p["in"] == "query").collect(),
                });
            }
        }
    }
    found
}

impl Operation {
    /// The schema of a parameter. The document describes lists as text, for SDKs; this returns the schema of a list
    /// of the field's values.
    fn schema(&self, parameter: &Value) -> Value {
        let name = parameter["name"].as_str().expect("a name");
        let Some((field, list)) =
            name.rsplit_once("__").filter(|(_, last)| ["in", "all", "range"].contains(last))
        else {
            return parameter["schema"].clone();
        };
        let is_of_field = |p: &&Value| p["name"] == field || p["name"] == format!("{field}__gt");
        let items = self.parameters.iter().find(is_of_field).map(|p| p["schema"].clone());
        let items = items.unwrap_or_else(|| json!({ "type": "string", "maxLength": 1000 }));
        let (least, most) = if list == "range" { (2, 2) } else { (0, 100) };
        json!({ "type": "array", "items": items, "minItems": least, "maxItems": most })
    }
}

/// A value that the schema allows.
fn valid(name: &str, schema: &Value) -> String {
    if name == "tz" {
        return "Europe/Madrid".into();
    }
    if let Some(first) = schema["enum"][0].as_str() {
        return first.into();
    }
    match schema["type"].as_str() {
        Some("integer") => schema["maximum"].as_i64().unwrap_or(4).to_string(),
        Some("boolean") => "true".into(),
        Some("array") => {
            let items = schema["minItems"].as_u64().unwrap_or(0).max(2);
            (0..items).map(|_| valid("", &schema["items"])).collect::<Vec<_>>().join(",")
        }
        _ if schema["format"] == "date-time" => "2026-01-31T09:30:00.000001Z".into(),
        // A value of the maximum length.
        _ => "x".repeat(usize::try_from(schema["maxLength"].as_u64().expect("a bound")).expect("small")),
    }
}

/// Values that the schema does not allow.
fn invalid(schema: &Value) -> Vec<String> {
    let mut values = match schema["type"].as_str() {
        Some("integer") => ["x", "", "1.5", "9223372036854775808"].map(String::from).to_vec(),
        Some("boolean") => ["1", "yes", "True", ""].map(String::from).to_vec(),
        Some("array") => {
            let item = valid("", &schema["items"]);
            let with = |wrong: String| format!("{item},{wrong}");
            let mut values: Vec<String> = invalid(&schema["items"]).into_iter().map(with).collect();
            let most = schema["maxItems"].as_u64().expect("a bound");
            // Short values, so that the URL does not become too long.
            let short = if item.len() > 100 { "x" } else { &item };
            values.push(vec![short; 1 + usize::try_from(most).expect("small")].join(","));
            values.extend((schema["minItems"] == 2).then_some(item));
            values
        }
        _ if schema["format"] == "date-time" => {
            ["yesterday", "", "2026-13-01", "2026-01-31T25:00:00Z"].map(String::from).to_vec()
        }
        _ if schema["enum"].is_array() => ["garbage", ""].map(String::from).to_vec(),
        _ => Vec::new(),
    };
    if schema["type"] == "string" && schema["enum"].is_null() && schema["format"].is_null() {
        values.push(
            "x".repeat(1 + usize::try_from(schema["maxLength"].as_u64().expect("a bound")).expect("small")),
        );
        values.extend((schema["minLength"] == 1).then(String::new));
    }
    for bound in ["maximum", "minimum"] {
        let beyond = |n: i64| n + if bound == "maximum" { 1 } else { -1 };
        values.extend(schema[bound].as_i64().map(|bound| beyond(bound).to_string()));
    }
    values
}

#[actix_web::test]
async fn every_documented_parameter_takes_what_it_says_and_nothing_else() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let operations = operations(&app).await;
    let mut names: Vec<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    names.sort_unstable();
    assert_snapshot!(names.join(" "), @"bulkDeletePosts bulkUpdatePosts listComments listDeliveries listEvents listLabelPosts listLabels listPostComments listPostLabels listPosts listProfiles listSessions listUsers listWebhooks");
    let mut wrong = Vec::new();
    for operation in &operations {
        assert!(operation.parameters.len() < 100, "{} has too many for some generators", operation.id);
        // Bulk operations must match no row, so that the rows still exist for the next request.
        let is_bulk = operation.id.starts_with("bulk");
        let send = async |parameters: &[(&str, &str)]| {
            let mut parameters = parameters.to_vec();
            if is_bulk {
                parameters.push(("id", "0"));
            }
            let request =
                root.request(operation.method.clone(), &format!("{}?{}", operation.path, query(&parameters)));
            let request =
                if operation.id == "bulkUpdatePosts" { request.json(&json!({ "rank": 1 })) } else { request };
            send(request).await
        };
        // A field that can be compared and sorted by.
        let is_equal = |p: &&Value| p["description"] == "Equal to this.";
        let first = operation.parameters.iter().find(is_equal).and_then(|p| p["name"].as_str());
        let first = first.expect("a field");
        for parameter in &operation.parameters {
            let name = parameter["name"].as_str().expect("a name");
            let value = match name {
                "filter" => format!("not ({first}:1)"),
                "ordering" => format!("-{first}"),
                "cursor" => root.get(&format!("{}?limit=1", operation.path)).await.text("/next_cursor"),
                _ => valid(name, &operation.schema(parameter)),
            };
            let answer = send(&[(name, &value)]).await;
            if answer.status != "200 OK" {
                wrong.push(format!("{} {name}={value:.60}: {}", operation.id, answer.refusal()));
            }
            let refused = invalid(&operation.schema(parameter));
            assert!(!refused.is_empty(), "{name} takes everything");
            for value in refused {
                let answer = send(&[(name, &value)]).await;
                let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
                let is_named = errors.len() == 1 && errors[0]["parameter"] == name;
                if !answer.status.starts_with("400") || !is_named {
                    wrong.push(format!("{} {name}={value:.60}: {} {errors:?}", operation.id, answer.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
