//! The caller's password.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, put};
use serde::Deserialize;
use utoipa::ToSchema;

use super::confirm;
use crate::api::body::Body;
use crate::api::document::Refusals;
use crate::api::input::{Check, Member};
use crate::api::path::UsernamePath;
use crate::api::state::AppState;
use crate::auth::{CurrentUser, password_rules};
use crate::error::{Error, Result};
use crate::models::job_payload::AccountNotice;
use crate::models::user::User;

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The current password.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, max_length = 256)]
    current_password: Member<String>,
    /// The new password. The rules of a registration apply.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 256)]
    new_password: Member<String>,
}

/// Change your password.
///
/// For the user alone; 403 for others, including staff. Every other session ends immediately, and the tokens in all mails become
/// void. The session that sends the request continues. A wrong `current_password` is 422 with `password_wrong`, and 429
/// `too_many_attempts` after too many of them.
#[utoipa::path(
    operation_id = "changePassword", tag = "users", security(("bearer" = [])), request_body = ChangePassword,
    params(UsernamePath),
    responses((status = 204, description = "The password is changed"), Refusals)
)]
#[put("/users/{username}/password")]
pub async fn change_password(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    body: Body<ChangePassword>,
) -> Result<HttpResponse> {
    let viewer = user.viewer();
    let row = app.db.run(move |conn| Ok(User::find(conn, &name.0, viewer)?)).await?;
    if row.id != user.id {
        return Err(Error::forbidden());
    }
    let body = body.get()?;
    let mut check = Check::default();
    let current = check.required("current_password", body.current_password);
    let new = check.required("new_password", body.new_password);
    if let Some(new) = &new {
        check.characters("new_password", new);
        check.faults(password_rules::judge(new, &row.username, &row.email, "/new_password"));
    }
    let (current, new) = check.finish(|| current.zip(new))?;
    confirm(&app, &row, current).await?;
    let hash = app.auth.passwords.hash(new).await?;
    app.db
        .transaction(move |conn| {
            if !row.set_password(conn, &hash, Some(user.session_id))? {
                // The password was changed, or the user deactivated, since the check. So the client that sends the request may not be
                // the user.
                return Err(super::wrong_password());
            }
            Ok(AccountNotice::PasswordChanged.send(conn, &row)?)
        })
        .await?;
    app.auth.cache.evict(user.id);
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
