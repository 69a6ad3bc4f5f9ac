//! Operations that use mails: confirming an address, and setting a password without the current one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::client::Client;
use crate::api::document::Refusals;
use crate::api::input::{Check, Member};
use crate::api::state::{AppState, State};
use crate::api::users::parse_email;
use crate::auth::mail_tokens::{self, MailTokens};
use crate::auth::password_rules::judge;
use crate::error::{Code, OnConstraint, Result};
use crate::models::account_token::TokenPurpose;
use crate::models::job_payload::AccountNotice;

/// The address to which a mail is requested.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailRequest {
    /// E-mail address of the user, in any case.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, examples("ana@example.org"))]
    email: Member<String>,
}

/// The token of a mail that confirms an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailConfirmation {
    /// The token in the link of the mail.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    token: Member<String>,
}

/// The token of a mail, and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// The token in the link of the mail.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    token: Member<String>,
    /// The new password. The rules of a registration apply.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 256)]
    new_password: Member<String>,
}

/// Request a mail. 202 whether or not a user has the address: a job looks for the user later.
async fn send_token_if_known(
    app: AppState,
    purpose: TokenPurpose,
    body: Body<MailRequest>,
    client: Client,
) -> Result<HttpResponse> {
    let mut check = Check::default();
    let email = check.required("email", body.get()?.email);
    let email = email.and_then(|text| parse_email(&mut check, &text));
    let email = check.finish(|| email)?;
    let buckets = app.auth.throttle.mail(purpose, &email, &client.prefix().to_string());
    app.transaction(move |app, conn| app.auth.throttle.take(conn, &buckets)).await?;
    app.db.transaction(move |conn| MailTokens::send_token_if_known(conn, purpose, &email)).await?;
    Ok(HttpResponse::new(StatusCode::ACCEPTED))
}

/// Request a mail that confirms an address.
///
/// Open to all clients. Registering sends this mail by itself. 202 whether or not a user has the address. No mail is sent if no
/// user has it, or if it is already confirmed. 429 `too_many_attempts` after too many requests.
#[utoipa::path(
    operation_id = "requestEmailVerification", tag = "auth", security(()), request_body = MailRequest,
    responses((status = 202, description = "A mail is sent if a user has the address"), Refusals)
)]
#[post("/auth/email-verification")]
pub async fn request_email_verification(
    app: AppState,
    body: Body<MailRequest>,
    client: Client,
) -> Result<HttpResponse> {
    send_token_if_known(app, TokenPurpose::ConfirmAddress, body, client).await
}

/// Confirm an e-mail address.
///
/// Open to all clients. Requires the token of the mail, which is valid once. If the mail was sent to a new address, this address
/// becomes the user's, and the tokens in all other mails become void. 422 `token_invalid` if the token was used, has expired or
/// is void. 409 `email_taken` if another user has taken the address in the meantime.
#[utoipa::path(
    operation_id = "confirmEmail", tag = "auth", security(()), request_body = EmailConfirmation,
    responses((status = 204, description = "The address is confirmed"), Refusals)
)]
#[post("/auth/email-verification/confirm")]
pub async fn confirm_email(app: AppState, body: Body<EmailConfirmation>) -> Result<HttpResponse> {
    let mut check = Check::default();
    let token = check.required("token", body.get()?.token);
    let token = check.finish(|| token)?;
    app.transaction(move |app, conn| {
        let found = app.auth.mail_tokens.find(conn, &token, TokenPurpose::ConfirmAddress)?;
        if !found.user.lock_as_read(conn)? {
            return Err(mail_tokens::invalid());
        }
        app.auth.mail_tokens.spend(conn, &found, &token)?;
        found
            .user
            .confirm_email(conn, &found.email, &found.email_key)
            .on_constraint("users_email_key_key", Code::EmailTaken)?;
        if found.email_key == found.user.email_key {
            return Ok(());
        }
        // The notice goes to the previous address.
        Ok(AccountNotice::AddressChanged.send(conn, &found.user)?)
    })
    .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Request a mail with which to set a new password.
///
/// Open to all clients. 202 whether or not a user has the address. 429 `too_many_attempts` after too many requests.
#[utoipa::path(
    operation_id = "requestPasswordReset", tag = "auth", security(()), request_body = MailRequest,
    responses((status = 202, description = "A mail is sent if a user has the address"), Refusals)
)]
#[post("/auth/password-reset")]
pub async fn request_password_reset(
    app: AppState,
    body: Body<MailRequest>,
    client: Client,
) -> Result<HttpResponse> {
    send_token_if_known(app, TokenPurpose::ResetPassword, body, client).await
}

/// Set a password with the token of a mail.
///
/// Open to all clients. The token is valid once. Every session of the user ends, and the tokens in all other mails become void.
/// The address becomes confirmed too, since the mail has reached the user. 422 `token_invalid` if the token was used, has expired
/// or is void. A password that breaks a rule does not use the token up.
#[utoipa::path(
    operation_id = "resetPassword", tag = "auth", security(()), request_body = PasswordReset,
    responses((status = 204, description = "The password is set"), Refusals)
)]
#[post("/auth/password-reset/confirm")]
pub async fn reset_password(app: AppState, body: Body<PasswordReset>) -> Result<HttpResponse> {
    let mut check = Check::default();
    let body = body.get()?;
    let token = check.required("token", body.token);
    let password = check.required("new_password", body.new_password);
    let (token, password) = check.finish(|| token.zip(password))?;
    let sent = token.clone();
    let find = move |app: &State, conn: &mut diesel::PgConnection| {
        app.auth.mail_tokens.find(conn, &sent, TokenPurpose::ResetPassword)
    };
    let found = app.run(find).await?;
    if found.email_key != found.user.email_key {
        return Err(mail_tokens::invalid());
    }
    let mut check = Check::default();
    check.characters("new_password", &password);
    check.faults(judge(&password, &found.user.username, &found.user.email, "/new_password"));
    check.finish(|| Some(()))?;
    let hash = app.auth.passwords.hash(password).await?;
    let user_id = found.user.id;
    app.transaction(move |app, conn| {
        // Lock the user before the token, in the same order as a change of the password.
        if !found.user.lock_as_read(conn)? {
            return Err(mail_tokens::invalid());
        }
        app.auth.mail_tokens.spend(conn, &found, &token)?;
        found.user.set_password(conn, &hash, None)?;
        if found.user.email_verified_at.is_none() {
            found.user.confirm_email(conn, &found.email, &found.email_key)?;
        }
        Ok(AccountNotice::PasswordChanged.send(conn, &found.user)?)
    })
    .await?;
    app.auth.cache.evict(user_id);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
