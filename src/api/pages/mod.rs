//! The pages to which the links in mails lead while no application is configured. They are enough to confirm an address and to
//! set a password.
//!
//! Opening one of them changes nothing, since some mail programs open links before the user does.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::events::accounts::{CONFIRM_PAGE, RESET_PAGE};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Register the pages. They are for people, so the OpenAPI document does not list them as operations.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(&format!("/{CONFIRM_PAGE}"), web::get().to(confirm_email))
        .route(&format!("/{RESET_PAGE}"), web::get().to(reset_password));
}

async fn confirm_email() -> HttpResponse {
    page(
        "Confirm your e-mail address",
        r#"<form data-to="/api/v1/auth/email-verification/confirm" data-done="Your e-mail address is confirmed. You can close this page.">
<button>Confirm this address</button>
</form>"#,
    )
}

async fn reset_password() -> HttpResponse {
    page(
        "Choose a new password",
        r#"<form data-to="/api/v1/auth/password-reset/confirm" data-done="Your new password is set. All your sessions have ended; log in with the new password.">
<label for="new_password">New password</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" required minlength="8" maxlength="256">
<button>Set the password</button>
</form>"#,
    )
}

/// Build a page. The browser may run or load only what the page contains, and no other page learns its address, which contains a
/// token.
fn page(title: &str, body: &str) -> HttpResponse {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE),
    );
    let page = PAGE
        .replace("{title}", title)
        .replace("{body}", body)
        .replace("{style}", STYLE)
        .replace("{script}", SCRIPT);
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(page)
}
