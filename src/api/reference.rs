//! Pages of the documentation that are generated from the program: error codes, settings, and the browsable OpenAPI document.

use std::fmt::Write;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use bytes::Bytes;
use clap::{ArgAction, Args, Command};
use utoipa_swagger_ui::SwaggerUi;

use super::conditional::ListResponse;
use super::document;
use crate::config::Config;
use crate::error::{Entry, REGISTRY, RULES};
use crate::lookups::describe;
use crate::models::resources::RESOURCES;

/// Register `/openapi.json`, `/openapi-3.0.json` and `/docs`. They are for people and generators, so the document does not list
/// them as operations.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(to_docs))
        .route("/openapi.json", web::get().to(openapi_3_1))
        .route("/openapi-3.0.json", web::get().to(openapi_3_0))
        .route("/docs", web::get().to(to_docs))
        .route("/docs/errors", web::get().to(errors_page))
        .service(
            SwaggerUi::new("/docs/{_:.*}")
                .config(utoipa_swagger_ui::Config::from("/openapi.json").persist_authorization(true)),
        );
}

async fn openapi_3_1() -> ListResponse {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| document::json_3_1().into());
    ListResponse::of_bytes(JSON.clone())
}

async fn openapi_3_0() -> ListResponse {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| document::json_3_0().into());
    ListResponse::of_bytes(JSON.clone())
}

async fn to_docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// The page to which the `type` of a problem refers.
async fn errors_page() -> HttpResponse {
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Plaza: error codes</title><link rel=icon href='data:,'>\
         <style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         td,th{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;overflow-wrap:anywhere}\
         :target{background:#fe9}</style>\
         <h1>Error codes</h1><p>The <code>code</code> of every error response.<table><tr><th>code<th>status<th>meaning",
    );
    for Entry { name, status, title, meaning, .. } in &REGISTRY {
        let _ = write!(
            page,
            "<tr id={name}><td><code>{name}</code><td>{status}<td>{}. {}",
            html(title),
            html(meaning)
        );
    }
    page.push_str("</table><h2>Rules</h2><p>The <code>code</code> in <code>errors</code>.<table><tr><th>code<th>meaning");
    for (name, meaning) in RULES {
        let _ = write!(page, "<tr id=rule-{name}><td><code>{name}</code><td>{}", html(meaning));
    }
    page.push_str("</table></html>");
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

/// Convert a text to HTML. Text between backticks becomes code.
fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

/// Return the content of `docs/errors.md`.
pub fn errors_markdown() -> String {
    let mut text = String::from(
        "# Error codes\n\n<!-- Written by `make generate` from src/error/registry.rs. -->\n\n\
         Every error response is `application/problem+json` (RFC 9457) with one of these values in `code`. Plaza also serves \
         this list at `/docs/errors`.\n\n| `code` | status | meaning |\n| --- | --- | --- |\n",
    );
    for entry in &REGISTRY {
        let _ =
            writeln!(text, "| `{}` | {} | {}. {} |", entry.name, entry.status, entry.title, entry.meaning);
    }
    text.push_str(
        "\n## Rules in `errors`\n\nA response to rejected input contains `errors: [{pointer | parameter, code, detail, params}]`.\n\n\
         | `errors[].code` | meaning |\n| --- | --- |\n",
    );
    for (name, meaning) in RULES {
        let _ = writeln!(text, "| `{name}` | {meaning} |");
    }
    text
}

/// Return the content of `docs/fields.md`.
pub fn fields_markdown() -> String {
    let mut text = format!(
        "# Fields of every list\n\n<!-- Written by `make generate` from src/models/resources.rs. -->\n\n\
         The fields that you can compare and sort by, and the relations that you can follow. [Lookups](lookups.md) explains \
         them.\n\n{}\n",
        describe::lookups()
    );
    for resource in RESOURCES {
        text.push_str(&describe::describe(resource));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Return the content of `docs/settings.md`.
pub fn settings_markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n<!-- Written by `make generate` from src/config/. -->\n\n\
         Every setting is an environment variable and a flag of every command. The flag takes precedence. `plaza --help` shows \
         the settings, too.\n\n\
         | variable | flag | default | |\n| --- | --- | --- | --- |\n",
    );
    let command = Config::augment_args(Command::new("plaza"));
    for argument in command.get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        let defaults: Vec<_> =
            argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}`", defaults.join(",")) };
        let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let possible: Vec<_> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !possible.is_empty() && matches!(argument.get_action(), ArgAction::Set) {
            let _ = write!(help, ": {}", possible.join(" or "));
        }
        let _ = writeln!(text, "| `{}` | `--{flag}` | {default} | {help} |", variable.to_string_lossy());
    }
    text
}
