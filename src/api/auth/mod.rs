//! Login, refresh and logout.

pub mod mails;
pub mod sessions;

use actix_web::http::StatusCode;
use actix_web::web::Json;
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, OptionalBody};
use super::client::Client;
use super::document::Refusals;
use super::input::{Check, Member};
use crate::api::state::AppState;
use crate::auth::password_rules;
use crate::auth::passwords::{Passwords, Verdict};
use crate::auth::sessions::{Pair, RefreshOutcome, Sessions, ended, invalid_refresh_token};
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Code, Error, Result};
use crate::models::names::EMAIL_MAX;
use crate::models::session::Session;
use crate::models::user::User;

/// The tokens of a session: an access token and a refresh token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// Token for the `Authorization` header.
    pub access_token: String,
    /// Scheme with which to send the access token.
    #[schema(examples("Bearer"))]
    pub token_type: String,
    /// Seconds for which the access token is valid.
    #[schema(minimum = 0, examples(900))]
    pub expires_in: i64,
    /// Token for `refreshToken`, valid for one exchange.
    pub refresh_token: String,
    /// Seconds for which the refresh token is valid.
    #[schema(minimum = 0, examples(1_209_600))]
    pub refresh_expires_in: i64,
}

/// The credentials of a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Username or e-mail address, in any case.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 254, examples("ana"))]
    login: Member<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, max_length = 256)]
    password: Member<String>,
}

/// The refresh token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The latest refresh token of the session.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    refresh_token: Member<String>,
}

/// Names the session to end, if the bearer token does not.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// Any refresh token of the session.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 512)]
    refresh_token: Member<String>,
}

impl Login {
    fn validate(self) -> Result<(String, String)> {
        let mut check = Check::default();
        let name = check.required("login", self.login).map(|text| check.text("login", &text, 1, EMAIL_MAX));
        let password = check.required("password", self.password);
        if let Some(password) = &password
            && password.chars().count() > password_rules::MAX
        {
            check.text("password", password, 0, password_rules::MAX);
        }
        check.finish(|| name.zip(password))
    }
}

impl From<Pair> for Tokens {
    fn from(pair: Pair) -> Self {
        // The database stores microseconds, so a whole number of seconds may come back as slightly less.
        let left = (pair.refresh_expires_at - pair.at).num_milliseconds() + 500;
        Self {
            access_token: pair.access,
            token_type: "Bearer".into(),
            expires_in: pair.access_lifetime.num_seconds(),
            refresh_token: pair.refresh,
            refresh_expires_in: left.div_euclid(1000).max(0),
        }
    }
}

fn invalid_credentials() -> Error {
    Error::refused(Code::InvalidCredentials, "The login or the password is wrong.")
}

/// Log in.
///
/// Open to all clients. Opens a session. 401 `invalid_credentials` is the same for an unknown user, a wrong password and an
/// inactive user. After too many wrong attempts, the client must wait: 429 `too_many_attempts` with `Retry-After`. 503 `busy` if
/// too many clients log in concurrently.
#[utoipa::path(
    operation_id = "login", tag = "auth", security(()), request_body = Login,
    responses((status = 200, description = "A new session's tokens", body = Tokens), Refusals)
)]
#[post("/auth/login")]
pub async fn login(app: AppState, body: Body<Login>, client: Client) -> Result<Json<Tokens>> {
    app.auth.cache.ensure_fresh_keys().await?;
    let (name, password) = body.get()?.validate()?;
    let _turn = app.auth.passwords.turn().await?;
    let network = client.prefix().to_string();
    let counted = app.transaction(move |app, conn| {
        let candidates = User::by_login(conn, &name)?;
        let ids: Vec<i64> = candidates.iter().map(|user| user.id).collect();
        let buckets = app.auth.throttle.login(conn, &name, &ids, &network)?;
        app.auth.throttle.take(conn, &buckets.all())?;
        Ok((candidates, buckets))
    });
    let (candidates, buckets) = counted.await?;
    let checked = check(candidates, password, &app.auth.passwords).await;
    if checked.as_ref().is_err_and(|error| error.code() == Code::Busy) {
        // The password was not checked, so this was not an attempt.
        let all = buckets.all();
        app.transaction(move |app, conn| app.auth.throttle.give_back(conn, &all)).await?;
    }
    let (user, new_hash) = checked?;
    let (user_id, network) = (user.id, client.prefix().to_string());
    let opened = app.transaction(move |app, conn| {
        // In the meantime, the user may have been deleted or deactivated, or the password changed.
        if !user.lock_as_read(conn)? {
            return Err(invalid_credentials());
        }
        if let Some(hash) = new_hash {
            user.replace_hash(conn, &hash)?;
        }
        app.auth.sessions.open(conn, user.id, &client.user_agent, &client.ip)
    });
    let pair = opened.await?;
    // In a separate transaction, since many logins share these rows, and would wait for each other while the session is written
    // to the disk.
    let noted = app.transaction(move |app, conn| {
        // Lock the user first, in the same order as the deletion of a user.
        User::touch_login(conn, user_id)?;
        app.auth.throttle.succeed(conn, &buckets, user_id, &network)
    });
    if let Err(error) = noted.await {
        // The session is open; the throttle forgives the attempt over time.
        tracing::warn!(cause = %error, "a login could not be recorded");
    }
    Ok(Json(pair.into()))
}

/// Return the candidate whose password this is. There may be several candidates, since a username may look like another user's
/// address. The check takes as long for an unknown user as for a known one. If the stored hash costs less to guess from than a
/// new one, a new hash is returned too.
async fn check(
    candidates: Vec<User>,
    password: String,
    passwords: &Passwords,
) -> Result<(User, Option<String>)> {
    if candidates.is_empty() {
        passwords.verify(password, None).await?;
        return Err(invalid_credentials());
    }
    for user in candidates {
        let verdict = passwords.verify(password.clone(), Some(user.password_hash.clone())).await?;
        if verdict.is_right() && user.is_active {
            let new_hash = match verdict {
                Verdict::Outdated => Some(passwords.hash(password).await?),
                _ => None,
            };
            return Ok((user, new_hash));
        }
    }
    Err(invalid_credentials())
}

/// Exchange a refresh token for the next pair.
///
/// Open to all clients. Uses the refresh token up. For ten seconds, the used token still returns the session's current tokens, so
/// that parallel tabs do no harm. For ten minutes, it returns its successor, as long as the successor has not been used, so that
/// you can repeat a request whose response was lost. Sent again later, it ends the session, since another client may have a copy.
/// After 401 `refresh_token_invalid` or `session_revoked`, log in again.
#[utoipa::path(
    operation_id = "refreshToken", tag = "auth", security(()), request_body = Refresh,
    responses((status = 200, description = "The session's next tokens", body = Tokens), Refusals)
)]
#[post("/auth/refresh")]
pub async fn refresh_token(app: AppState, body: Body<Refresh>) -> Result<Json<Tokens>> {
    let mut check = Check::default();
    let token = check.required("refresh_token", body.get()?.refresh_token);
    let token = check.finish(|| token)?;
    app.auth.cache.ensure_fresh_keys().await?;
    match app.transaction(move |app, conn| app.auth.sessions.refresh(conn, &token)).await? {
        RefreshOutcome::Pair(pair) => Ok(Json(Tokens::from(*pair))),
        RefreshOutcome::Replayed(user_id) => {
            app.auth.cache.evict(user_id);
            Err(invalid_refresh_token())
        }
    }
}

/// The session to end: that of the refresh token in the body, or else the caller's.
struct EndingSession {
    token: Option<String>,
    caller: Option<CurrentUser>,
}

impl EndingSession {
    fn new(caller: MaybeUser, body: OptionalBody<Logout>) -> Result<Self> {
        let token = match body.get()?.map(|body| body.refresh_token) {
            None | Some(Member::Absent) => None,
            Some(member) => {
                let mut check = Check::default();
                let token = check.required("refresh_token", member);
                Some(check.finish(|| token)?)
            }
        };
        let caller = caller.0.map(|user| user.as_ref().clone());
        if token.is_none() && caller.is_none() {
            let detail = "Send an access token, or a refresh token in the body.";
            return Err(Error::refused(Code::AuthenticationRequired, detail));
        }
        Ok(Self { token, caller })
    }

    /// Return the session, and its user if the session has not ended.
    fn session(&self, conn: &mut diesel::PgConnection, sessions: &Sessions) -> Result<(i64, Option<i64>)> {
        match (&self.token, &self.caller) {
            (Some(token), _) => {
                let id = sessions.session_of(token)?;
                Ok((id, Session::find(conn, id)?.map(|(session, _)| session.user_id)))
            }
            (None, Some(user)) => Ok((user.session_id, Some(user.id))),
            (None, None) => Err(ended()),
        }
    }
}

/// Log out.
///
/// Ends the session of the bearer token, or that of a refresh token in the body; 401 `authentication_required` without either.
/// The access tokens of the session are rejected from then on. It is not an error if the session of the refresh token has already
/// ended.
#[utoipa::path(
    operation_id = "logout", tag = "auth", security((), ("bearer" = [])),
    request_body(content = Option<Logout>),
    responses((status = 204, description = "The session has ended"), Refusals)
)]
#[post("/auth/logout")]
pub async fn logout(app: AppState, caller: MaybeUser, body: OptionalBody<Logout>) -> Result<HttpResponse> {
    let leaving = EndingSession::new(caller, body)?;
    let user = app
        .transaction(move |app, conn| {
            let (session, user) = leaving.session(conn, &app.auth.sessions)?;
            Session::end(conn, session)?;
            Ok(user)
        })
        .await?;
    if let Some(user) = user {
        app.auth.cache.evict(user);
    }
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Log out everywhere.
///
/// Ends every session of the user of the bearer token, or of a refresh token in the body, including this one; 401
/// `authentication_required` without either. 401 `session_revoked` if the session of the refresh token has already ended: then
/// the token no longer stands for the user.
#[utoipa::path(
    operation_id = "logoutAll", tag = "auth", security((), ("bearer" = [])),
    request_body(content = Option<Logout>),
    responses((status = 204, description = "Every session has ended"), Refusals)
)]
#[post("/auth/logout-all")]
pub async fn logout_all(
    app: AppState,
    caller: MaybeUser,
    body: OptionalBody<Logout>,
) -> Result<HttpResponse> {
    let leaving = EndingSession::new(caller, body)?;
    let user = app
        .transaction(move |app, conn| {
            let user = leaving.session(conn, &app.auth.sessions)?.1.ok_or_else(ended)?;
            Session::end_all(conn, user, None)?;
            Ok(user)
        })
        .await?;
    app.auth.cache.evict(user);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
