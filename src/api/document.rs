//! The OpenAPI document: assembled from the handlers, converted to 3.0.3 for older generators, and read by the gate.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi};
use utoipa_actix_web::AppExt;

use crate::error::{Problem, Violation};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Plaza",
        description = "Users, profiles, avatars, posts, labels and comments. Every error response is an RFC 9457 problem \
                       with a stable `code`; /docs/errors lists all codes.",
        license(name = "MIT", identifier = "MIT"),
        contact(name = "The Plaza authors")
    ),
    servers((url = "/", description = "The node that served this document")),
    tags(
        (name = "users", description = "Accounts of users"),
        (name = "auth", description = "Sessions and tokens"),
        (name = "profiles", description = "What users show about themselves, including avatars"),
        (name = "posts", description = "Posts that users write, and their covers"),
        (name = "labels", description = "Labels, by which posts are sorted"),
        (name = "comments", description = "Comments of users on posts"),
        (name = "events", description = "Records of changes, for programs that follow them"),
        (name = "webhooks", description = "Programs that are notified of events"),
        (name = "media", description = "Files of pictures"),
        (name = "service", description = "Health checks and public keys, for operators and other services")
    ),
    components(schemas(Problem, Violation))
)]
struct Base;

/// Return the OpenAPI 3.1 document of every route.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(Base::openapi())
        .configure(super::routes)
        .split_for_parts();
    document.components.get_or_insert_default().add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("at+jwt")
                .description(Some("The `access_token` of `login` or `refreshToken`."))
                .build(),
        ),
    );
    document
}

/// Return the document as pretty-printed JSON that ends with a newline. This text is served, committed and compared.
pub fn json_3_1() -> String {
    pretty(&as_value())
}

/// Return the document as JSON, converted to OpenAPI 3.0.3.
pub fn json_3_0() -> String {
    let mut value = as_value();
    value["openapi"] = json!("3.0.3");
    // OpenAPI 3.0 does not support SPDX identifiers.
    value["info"]["license"] = json!({ "name": "MIT", "url": "https://opensource.org/license/mit" });
    lower(&mut value);
    pretty(&value)
}

/// Return the document.
pub fn as_value() -> Value {
    let mut value = serde_json::to_value(document()).expect("it is made of strings, numbers and maps");
    let items = value["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        if let Some(body) = operation.get_mut("requestBody") {
            leave_out_optional_body(body);
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            leave_out_null(&mut parameter["schema"]);
        }
    }
    value
}

/// Remove `null` from the types of a parameter. An optional parameter is left out: a URL or a header cannot express `null`.
fn leave_out_null(schema: &mut Value) {
    if let Some(kind) =
        schema["type"].as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned()
    {
        schema["type"] = kind;
    }
}

/// Make an optional body optional instead of nullable, which is how utoipa renders `Option`.
fn leave_out_optional_body(body: &mut Value) {
    let schema = &mut body["content"]["application/json"]["schema"];
    let variants = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let real = variants.iter().find(|variant| variant["type"] != "null").cloned();
    if let Some(real) = real {
        *schema = real;
        body["required"] = json!(false);
    } else if schema.is_null() {
        body["content"].as_object_mut().map(|content| content.remove("application/json"));
    }
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON can be written");
    text.push('\n');
    text
}

/// Convert JSON Schema 2020-12 to the dialect of OpenAPI 3.0: `null` among the types becomes `nullable`, and the `examples` of a
/// schema become one `example`.
fn lower(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(lower),
        Value::Object(object) => {
            lower_schema(object);
            object.values_mut().for_each(lower);
        }
        _ => {}
    }
}

fn lower_schema(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get("type") {
        let nullable = types.iter().any(|kind| kind == "null");
        let kind = types.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
        object.insert("type".into(), kind);
        if nullable {
            object.insert("nullable".into(), json!(true));
        }
    }
    if let Some(Value::Array(variants)) = object.get_mut("oneOf") {
        let before = variants.len();
        variants.retain(|variant| variant.get("type") != Some(&json!("null")));
        if variants.len() < before {
            let rest = object.remove("oneOf").unwrap_or_default();
            object.insert("allOf".into(), rest);
            object.insert("nullable".into(), json!(true));
            object.insert("type".into(), json!("object"));
        }
    }
    // OpenAPI 3.0 allows no other keys next to a reference.
    if object.contains_key("$ref") && object.len() > 1 {
        let reference = object.remove("$ref").unwrap_or_default();
        object.insert("allOf".into(), json!([{ "$ref": reference }]));
    }
    object.remove("propertyNames");
    if let Some(Value::Array(examples)) = object.get("examples") {
        let first = examples.first().cloned();
        object.remove("examples");
        if let Some(first) = first {
            object.insert("example".into(), first);
        }
    }
}

/// The error responses that every operation shares: `4XX` and `5XX` with a [`Problem`].
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| -> RefOr<Response> {
            ResponseBuilder::new()
                .description(description)
                .content(
                    "application/problem+json",
                    ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
                )
                .build()
                .into()
        };
        BTreeMap::from([
            ("4XX".to_owned(), problem("The request is rejected; `code` says why")),
            ("5XX".to_owned(), problem("The service failed or is too busy; 503 has `Retry-After`")),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_becomes_nullable_in_3_0() {
        let mut value = json!({
            "a": {"type": ["string", "null"], "examples": ["x", "y"]},
            "b": {"oneOf": [{"type": "null"}, {"$ref": "#/x"}]},
            "c": {"oneOf": [{"type": "string"}, {"$ref": "#/x"}]},
            "d": {"$ref": "#/x", "description": "y"}
        });
        lower(&mut value);
        assert_eq!(
            value,
            json!({
                "a": {"type": "string", "nullable": true, "example": "x"},
                "b": {"allOf": [{"$ref": "#/x"}], "nullable": true, "type": "object"},
                "c": {"oneOf": [{"type": "string"}, {"$ref": "#/x"}]},
                "d": {"allOf": [{"$ref": "#/x"}], "description": "y"}
            })
        );
    }
}
