//! Login, refresh, logout.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, post};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, OptionalBody};
use super::client::Client;
use super::document::Refusals;
use super::input::{Check, Member};
use crate::auth::MaybeUser;
use crate::auth::passwords::{self, Passwords};
use crate::auth::tokens::{ACCESS_LIFETIME, AccessTokens, RefreshTokens, Ticket, hash};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::models::names::EMAIL_MAX;
use crate::models::session::{NewSession, Session};
use crate::models::user::User;

/// How long a refresh token is good for when it is not used.
const SLIDING: TimeDelta = TimeDelta::days(14);
/// How long a session lasts, however often it is refreshed.
const ABSOLUTE: TimeDelta = TimeDelta::days(90);
/// How long a rotated refresh token keeps answering with its successor, as long as that has not been used: an answer that
/// was lost does no harm.
const SECOND_CHANCE: TimeDelta = TimeDelta::minutes(10);

/// A pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// For the `Authorization` header.
    pub access_token: String,
    /// How to send it.
    #[schema(examples("Bearer"))]
    pub token_type: String,
    /// Seconds that the access token is good for.
    #[schema(minimum = 0, examples(900))]
    pub expires_in: i64,
    /// For `refreshToken`, once.
    pub refresh_token: String,
    /// Seconds that the refresh token is good for.
    #[schema(minimum = 0, examples(1_209_600))]
    pub refresh_expires_in: i64,
}

/// Who logs in.
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

/// What to refresh.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token of the session.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 512)]
    refresh_token: Member<String>,
}

/// Whose session to end, where no bearer token says it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// A refresh token of the session.
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
            && password.chars().count() > passwords::MAX
        {
            check.text("password", password, 0, passwords::MAX);
        }
        check.finish(|| name.zip(password))
    }
}

/// Everything that turns a session into tokens.
#[derive(Clone)]
pub struct Issuer {
    /// Makes access tokens.
    pub access: Data<AccessTokens>,
    /// Makes refresh tokens.
    pub refresh: Data<RefreshTokens>,
}

impl Issuer {
    fn tokens(
        &self,
        user_id: i64,
        ticket: Ticket,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Tokens> {
        Ok(Tokens {
            access_token: self.access.issue(user_id, ticket.session_id, now)?,
            token_type: "Bearer".into(),
            expires_in: i64::try_from(ACCESS_LIFETIME.as_secs()).unwrap_or(i64::MAX),
            refresh_token: self.refresh.seal(ticket)?,
            // The database keeps microseconds, so a whole number of seconds may come back as a little less.
            refresh_expires_in: ((expires_at - now).num_milliseconds() + 500).div_euclid(1000).max(0),
        })
    }

    /// Open a session for a user whose password was right.
    pub fn open_session(&self, conn: &mut PgConnection, user_id: i64, client: &Client) -> Result<Tokens> {
        let now = Utc::now();
        let ticket = Ticket { session_id: random_id()?, generation: 0 };
        let tokens = self.tokens(user_id, ticket, now + SLIDING, now)?;
        NewSession {
            id: ticket.session_id,
            user_id,
            token_hash: &hash(&tokens.refresh_token),
            user_agent: &client.user_agent,
            ip: &client.ip,
            expires_at: now + SLIDING,
        }
        .insert(conn)?;
        User::touch_login(conn, user_id)?;
        Ok(tokens)
    }

    /// The next tokens of the family, the present ones again, or `None` after a replay, which has ended the family.
    fn rotate(&self, conn: &mut PgConnection, token: &str, ticket: Ticket) -> Result<Option<Tokens>> {
        let now = Utc::now();
        let Some(session) = Session::find(conn, ticket.session_id)? else {
            return Err(invalid_refresh_token());
        };
        let expires_at = (now + SLIDING).min(session.created_at + ABSOLUTE);
        let next = Ticket { generation: ticket.generation + 1, ..ticket };
        let next_hash = hash(&self.refresh.seal(next)?);
        let rotated = Session::rotate(
            conn,
            ticket.session_id,
            ticket.generation,
            &hash(token),
            &next_hash,
            expires_at,
        )?;
        if let Some(session) = rotated {
            return self.tokens(session.user_id, next, session.expires_at, now).map(Some);
        }
        // Somebody was faster, or the token is old.
        let Some(session) = Session::find(conn, ticket.session_id)? else {
            return Err(invalid_refresh_token());
        };
        if session.generation == next.generation && now - session.rotated_at < SECOND_CHANCE {
            return self.tokens(session.user_id, next, session.expires_at, now).map(Some);
        }
        Session::end(conn, session.id)?;
        Ok(None)
    }
}

/// 53 random bits: as many as a number of JavaScript holds.
fn random_id() -> Result<i64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(i64::from_be_bytes(bytes) & ((1 << 53) - 1))
}

fn invalid_credentials() -> Error {
    Error::refused(Code::InvalidCredentials, "Login or password is wrong.")
}

fn invalid_refresh_token() -> Error {
    Error::refused(Code::RefreshTokenInvalid, "The refresh token is unknown, expired or was used before.")
}

/// Log in.
///
/// Opens a session. 401 `invalid_credentials` alike for an unknown user, a wrong password and an inactive user; 503
/// `busy` when too many log in at once.
#[utoipa::path(
    operation_id = "login", tag = "auth", security(()), request_body = Login,
    responses((status = 200, description = "A new session's tokens", body = Tokens), Refusals)
)]
#[post("/auth/login")]
pub async fn login(
    body: Body<Login>,
    client: Client,
    db: Data<Db>,
    passwords: Data<Passwords>,
    issuer: Data<Issuer>,
) -> Result<Json<Tokens>> {
    let (name, password) = body.get()?.validate()?;
    let user =
        verify(db.run(move |conn| Ok(User::by_login(conn, &name)?)).await?, password, &passwords).await?;
    let tokens = db.transaction(move |conn| {
        // Meanwhile, the user may have been deleted or deactivated, or the password changed.
        if !user.is_still_as_read(conn)? {
            return Err(invalid_credentials());
        }
        issuer.open_session(conn, user.id, &client)
    });
    tokens.await.map(Json)
}

/// Whichever user the password fits: a username may look like somebody else's address. Nobody takes as long as somebody.
async fn verify(candidates: Vec<User>, password: String, passwords: &Passwords) -> Result<User> {
    if candidates.is_empty() {
        passwords.verify(password, None).await?;
        return Err(invalid_credentials());
    }
    for user in candidates {
        if passwords.verify(password.clone(), Some(user.password_hash.clone())).await? && user.is_active {
            return Ok(user);
        }
    }
    Err(invalid_credentials())
}

/// Exchange a refresh token for the next pair.
///
/// The token given is used up. For ten minutes it answers with the same successor again, as long as that has not
/// been used: an answer that was lost does no harm. Given again later, it ends the session.
#[utoipa::path(
    operation_id = "refreshToken", tag = "auth", security(()), request_body = Refresh,
    responses((status = 200, description = "The session's next tokens", body = Tokens), Refusals)
)]
#[post("/auth/refresh")]
pub async fn refresh_token(body: Body<Refresh>, db: Data<Db>, issuer: Data<Issuer>) -> Result<Json<Tokens>> {
    let mut check = Check::default();
    let token = check.required("refresh_token", body.get()?.refresh_token);
    let token = check.finish(|| token)?;
    let ticket = issuer.refresh.open(&token).ok_or_else(invalid_refresh_token)?;
    let tokens = db.transaction(move |conn| issuer.rotate(conn, &token, ticket)).await?;
    tokens.map(Json).ok_or_else(invalid_refresh_token)
}

/// Log out.
///
/// Ends the session of the bearer token, or that of a refresh token in the body; its access tokens are refused from
/// then on. Ending an ended session is no error.
#[utoipa::path(
    operation_id = "logout", tag = "auth", security((), ("bearer" = [])),
    request_body(content = Option<Logout>),
    responses((status = 204, description = "The session has ended"), Refusals)
)]
#[post("/auth/logout")]
pub async fn logout(
    caller: MaybeUser,
    body: OptionalBody<Logout>,
    db: Data<Db>,
    issuer: Data<Issuer>,
) -> Result<HttpResponse> {
    let given = match body.get()?.map(|body| body.refresh_token) {
        None | Some(Member::Absent) => None,
        Some(member) => {
            let mut check = Check::default();
            let token = check.required("refresh_token", member);
            Some(check.finish(|| token)?)
        }
    };
    let session_id = match (given, caller.0) {
        (Some(token), _) => issuer.refresh.open(&token).ok_or_else(invalid_refresh_token)?.session_id,
        (None, Some(user)) => user.session_id,
        (None, None) => {
            let detail = "Send an access token, or a refresh token in the body.";
            return Err(Error::refused(Code::AuthenticationRequired, detail));
        }
    };
    db.run(move |conn| Ok(Session::end(conn, session_id)?)).await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
