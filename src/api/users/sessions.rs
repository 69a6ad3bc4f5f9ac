//! All sessions of a user, for the user and for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete};

use super::may_change;
use crate::api::document::Refusals;
use crate::api::path::UsernamePath;
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::models::session::Session;
use crate::models::user::User;

/// Revoke every session of a user.
///
/// For the user and for staff; 403 for others. The tokens of the sessions are rejected on every node within a second.
#[utoipa::path(
    operation_id = "revokeUserSessions", tag = "users", security(("bearer" = [])),
    params(UsernamePath),
    responses((status = 204, description = "Every session has ended"), Refusals)
)]
#[delete("/users/{username}/sessions")]
pub async fn revoke_user_sessions(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
) -> Result<HttpResponse> {
    let revoked = app
        .db
        .transaction(move |conn| {
            let row = User::find(conn, &name.0, user.viewer())?;
            may_change(&user, &row)?;
            Session::end_all(conn, row.id, None)?;
            Ok(row.id)
        })
        .await?;
    app.auth.cache.evict(revoked);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
