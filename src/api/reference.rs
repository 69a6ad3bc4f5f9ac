//! Pages of the documentation that are made from the program: error codes, settings, and the browsable document.

use std::fmt::Write;

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use clap::{ArgAction, Args, Command};
use utoipa_swagger_ui::SwaggerUi;

use super::document;
use crate::config::Config;
use crate::error::{REGISTRY, RULES};

/// The document as it is served, made once.
pub struct Documents {
    json_3_1: String,
    json_3_0: String,
}

impl Documents {
    /// Both versions.
    pub fn new() -> Self {
        Self { json_3_1: document::json_3_1(), json_3_0: document::json_3_0() }
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self::new()
    }
}

/// `/openapi.json`, `/openapi-3.0.json`, `/docs`: for people and generators, so not operations of the document themselves.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/openapi.json", web::get().to(openapi_3_1))
        .route("/openapi-3.0.json", web::get().to(openapi_3_0))
        .route("/docs", web::get().to(to_docs))
        .route("/docs/errors", web::get().to(errors_page))
        .service(
            SwaggerUi::new("/docs/{_:.*}")
                .config(utoipa_swagger_ui::Config::from("/openapi.json").persist_authorization(true)),
        );
}

async fn openapi_3_1(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(documents.json_3_1.clone())
}

async fn openapi_3_0(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(documents.json_3_0.clone())
}

async fn to_docs(_: HttpRequest) -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// Where the `type` of a problem leads.
async fn errors_page() -> HttpResponse {
    let mut page = String::from(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Plaza: error codes</title>\
         <style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         td,th{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0}:target{background:#fe9}</style>\
         <h1>Error codes</h1><table><tr><th>code<th>status<th>meaning",
    );
    for entry in &REGISTRY {
        let _ = write!(
            page,
            "<tr id={0}><td><code>{0}</code><td>{1}<td>{2}. {3}",
            entry.name,
            entry.status,
            escape(entry.title),
            escape(entry.meaning)
        );
    }
    page.push_str("</table></html>");
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// `docs/errors.md`.
pub fn errors_markdown() -> String {
    let mut text = String::from(
        "# Error codes\n\n<!-- Written by `make generate` from src/error.rs. -->\n\n\
         Every refusal is an `application/problem+json` (RFC 9457) with one of these in `code`. The same list is served at \
         `/docs/errors`.\n\n| `code` | status | meaning |\n| --- | --- | --- |\n",
    );
    for entry in &REGISTRY {
        let _ =
            writeln!(text, "| `{}` | {} | {}. {} |", entry.name, entry.status, entry.title, entry.meaning);
    }
    text.push_str(
        "\n## Rules in `errors`\n\nRejected input comes with `errors: [{pointer | parameter, code, detail, params}]`.\n\n\
         | `errors[].code` | meaning |\n| --- | --- |\n",
    );
    for (name, meaning) in RULES {
        let _ = writeln!(text, "| `{name}` | {meaning} |");
    }
    text
}

/// `docs/settings.md`.
pub fn settings_markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n<!-- Written by `make generate` from src/config.rs. -->\n\n\
         Every setting is a variable and a flag of every command; the flag wins. `plaza --help` shows the same.\n\n\
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
