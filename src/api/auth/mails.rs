//! What is done by mail: confirming an address, setting a password without the present one.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::client::Client;
use crate::api::document::Refusals;
use crate::api::input::{Check, Member};
use crate::api::users::parse_email;
use crate::auth::callers::Callers;
use crate::auth::mail_tokens::{self, MailTokens};
use crate::auth::passwords::{Passwords, judge};
use crate::auth::throttle::Throttle;
use crate::db::Db;
use crate::error::{Code, OnConstraint, Result};
use crate::events::accounts::Notice;
use crate::models::account_token::Purpose;

/// Which address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailRequest {
    /// The address, in any case.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, examples("ana@example.org"))]
    email: Member<String>,
}

/// The token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfirmation {
    /// What the link in the mail holds.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    token: Member<String>,
}

/// The token of a mail, and the password to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// What the link in the mail holds.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    token: Member<String>,
    /// By the rules of a registration.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 256)]
    new_password: Member<String>,
}

/// 202, whether anybody has the address or not: a job finds out later.
async fn want(
    purpose: Purpose,
    body: Body<MailRequest>,
    client: Client,
    db: Data<Db>,
    throttle: Data<Throttle>,
) -> Result<HttpResponse> {
    let mut check = Check::default();
    let email = check.required("email", body.get()?.email);
    let email = email.and_then(|text| parse_email(&mut check, &text));
    let email = check.finish(|| email)?;
    let buckets = throttle.mail(purpose, &email, &client.prefix().to_string());
    db.transaction(move |conn| throttle.take(conn, &buckets)).await?;
    db.transaction(move |conn| MailTokens::want(conn, purpose, &email)).await?;
    Ok(HttpResponse::new(StatusCode::ACCEPTED))
}

/// Ask for a mail that confirms an address.
///
/// As registering does by itself. 202 whether anybody has the address or not; no mail is sent where nobody has, or where
/// it is confirmed already. 429 `too_many_attempts` for whoever asks too often.
#[utoipa::path(
    operation_id = "requestEmailVerification", tag = "auth", security(()), request_body = MailRequest,
    responses((status = 202, description = "A mail is sent if somebody has the address"), Refusals)
)]
#[post("/auth/email-verification")]
pub async fn request_email_verification(
    body: Body<MailRequest>,
    client: Client,
    db: Data<Db>,
    throttle: Data<Throttle>,
) -> Result<HttpResponse> {
    want(Purpose::ConfirmAddress, body, client, db, throttle).await
}

/// Confirm an address.
///
/// With the token of the mail, once. Where it was sent to a new address, that is the user's from now on, and every other
/// mail's token is void. 422 `token_invalid` for a token that was used, has expired or is void; 409 `email_taken` where
/// somebody else has taken the address meanwhile.
#[utoipa::path(
    operation_id = "confirmEmail", tag = "auth", security(()), request_body = EmailConfirmation,
    responses((status = 204, description = "The address is confirmed"), Refusals)
)]
#[post("/auth/email-verification/confirm")]
pub async fn confirm_email(
    body: Body<EmailConfirmation>,
    db: Data<Db>,
    tokens: Data<MailTokens>,
) -> Result<HttpResponse> {
    let mut check = Check::default();
    let token = check.required("token", body.get()?.token);
    let token = check.finish(|| token)?;
    db.transaction(move |conn| {
        let found = tokens.find(conn, &token, Purpose::ConfirmAddress)?;
        if !found.user.lock_as_read(conn)? {
            return Err(mail_tokens::invalid());
        }
        tokens.spend(conn, &found, &token)?;
        found
            .user
            .confirm_email(conn, &found.email, &found.email_key)
            .on_constraint("users_email_key_key", Code::EmailTaken)?;
        if found.email_key == found.user.email_key {
            return Ok(());
        }
        // At the address as it was.
        Notice::AddressChanged.send(conn, &found.user)
    })
    .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Ask for a mail that lets a password be set.
///
/// 202 whether anybody has the address or not. 429 `too_many_attempts` for whoever asks too often.
#[utoipa::path(
    operation_id = "requestPasswordReset", tag = "auth", security(()), request_body = MailRequest,
    responses((status = 202, description = "A mail is sent if somebody has the address"), Refusals)
)]
#[post("/auth/password-reset")]
pub async fn request_password_reset(
    body: Body<MailRequest>,
    client: Client,
    db: Data<Db>,
    throttle: Data<Throttle>,
) -> Result<HttpResponse> {
    want(Purpose::ResetPassword, body, client, db, throttle).await
}

/// Set a password with the token of a mail.
///
/// Once. Every session of the user ends, and every other mail's token is void. The mail has reached the user, so the
/// address is confirmed too. 422 `token_invalid` for a token that was used, has expired or is void; a password that
/// breaks a rule uses no token up.
#[utoipa::path(
    operation_id = "resetPassword", tag = "auth", security(()), request_body = PasswordReset,
    responses((status = 204, description = "The password is set"), Refusals)
)]
#[post("/auth/password-reset/confirm")]
pub async fn reset_password(
    body: Body<PasswordReset>,
    db: Data<Db>,
    tokens: Data<MailTokens>,
    passwords: Data<Passwords>,
    callers: Data<Callers>,
) -> Result<HttpResponse> {
    let mut check = Check::default();
    let body = body.get()?;
    let token = check.required("token", body.token);
    let password = check.required("new_password", body.new_password);
    let (token, password) = check.finish(|| token.zip(password))?;
    let (tokens, sent) = (tokens.into_inner(), token.clone());
    let finder = std::sync::Arc::clone(&tokens);
    let found = db.run(move |conn| finder.find(conn, &sent, Purpose::ResetPassword)).await?;
    if found.email_key != found.user.email_key {
        return Err(mail_tokens::invalid());
    }
    let mut check = Check::default();
    check.characters("new_password", &password);
    check.faults(judge(&password, &found.user.username, &found.user.email, "/new_password"));
    check.finish(|| Some(()))?;
    let hash = passwords.hash(password).await?;
    let user_id = found.user.id;
    db.transaction(move |conn| {
        // The user before the token, as whoever changes a password locks them.
        if !found.user.lock_as_read(conn)? {
            return Err(mail_tokens::invalid());
        }
        tokens.spend(conn, &found, &token)?;
        found.user.set_password(conn, &hash, None)?;
        if found.user.email_verified_at.is_none() {
            found.user.confirm_email(conn, &found.email, &found.email_key)?;
        }
        Notice::PasswordChanged.send(conn, &found.user)
    })
    .await?;
    callers.forget(user_id);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
