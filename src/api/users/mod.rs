//! Users: registration, reading, administration, deletion.

mod body;
pub mod export;
pub mod password;
pub mod sessions;

use actix_web::web::Json;
use actix_web::{delete, get, patch, post};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use super::Deleted;
use super::body::Body;
use super::client::Client;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::idempotency::IdempotencyKey;
use super::list::List;
use super::page::{Page, Paged};
use super::path::UsernamePath;
use crate::api::state::AppState;
use crate::auth::mail_tokens::MailTokens;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Code, Error, OnConstraint, Result, Violation};
use crate::lookups::table::Resource;
use crate::models::Viewer;
use crate::models::account_token::{AccountToken, TokenPurpose};
use crate::models::job_payload::AccountNotice;
use crate::models::names::Email;
use crate::models::post::Post;
use crate::models::resources::USERS;
use crate::models::session::Session;
use crate::models::user::{self, NewUser};
use crate::time::timestamp;
use crate::urls::Urls;
pub(super) use body::parse_email;
pub use body::{CreateUser, Registration, UpdateUser};

/// A user. For callers other than the user and staff, `email` and the fields after it are `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Unique id, which is never reused.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Unique regardless of case; never changes.
    #[schema(examples("ana"))]
    pub username: String,
    /// When the user registered.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// E-mail address; unique regardless of case.
    #[schema(required, examples("ana@example.org"))]
    pub email: Option<String>,
    /// When the address was confirmed; `null` if it has not been.
    #[schema(required, format = DateTime)]
    pub email_verified_at: Option<String>,
    /// Whether the user may log in.
    #[schema(required)]
    pub is_active: Option<bool>,
    /// Whether the user is a staff member, who may administer everything.
    #[schema(required)]
    pub is_staff: Option<bool>,
    /// When the user last logged in with the password.
    #[schema(required, format = DateTime)]
    pub last_login: Option<String>,
}

/// A page of users.
pub type UserPage = Page<User>;

impl Paged for User {
    const PAGE: &'static str = "UserPage";
    const RESOURCE: &'static Resource = &USERS;
}

impl User {
    /// Represent a user as `viewer` may see it.
    pub fn of(row: &user::User, viewer: Viewer, urls: &Urls) -> Self {
        let private = viewer.is_staff() || viewer.id() == Some(row.id);
        Self {
            id: row.id,
            url: urls.user(&row.username),
            username: row.username.clone(),
            created_at: timestamp(row.created_at),
            email: private.then(|| row.email.clone()),
            email_verified_at: row.email_verified_at.filter(|_| private).map(timestamp),
            is_active: private.then_some(row.is_active),
            is_staff: private.then_some(row.is_staff),
            last_login: row.last_login.filter(|_| private).map(timestamp),
        }
    }
}

/// Insert a user; the database creates the profile. 409 if another user has the name or the address.
pub fn insert(conn: &mut diesel::PgConnection, new: &NewUser) -> Result<user::User> {
    new.insert(conn)
        .on_constraint("users_username_key_key", Code::UsernameTaken)
        .on_constraint("users_email_key_key", Code::EmailTaken)
}

/// Register a user.
///
/// Open to all clients. Creates the user and the user's profile, and sends a mail with which the user confirms the address. The
/// user can log in immediately; registering does not log in. 409 `username_taken` or `email_taken` if another user has the name
/// or the address, in any case. 429 `too_many_attempts` after too many registrations from one network.
#[utoipa::path(
    operation_id = "createUser", tag = "users", security(()), request_body = CreateUser,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The user", body = User, headers(
            ("Location" = String, description = "The user's canonical URL"), ("ETag" = String, description = "The user's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/users")]
pub async fn create_user(
    app: AppState,
    once: IdempotencyKey,
    body: Body<CreateUser>,
    client: Client,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    if let Some(answer) = request.answer(&app.db).await? {
        return Ok(answer);
    }
    let registration = body.get()?.validate()?;
    let buckets = app.auth.throttle.registration(&client.prefix().to_string());
    app.transaction(move |app, conn| app.auth.throttle.take(conn, &buckets)).await?;
    let email = registration.email.clone();
    let new = match registration.prepare(&app.db, &app.auth.passwords, false).await {
        Ok(new) => new,
        // The name may be taken because this same request, sent before with the same key, has taken it in the meantime.
        Err(error) => return request.answer(&app.db).await?.ok_or(error),
    };
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            let row = insert(conn, &new)?;
            app.auth.mail_tokens.send(conn, row.id, TokenPurpose::ConfirmAddress, &email)?;
            // The answer goes to the client that has just created the user, so it shows what the user may see.
            let user = User::of(&row, Viewer::Member(row.id), &app.urls);
            Ok((ResourceResponse::new(row.version, &user)?.created(user.url), row.id))
        })
    })
    .await
}

/// List users.
///
/// Open to all clients. Sorted by username by default. Only staff see inactive users. For callers other than the user and staff,
/// `email` and the fields after it are `null`.
#[utoipa::path(
    operation_id = "listUsers", tag = "users", params(List<User>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of users", body = UserPage), Refusals)
)]
#[get("/users")]
pub async fn list_users(app: AppState, caller: MaybeUser, list: List<User>) -> Result<ListResponse> {
    let viewer = caller.viewer();
    let slice = list.read(&app.db, |conn, selection| Ok(user::User::page(conn, selection)?)).await?;
    list.answer(slice, |row| User::of(row, viewer, &app.urls))
}

/// Read a user.
///
/// Open to all clients. The name is accepted in any case; `me` requires a token. An inactive user is 404 for all callers except
/// staff.
#[utoipa::path(
    operation_id = "getUser", tag = "users", security((), ("bearer" = [])),
    params(UsernamePath),
    responses((status = 200, description = "The user", body = User), Refusals)
)]
#[get("/users/{username}")]
pub async fn get_user(app: AppState, caller: MaybeUser, name: UsernamePath) -> Result<ResourceResponse> {
    let viewer = caller.viewer();
    let row = app.db.run(move |conn| Ok(user::User::find(conn, &name.0, viewer)?)).await?;
    ResourceResponse::new(row.version, &User::of(&row, viewer, &app.urls))
}

/// Change a user.
///
/// Users can change their own `email`, which requires `current_password`. The new address takes effect once the user has
/// confirmed it with the mail that is sent to it; the old address is notified. Staff can change every field of other users, with
/// immediate effect, and their own `is_active` and `is_staff`. 403 for any other change. 409 `last_staff` if no staff member
/// would remain.
///
/// A wrong `current_password` is 422 with `password_wrong`, and 429 `too_many_attempts` after too many of them. An address that
/// another user has is 409 `email_taken`.
#[utoipa::path(
    operation_id = "updateUser", tag = "users", security(("bearer" = [])), request_body = UpdateUser,
    params(UsernamePath, IfMatch),
    responses((status = 200, description = "The user", body = User), Refusals)
)]
#[patch("/users/{username}")]
pub async fn update_user(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    if_match: IfMatch,
    body: Body<UpdateUser>,
) -> Result<ResourceResponse> {
    let viewer = user.viewer();
    let target = name.clone();
    let before = app.db.run(move |conn| Ok(user::User::find(conn, &target.0, viewer)?)).await?;
    may_change(&user, &before)?;
    let shaped = body.get();
    if shaped.as_ref().is_ok_and(UpdateUser::is_administration) && !user.is_staff {
        return Err(Error::forbidden());
    }
    if_match.check(before.version)?;
    let change = shaped?.validate(before.id == user.id, &before.email)?;
    if let Some(password) = change.password.clone() {
        confirm(&app, &before, password).await?;
    }
    if let Some(email) = &change.wanted_email {
        let buckets = app.auth.throttle.own_mail(email, before.id);
        app.transaction(move |app, conn| app.auth.throttle.take(conn, &buckets)).await?;
    }
    let row = app
        .transaction(move |app, conn| {
            let tokens = &app.auth.mail_tokens;
            let steps_down = change.row.is_active == Some(false) || change.row.is_staff == Some(false);
            let staff = if steps_down { user::User::lock_staff(conn)? } else { Vec::new() };
            let row = user::User::lock(conn, &name.0, viewer)?;
            // The name may now belong to another user than the one whose password was checked.
            if row.id != before.id {
                return Err(Error::not_found());
            }
            if_match.check(row.version)?;
            // If the password has changed since, the old one no longer allows the change.
            if change.password.is_some() && row.password_hash != before.password_hash {
                return Err(wrong_password());
            }
            if steps_down {
                keep_one_staff(&staff, &row)?;
            }
            if let Some(email) = &change.wanted_email {
                want_email(conn, tokens, &row, email)?;
            }
            change_row(conn, tokens, &row, &change)
        })
        .await?;
    app.auth.cache.evict(row.id);
    ResourceResponse::new(row.version, &User::of(&row, viewer, &app.urls))
}

/// Record the address that users request for themselves. It takes effect once it is confirmed.
fn want_email(
    conn: &mut diesel::PgConnection,
    tokens: &MailTokens,
    row: &user::User,
    email: &Email,
) -> Result<()> {
    if row.is_email_taken(conn, email)? {
        return Err(Error::refused(Code::EmailTaken, Code::EmailTaken.entry().meaning));
    }
    // Only the latest request counts.
    AccountToken::void_wishes(conn, row)?;
    tokens.send(conn, row.id, TokenPurpose::ConfirmAddress, email)?;
    Ok(AccountNotice::AddressChangeRequested.send(conn, row)?)
}

/// Apply the changes that take effect immediately, which are those that staff make.
fn change_row(
    conn: &mut diesel::PgConnection,
    tokens: &MailTokens,
    row: &user::User,
    change: &body::Change,
) -> Result<user::User> {
    let changed = row.update(conn, &change.row).on_constraint("users_email_key_key", Code::EmailTaken)?;
    if let Some(email) = &change.new_email {
        row.void_tokens(conn)?;
        tokens.send(conn, row.id, TokenPurpose::ConfirmAddress, email)?;
        AccountNotice::AddressChanged.send(conn, row)?;
    }
    if !changed.is_active {
        row.void_tokens(conn)?;
        Session::end_all(conn, row.id, None)?;
    }
    Ok(changed)
}

fn may_change(user: &CurrentUser, target: &user::User) -> Result<()> {
    if user.is_staff || user.id == target.id { Ok(()) } else { Err(Error::forbidden()) }
}

/// 422 unless this is the user's password; 429 after too many wrong ones.
async fn confirm(app: &AppState, user: &user::User, password: String) -> Result<()> {
    let _turn = app.auth.passwords.turn().await?;
    let buckets = app.auth.throttle.password(user.id);
    let counted = buckets.clone();
    app.transaction(move |app, conn| app.auth.throttle.take(conn, &counted)).await?;
    let verdict = app.auth.passwords.verify(password, Some(user.password_hash.clone())).await;
    if verdict.as_ref().is_ok_and(|verdict| !verdict.is_right()) {
        return Err(wrong_password());
    }
    app.transaction(move |app, conn| app.auth.throttle.give_back(conn, &buckets)).await?;
    verdict.map(drop)
}

fn wrong_password() -> Error {
    Error::invalid(Violation::body(
        "/current_password",
        "password_wrong",
        "This is not your current password.",
    ))
}

/// 409 if no staff member would remain. `staff` are the ids of the active staff members, whose rows are locked.
fn keep_one_staff(staff: &[i64], user: &user::User) -> Result<()> {
    if staff == [user.id] {
        return Err(Error::refused(Code::LastStaff, Code::LastStaff.entry().meaning));
    }
    Ok(())
}

/// Delete a user.
///
/// Cascades to the user's profile, avatar, posts, comments and sessions, and to all comments on the user's posts. Users can
/// delete themselves if their login is fresh, by default at most ten minutes old; otherwise 403 `reauthentication_required`: log in again, then
/// repeat the request. Staff can delete any user. The last active staff member cannot be deleted: 409 `last_staff`.
#[utoipa::path(
    operation_id = "deleteUser", tag = "users", security(("bearer" = [])),
    params(UsernamePath, IfMatch),
    responses((status = 200, description = "Number of deleted rows, by type", body = Deleted), Refusals)
)]
#[delete("/users/{username}")]
pub async fn delete_user(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    if_match: IfMatch,
) -> Result<Json<Deleted>> {
    let fresh_login = app.fresh_login;
    let (id, deleted) = app
        .db
        .long_transaction(move |conn| {
            let staff = user::User::lock_staff(conn)?;
            // Lock posts before their users, in the same order as a request that changes a post.
            Post::lock_all_of(conn, &name.0)?;
            let row = user::User::lock(conn, &name.0, user.viewer())?;
            may_change(&user, &row)?;
            if !user.is_staff && Utc::now() - user.logged_in_at > fresh_login {
                let detail = "Your login is too old for this. Log in again, then repeat the request.";
                return Err(Error::refused(Code::ReauthenticationRequired, detail));
            }
            if_match.check(row.version)?;
            keep_one_staff(&staff, &row)?;
            let counts = Post::delete_all_by(conn, row.id)?;
            row.delete(conn)?;
            Ok((row.id, Deleted::of(counts).and([("users", 1), ("profiles", 1)])))
        })
        .await?;
    app.auth.cache.evict(id);
    Ok(Json(deleted))
}
