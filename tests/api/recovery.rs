//! What is done by mail: confirming an address, a new password, a new address.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::{Answer, Client};
use crate::smtp::{Mail, SmtpServer};

const NEW: &str = "a whole new horse";

/// A node that sends its mails to an SMTP server of the test.
async fn app(flags: &[&str]) -> (TestApp, SmtpServer) {
    let smtp = SmtpServer::start();
    let url = smtp.url();
    let settings = ["--smtp-url", &url, "--app-url", "https://app.test/"];
    (TestApp::with(&[&settings, flags].concat()).await, smtp)
}

/// The token in a mail's link, which points to this page of the application.
fn token(mail: &Mail, page: &str) -> String {
    let link = mail.link().to_owned();
    let prefix = format!("https://app.test/{page}?token=");
    link.strip_prefix(&prefix).unwrap_or_else(|| panic!("{link} does not lead to {page}")).to_owned()
}

async fn register(app: &TestApp, name: &str) -> Answer {
    let email = format!("{name}@example.org");
    let body = json!({ "username": name, "email": email, "password": PASSWORD });
    app.guest().post("/api/v1/users", body).await
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.guest().post("/api/v1/auth/email-verification/confirm", json!({ "token": token })).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "new_password": password });
    app.guest().post("/api/v1/auth/password-reset/confirm", body).await
}

async fn want(app: &TestApp, what: &str, email: &str) -> Answer {
    app.guest().post(&format!("/api/v1/auth/{what}"), json!({ "email": email })).await
}

async fn login(app: &TestApp, password: &str) -> Answer {
    app.guest().post("/api/v1/auth/login", json!({ "login": "ana", "password": password })).await
}

async fn me(client: &Client) -> Value {
    client.get("/api/v1/users/me").await.json()
}

#[actix_web::test]
async fn registering_sends_a_mail_that_confirms_the_address() {
    let (app, smtp) = app(&[]).await;
    assert_snapshot!(register(&app, "ana").await.status, @"201 Created");
    let mail = smtp.next().await;
    assert_eq!(mail.to, "ana@example.org");
    assert!(mail.text.contains("ana") && mail.html.contains("ana"), "{mail:?}");
    let ana = app.member("ana");
    assert_eq!(me(&ana).await["email_verified_at"], Value::Null);

    let token = token(&mail, "confirm-email");
    assert_snapshot!(confirm(&app, &token).await.status, @"204 No Content");
    assert!(me(&ana).await["email_verified_at"].is_string());
    assert_snapshot!(confirm(&app, &token).await.refusal(), @"422 token_invalid");
    for wrong in ["", "x", &token[1..]] {
        assert_eq!(confirm(&app, wrong).await.refusal(), "422 token_invalid", "{wrong}");
    }
    // A token is valid only for its purpose, and not as a refresh token.
    assert_snapshot!(reset(&app, &token, NEW).await.refusal(), @"422 token_invalid");
    let refresh = app.guest().post("/api/v1/auth/refresh", json!({ "refresh_token": token })).await;
    assert_snapshot!(refresh.refusal(), @"401 refresh_token_invalid");
    let missing = app.guest().post("/api/v1/auth/email-verification/confirm", json!({})).await;
    assert_snapshot!(missing.refusal(), @"422 validation_failed /token required");
}

#[actix_web::test]
async fn a_confirmation_can_be_asked_for_again_until_it_is_done() {
    let (app, smtp) = app(&[]).await;
    register(&app, "ana").await;
    let first = token(&smtp.next().await, "confirm-email");
    assert_snapshot!(want(&app, "email-verification", "ANA@example.org").await.status, @"202 Accepted");
    let second = smtp.next().await;
    assert_eq!(second.to, "ana@example.org", "as its owner wrote it");
    let second = token(&second, "confirm-email");
    assert_ne!(first, second);
    // The first mail stays valid, too.
    assert_snapshot!(confirm(&app, &first).await.status, @"204 No Content");
    // Once the address is confirmed, no mail is sent. The next mail is bob's.
    assert_snapshot!(want(&app, "email-verification", "ana@example.org").await.status, @"202 Accepted");
    register(&app, "bob").await;
    assert_eq!(smtp.next().await.to, "bob@example.org");
}

#[actix_web::test]
async fn a_forgotten_password_is_replaced_by_mail() {
    let (app, smtp) = app(&[]).await;
    let (one, two, bob) = (app.member("ana"), app.member("ana"), app.member("bob"));
    for client in [&one, &two, &bob] {
        me(client).await;
    }
    assert_snapshot!(want(&app, "password-reset", "ana@example.org").await.status, @"202 Accepted");
    let mail = smtp.next().await;
    let first = token(&mail, "reset-password");
    assert_snapshot!(reset(&app, &first, NEW).await.status, @"204 No Content");
    assert_eq!(smtp.next().await.to, "ana@example.org", "she is told");
    for client in [&one, &two] {
        assert_eq!(client.get("/api/v1/posts").await.refusal(), "401 session_revoked");
    }
    assert!(me(&bob).await["id"].is_number());
    assert_snapshot!(login(&app, PASSWORD).await.refusal(), @"401 invalid_credentials");
    let tokens = login(&app, NEW).await;
    let ana = app.guest().with_token(&tokens.text("/access_token"));
    assert!(me(&ana).await["email_verified_at"].is_string(), "the mail has reached her");
    assert_snapshot!(reset(&app, &first, "yet another horse").await.refusal(), @"422 token_invalid");
}

#[actix_web::test]
async fn a_bad_new_password_leaves_the_token_good() {
    let (app, smtp) = app(&[]).await;
    app.member("ana.garcia");
    app.sql("UPDATE users SET email = 'garcia@example.org', email_key = 'garcia@example.org'");
    want(&app, "password-reset", "garcia@example.org").await;
    let token = token(&smtp.next().await, "reset-password");
    assert_snapshot!(reset(&app, &token, "kurz").await.refusal(), @"422 validation_failed /new_password too_short");
    assert_snapshot!(reset(&app, &token, "12345678").await.refusal(),
        @"422 validation_failed /new_password password_common, /new_password password_numeric");
    assert_snapshot!(reset(&app, &token, "ana.garcia1").await.refusal(),
        @"422 validation_failed /new_password password_similar");
    assert_snapshot!(reset(&app, &token, "nul\0nul\0nul").await.refusal(),
        @"422 validation_failed /new_password null_character");
    assert_snapshot!(reset(&app, &token, NEW).await.status, @"204 No Content");
}

#[actix_web::test]
async fn of_parallel_resets_with_one_token_one_counts() {
    let (app, smtp) = app(&[]).await;
    app.member("ana");
    want(&app, "password-reset", "ana@example.org").await;
    let token = token(&smtp.next().await, "reset-password");
    let tries = (0..8).map(|n| {
        let (app, token) = (&app, token.clone());
        async move { reset(app, &token, &format!("{NEW} {n}")).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    let count = |status: &str| statuses.iter().filter(|seen| *seen == status).count();
    assert_eq!((count("204 No Content"), count("422 Unprocessable Entity")), (1, 7), "{statuses:?}");
}

#[actix_web::test]
async fn nobody_learns_who_has_an_address() {
    let (app, smtp) = app(&[]).await;
    app.member("ana");
    for what in ["email-verification", "password-reset"] {
        let known = want(&app, what, "ana@example.org").await;
        let unknown = want(&app, what, "nobody@example.org").await;
        assert_eq!((&known.status, &known.bytes), (&unknown.status, &unknown.bytes));
        assert_eq!(smtp.next().await.to, "ana@example.org");
        let refusal = want(&app, what, "no address").await.refusal();
        assert_eq!(refusal, "422 validation_failed /email invalid_email");
    }
    // An inactive user gets no mail.
    app.sql("UPDATE users SET is_active = false");
    want(&app, "password-reset", "ana@example.org").await;
    app.idle().await;
    assert_eq!(smtp.mails().len(), 2);
}

#[actix_web::test]
async fn a_password_or_address_that_changes_voids_every_mail() {
    let (app, smtp) = app(&[]).await;
    let ana = app.member("ana");
    want(&app, "password-reset", "ana@example.org").await;
    let reset_token = token(&smtp.next().await, "reset-password");
    want(&app, "email-verification", "ana@example.org").await;
    let confirm_token = token(&smtp.next().await, "confirm-email");
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    let changed =
        crate::client::send(ana.request(reqwest::Method::PUT, "/api/v1/users/me/password").json(&body));
    assert_snapshot!(changed.await.status, @"204 No Content");
    assert!(smtp.next().await.subject.to_lowercase().contains("password"));
    assert_snapshot!(reset(&app, &reset_token, "yet another horse").await.refusal(), @"422 token_invalid");
    assert_snapshot!(confirm(&app, &confirm_token).await.refusal(), @"422 token_invalid");

    want(&app, "password-reset", "ana@example.org").await;
    let reset_token = token(&smtp.next().await, "reset-password");
    let body = json!({ "email": "new@example.org", "current_password": NEW });
    assert_snapshot!(ana.patch("/api/v1/users/me", body).await.status, @"200 OK");
    let new_address = smtp.mail_for("new@example.org").await;
    assert_snapshot!(confirm(&app, &token(&new_address, "confirm-email")).await.status, @"204 No Content");
    assert_snapshot!(reset(&app, &reset_token, "yet another horse").await.refusal(), @"422 token_invalid");
    assert_eq!(app.count("account_tokens"), 0);
}

#[actix_web::test]
async fn a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told() {
    let (app, smtp) = app(&[]).await;
    let ana = app.member("ana");
    let body = json!({ "email": "New@example.org", "current_password": PASSWORD });
    let answer = ana.patch("/api/v1/users/me", body).await;
    assert_eq!((answer.status.as_str(), answer.at("/email")), ("200 OK", json!("ana@example.org")));
    let told = smtp.mail_for("ana@example.org").await;
    assert!(!told.raw.contains("New@example.org"), "{told:?}");
    let confirmation = smtp.mail_for("New@example.org").await;
    assert_eq!(me(&ana).await["email"], "ana@example.org");
    assert_snapshot!(confirm(&app, &token(&confirmation, "confirm-email")).await.status, @"204 No Content");
    assert_eq!(me(&ana).await["email"], "New@example.org");
    assert!(me(&ana).await["email_verified_at"].is_string());
}

#[actix_web::test]
async fn an_address_that_was_taken_meanwhile_is_not_taken_twice() {
    let (app, smtp) = app(&[]).await;
    let ana = app.member("ana");
    let body = json!({ "email": "shared@example.org", "current_password": PASSWORD });
    assert_snapshot!(ana.patch("/api/v1/users/me", body).await.status, @"200 OK");
    let confirmation = smtp.mail_for("shared@example.org").await;
    let bob = json!({ "username": "bob", "email": "Shared@example.org", "password": PASSWORD });
    assert_snapshot!(app.guest().post("/api/v1/users", bob).await.status, @"201 Created");
    assert_snapshot!(confirm(&app, &token(&confirmation, "confirm-email")).await.refusal(), @"409 email_taken");
    assert_eq!(me(&ana).await["email"], "ana@example.org");
}

#[actix_web::test]
async fn an_address_that_staff_sets_counts_at_once() {
    let (app, smtp) = app(&[]).await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    let answer = root.patch("/api/v1/users/ana", json!({ "email": "new@example.org" })).await;
    assert_eq!(answer.at("/email"), "new@example.org");
    assert_eq!(answer.at("/email_verified_at"), Value::Null);
    smtp.mail_for("ana@example.org").await;
    let confirmation = smtp.mail_for("new@example.org").await;
    assert_snapshot!(confirm(&app, &token(&confirmation, "confirm-email")).await.status, @"204 No Content");
    assert!(me(&ana).await["email_verified_at"].is_string());
}

#[actix_web::test]
async fn a_mails_token_expires() {
    let (app, smtp) = app(&[]).await;
    app.member("ana");
    want(&app, "password-reset", "ana@example.org").await;
    let mail = smtp.next().await;
    assert!(mail.text.contains("1 hour"), "{}", mail.text);
    let hour = app.count("account_tokens WHERE expires_at - created_at = interval '1 hour'");
    assert_eq!(hour, 1);
    app.sql("UPDATE account_tokens SET expires_at = now()");
    assert_snapshot!(reset(&app, &token(&mail, "reset-password"), NEW).await.refusal(), @"422 token_invalid");
}

#[actix_web::test]
async fn a_dump_holds_no_token_of_a_mail() {
    let (app, smtp) = app(&[]).await;
    register(&app, "ana").await;
    let token = token(&smtp.next().await, "confirm-email");
    for table in ["account_tokens", "jobs", "users"] {
        assert_eq!(app.count(&format!("{table} WHERE {table}::text LIKE '%{token}%'")), 0, "{table}");
    }
    assert_eq!(app.count("account_tokens WHERE length(token_hash) = 32"), 1);
}

#[actix_web::test]
async fn without_a_server_mails_are_files() {
    let app = TestApp::new().await;
    register(&app, "ana").await;
    app.idle().await;
    let folder = app.data().join("mail");
    let files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file")).collect();
    assert_eq!(files.len(), 1);
    let raw = std::fs::read(files[0].path()).expect("a mail");
    let mail = mail_parser::MessageParser::default().parse(&raw).expect("a mail");
    let text = mail.body_text(0).expect("a text");
    // Without an application URL, links have the service's own public URL.
    assert!(text.contains(&format!("{}/confirm-email?token=", app.base)), "{text}");
}

#[actix_web::test]
async fn the_pages_that_mails_lead_to_are_there_and_let_nothing_in() {
    let app = TestApp::new().await;
    for page in ["confirm-email", "reset-password"] {
        let answer = app.guest().get(&format!("/{page}?token=x")).await;
        assert_eq!((answer.status.as_str(), answer.header("cache-control")), ("200 OK", "no-store"));
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        let html = String::from_utf8(answer.bytes).expect("text");
        assert!(html.contains("<form data-to=\"/api/v1/auth/") && !html.contains("{script}"), "{html}");
    }
}

#[actix_web::test]
async fn a_mailbox_that_is_no_longer_the_users_sets_no_password() {
    let (app, smtp) = app(&[]).await;
    app.member("ana");
    want(&app, "password-reset", "ana@example.org").await;
    let token = token(&smtp.next().await, "reset-password");
    // Change the address with SQL, which does not invalidate tokens.
    app.sql("UPDATE users SET email = 'new@example.org', email_key = 'new@example.org'");
    assert_snapshot!(reset(&app, &token, NEW).await.refusal(), @"422 token_invalid");
}

#[actix_web::test]
async fn nobody_floods_a_mailbox_with_wishes_for_it() {
    let (app, smtp) = app(&[]).await;
    let ana = app.member("ana");
    let wish = async |email: &str| {
        ana.patch("/api/v1/users/me", json!({ "email": email, "current_password": PASSWORD })).await
    };
    for _ in 0..3 {
        assert_eq!(wish("stranger@example.org").await.status, "200 OK");
    }
    app.prolong_waits();
    assert_snapshot!(wish("stranger@example.org").await.refusal(), @"429 too_many_attempts");
    for number in 0..2 {
        assert_eq!(wish(&format!("other{number}@example.org")).await.status, "200 OK");
        // The next request invalidates this mail, and an invalidated mail is not sent.
        app.idle().await;
    }
    app.prolong_waits();
    let refused = wish("another@example.org").await;
    assert_eq!(refused.refusal(), "429 too_many_attempts");
    assert_eq!(refused.header("ratelimit-policy"), "\"mail-user\";q=5;w=3600");
    // Only the latest request is valid.
    let mails = smtp.mails();
    let of =
        |to: &str| mails.iter().rev().find(|mail| mail.to == to).map(|mail| token(mail, "confirm-email"));
    assert_snapshot!(confirm(&app, &of("other0@example.org").expect("a mail")).await.refusal(), @"422 token_invalid");
    assert_snapshot!(confirm(&app, &of("other1@example.org").expect("a mail")).await.status, @"204 No Content");
    assert_eq!(me(&ana).await["email"], "other1@example.org");
}

#[actix_web::test]
async fn a_deactivation_voids_mails_for_good() {
    let (app, smtp) = app(&[]).await;
    let (_ana, root) = (app.member("ana"), app.staff("root"));
    want(&app, "email-verification", "ana@example.org").await;
    let token = token(&smtp.next().await, "confirm-email");
    for is_active in [false, true] {
        root.patch("/api/v1/users/ana", json!({ "is_active": is_active })).await;
        assert_eq!(confirm(&app, &token).await.refusal(), "422 token_invalid");
    }
}
