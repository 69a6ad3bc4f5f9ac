//! Sessions: the logins of a user.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::conditional::ListResponse;
use crate::api::document::Refusals;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::Id;
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::lookups::table::Resource;
use crate::models::resources::SESSIONS;
use crate::models::session;
use crate::time::timestamp;

/// A session: one login, until it is logged out or revoked, or is not refreshed for too long.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Id of the session, for `revokeSession`.
    pub id: i64,
    /// `User-Agent` of the client at the login.
    #[schema(examples("Mozilla/5.0 (X11; Linux x86_64)"))]
    pub user_agent: String,
    /// IP address of the client at the login.
    #[schema(examples("203.0.113.7"))]
    pub ip: String,
    /// When the user logged in with the password.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the session was last refreshed.
    #[schema(format = DateTime)]
    pub last_used_at: String,
    /// Whether this is the session that sends the request.
    pub current: bool,
}

/// A page of sessions.
pub type SessionPage = Page<Session>;

impl Paged for Session {
    const PAGE: &'static str = "SessionPage";
    const RESOURCE: &'static Resource = &SESSIONS;
}

impl Session {
    /// Represent a session for a request of the session `current`.
    pub fn of(row: &session::Session, current: i64) -> Self {
        Self {
            id: row.id,
            user_agent: row.user_agent.clone(),
            ip: row.ip.clone(),
            created_at: timestamp(row.created_at),
            last_used_at: timestamp(row.last_used_at),
            current: row.id == current,
        }
    }
}

/// List your sessions.
///
/// For users who are logged in. Newest login first by default. Sessions that have ended are not listed.
#[utoipa::path(
    operation_id = "listSessions", tag = "auth", params(List<Session>), security(("bearer" = [])),
    responses((status = 200, description = "A page of sessions", body = SessionPage), Refusals)
)]
#[get("/auth/sessions")]
pub async fn list_sessions(app: AppState, user: CurrentUser, list: List<Session>) -> Result<ListResponse> {
    let slice = list.read(&app.db, |conn, selection| Ok(session::Session::page(conn, selection)?)).await?;
    list.answer(slice, |row| Session::of(row, user.session_id))
}

/// Revoke a session.
///
/// For the caller's own sessions. The tokens of the session are rejected from then on, on every node within a second. 404 if the
/// session has ended or is another user's.
#[utoipa::path(
    operation_id = "revokeSession", tag = "auth", security(("bearer" = [])),
    params(Id),
    responses((status = 204, description = "The session has ended"), Refusals)
)]
#[delete("/auth/sessions/{id}")]
pub async fn revoke_session(app: AppState, user: CurrentUser, id: Id) -> Result<HttpResponse> {
    let (id, user_id) = (id.0, user.id);
    if !app.db.transaction(move |conn| Ok(session::Session::end_of(conn, id, user_id)?)).await? {
        return Err(Error::not_found());
    }
    app.auth.cache.evict(user.id);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
