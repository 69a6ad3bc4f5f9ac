//! Sessions: where a user is logged in.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::conditional::Listed;
use crate::api::document::Refusals;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::Id;
use crate::api::timestamp;
use crate::auth::CurrentUser;
use crate::auth::callers::Callers;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::lookups::table::Resource;
use crate::models::resources::SESSIONS;
use crate::models::session;

/// A session: one login, until it is logged out, revoked or not refreshed for too long.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// For `revokeSession`.
    pub id: i64,
    /// What the client called itself when it logged in.
    #[schema(examples("Mozilla/5.0 (X11; Linux x86_64)"))]
    pub user_agent: String,
    /// The address that it logged in from.
    #[schema(examples("203.0.113.7"))]
    pub ip: String,
    /// When the password was given.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last refreshed.
    #[schema(format = DateTime)]
    pub last_used_at: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A page of them.
pub type SessionPage = Page<Session>;

impl Paged for Session {
    const PAGE: &'static str = "SessionPage";
    const RESOURCE: &'static Resource = &SESSIONS;
}

impl Session {
    /// As shown to the session `current`.
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

/// List one's sessions.
///
/// The newest login first. An ended session is not listed.
#[utoipa::path(
    operation_id = "listSessions", tag = "auth", params(List<Session>), security(("bearer" = [])),
    responses((status = 200, description = "A page of sessions", body = SessionPage), Refusals)
)]
#[get("/auth/sessions")]
pub async fn list_sessions(user: CurrentUser, list: List<Session>, db: Data<Db>) -> Result<Listed> {
    let slice = list.read(&db, |conn, selection| Ok(session::Session::page(conn, selection)?)).await?;
    list.answer(slice, |row| Session::of(row, user.session_id))
}

/// Revoke a session.
///
/// One's own: its tokens are refused from then on, on every node within a second. 404 for one that has ended, or is
/// another user's.
#[utoipa::path(
    operation_id = "revokeSession", tag = "auth", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The session's id")),
    responses((status = 204, description = "The session has ended"), Refusals)
)]
#[delete("/auth/sessions/{id}")]
pub async fn revoke_session(
    user: CurrentUser,
    id: Id,
    db: Data<Db>,
    callers: Data<Callers>,
) -> Result<HttpResponse> {
    let (id, user_id) = (id.0, user.id);
    if !db.run(move |conn| Ok(session::Session::end_of(conn, id, user_id)?)).await? {
        return Err(Error::not_found());
    }
    callers.forget(user.id);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
