//! Users: registration, reading, administration, deletion.

use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, Listed, Versioned};
use super::document::Refusals;
use super::input::{Check, Member};
use super::page::{self, List, Page, PageQuery, Paged};
use super::path::NamedUser;
use super::query::Query;
use super::urls::Urls;
use super::{Deleted, timestamp, to_its_end};
use crate::auth::passwords::{self, Passwords};
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Code, Error, OnConstraint, Result, Violation};
use crate::lookups::cursor::Cursors;
use crate::media::Media;
use crate::models::Viewer;
use crate::models::names::{Email, Username};
use crate::models::post::Post;
use crate::models::profile::Profile;
use crate::models::session::Session;
use crate::models::user::{self, Clash, NewUser, UserChanges};

/// How old a login may be that deletes its user.
const FRESH_LOGIN: TimeDelta = TimeDelta::minutes(10);

/// A user. From `email` on, `null` to others than oneself and staff.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Never used twice.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Unique whatever the case; never changes.
    #[schema(examples("ana"))]
    pub username: String,
    /// When the user registered.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Unique whatever the case.
    #[schema(required, examples("ana@example.org"))]
    pub email: Option<String>,
    /// When the address was confirmed.
    #[schema(required, format = DateTime)]
    pub email_verified_at: Option<String>,
    /// Whether the user may log in.
    #[schema(required)]
    pub is_active: Option<bool>,
    /// Whether the user may administer everything.
    #[schema(required)]
    pub is_staff: Option<bool>,
    /// When the user last gave the password.
    #[schema(required, format = DateTime)]
    pub last_login: Option<String>,
}

/// A page of them.
pub type UserPage = Page<User>;

impl Paged for User {
    const PAGE: &'static str = "UserPage";
}

impl User {
    /// As `viewer` may see it.
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

/// Who wants to be a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Unicode letters, digits and `@ . + - _`; not dots alone, not `me`.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 150, examples("ana"))]
    username: Member<String>,
    /// An address that mail reaches.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, examples("ana@example.org"))]
    email: Member<String>,
    /// Not all digits, not near the username or the address. White space counts.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 256)]
    password: Member<String>,
}

/// A registration without faults, its password not hashed yet.
pub struct Registration {
    /// The name.
    pub username: Username,
    /// The address.
    pub email: Email,
    /// In clear.
    pub password: String,
}

impl CreateUser {
    fn validate(self) -> Result<Registration> {
        let mut check = Check::default();
        let username = check.required("username", self.username);
        let email = check.required("email", self.email);
        let password = check.required("password", self.password);
        Registration::check(check, username, email, password)
    }
}

impl Registration {
    /// For others than HTTP: the command line.
    pub fn new(username: String, email: String, password: String) -> Result<Self> {
        Self::check(Check::default(), Some(username), Some(email), Some(password))
    }

    fn check(
        mut check: Check,
        username: Option<String>,
        email: Option<String>,
        password: Option<String>,
    ) -> Result<Self> {
        let parsed_username = username.as_deref().and_then(|text| parse_username(&mut check, text));
        let parsed_email = email.as_deref().and_then(|text| parse_email(&mut check, text));
        if let Some(password) = &password {
            check.characters("password", password);
            check.faults(passwords::judge(
                password,
                username.as_deref().unwrap_or_default(),
                email.as_deref().unwrap_or_default(),
                "/password",
            ));
        }
        check.finish(|| Some(Self { username: parsed_username?, email: parsed_email?, password: password? }))
    }

    /// Hash the password, unless name or address are taken already: that is found out cheaply.
    pub async fn prepare(self, db: &Db, passwords: &Passwords, is_staff: bool) -> Result<NewUser> {
        let (username, email) = (self.username.clone(), self.email.clone());
        match db.run(move |conn| Ok(NewUser::clash(conn, &username, &email)?)).await? {
            Some(Clash::Username) => {
                Err(Error::refused(Code::UsernameTaken, Code::UsernameTaken.entry().meaning))
            }
            Some(Clash::Email) => Err(Error::refused(Code::EmailTaken, Code::EmailTaken.entry().meaning)),
            None => Ok(NewUser {
                password_hash: passwords.hash(self.password).await?,
                username: self.username,
                email: self.email,
                is_staff,
            }),
        }
    }
}

fn parse_username(check: &mut Check, text: &str) -> Option<Username> {
    let text = check.text("username", text, 1, crate::models::names::USERNAME_MAX);
    let parsed = Username::parse(&text);
    if parsed.is_none() && !text.is_empty() {
        check.fault(Violation::body(
            "/username",
            "invalid_username",
            "A username is made of letters, digits and @ . + - _, not of dots alone, and is not `me`.",
        ));
    }
    parsed
}

fn parse_email(check: &mut Check, text: &str) -> Option<Email> {
    let text = check.text("email", text, 1, crate::models::names::EMAIL_MAX);
    let parsed = Email::parse(&text);
    if parsed.is_none() && !text.is_empty() {
        check.fault(Violation::body("/email", "invalid_email", "This is no e-mail address."));
    }
    parsed
}

/// Insert a user; the database makes the profile. 409 for a name or address that somebody has.
pub fn insert(conn: &mut diesel::PgConnection, new: &NewUser) -> Result<user::User> {
    new.insert(conn)
        .on_constraint("users_username_key_key", Code::UsernameTaken)
        .on_constraint("users_email_key_key", Code::EmailTaken)
}

/// Register.
///
/// The user's profile is made with it, and `login` may follow at once. 409 `username_taken` or `email_taken` where
/// somebody has the name or the address in whatever case.
#[utoipa::path(
    operation_id = "createUser", tag = "users", security(()), request_body = CreateUser,
    responses(
        (status = 201, description = "The user", body = User, headers(
            ("Location" = String, description = "The user's canonical URL"), ("ETag" = String, description = "The version"))),
        Refusals
    )
)]
#[post("/users")]
pub async fn create_user(
    body: Body<CreateUser>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let new = body.get()?.validate()?.prepare(&db, &passwords, false).await?;
    let row = db.transaction(move |conn| insert(conn, &new)).await?;
    // The answer goes to whoever has just made it, so it is shown as to oneself.
    let user = User::of(&row, Viewer::Member(row.id), &urls);
    Ok(Versioned::new(row.version, &user)?.created(user.url))
}

/// List users.
///
/// By name. Inactive ones are shown to staff only.
#[utoipa::path(
    operation_id = "listUsers", tag = "users", params(PageQuery), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of users", body = UserPage), Refusals)
)]
#[get("/users")]
pub async fn list_users(
    caller: MaybeUser,
    query: Query<PageQuery>,
    db: Data<Db>,
    cursors: Data<Cursors>,
    urls: Data<Urls>,
) -> Result<Listed> {
    const LIST: List = List { path: "/api/v1/users", ordering: "username" };
    let viewer = caller.viewer();
    let keyset = query.0.keyset(&cursors, &LIST, page::text)?;
    let slice = db.run(move |conn| Ok(user::User::page(conn, viewer, &keyset)?)).await?;
    let key = |row: &user::User| (row.username_key.clone().into(), row.id);
    query.0.page(&cursors, &urls, &LIST, slice, key, |row| User::of(row, viewer, &urls))
}

/// Read a user.
///
/// By any case of the name. An inactive user is 404 to all but staff.
#[utoipa::path(
    operation_id = "getUser", tag = "users", security((), ("bearer" = [])),
    params(("username" = String, Path, description = "Username in any case, or `me`")),
    responses((status = 200, description = "The user", body = User), Refusals)
)]
#[get("/users/{username}")]
pub async fn get_user(
    caller: MaybeUser,
    name: NamedUser,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let viewer = caller.viewer();
    let row = db.run(move |conn| Ok(user::User::find(conn, &name.0, viewer)?)).await?;
    Versioned::new(row.version, &User::of(&row, viewer, &urls))
}

/// What to change. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Another address, which is then unconfirmed.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = "email", max_length = 254)]
    email: Member<String>,
    /// Needed to change one's own address.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = Password)]
    current_password: Member<String>,
    /// Staff only: whether the user may log in.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    is_active: Member<bool>,
    /// Staff only: whether the user may administer everything.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    is_staff: Member<bool>,
}

impl UpdateUser {
    fn is_administration(&self) -> bool {
        self.is_active != Member::Absent || self.is_staff != Member::Absent
    }

    /// The changes, and the password that must be right for them.
    fn validate(self, of_oneself: bool, present_email: &str) -> Result<(UserChanges, Option<String>)> {
        let mut check = Check::default();
        let email = check.optional("email", self.email);
        let email = email.and_then(|text| parse_email(&mut check, &text));
        let password = match (of_oneself && email.is_some(), self.current_password) {
            (true, password) => check.required("current_password", password),
            (false, _) => None,
        };
        let mut changes = UserChanges {
            is_active: check.optional("is_active", self.is_active),
            is_staff: check.optional("is_staff", self.is_staff),
            ..UserChanges::default()
        };
        if let Some(email) = &email
            && email.as_str() != present_email
        {
            changes.set_email(email);
        }
        check.finish(|| Some((changes, password)))
    }
}

/// Change a user.
///
/// Oneself: `email`, with `current_password`. Staff: everything, of anyone; 409 `last_staff` where nobody would be
/// left to administer.
#[utoipa::path(
    operation_id = "updateUser", tag = "users", security(("bearer" = [])), request_body = UpdateUser,
    params(
        ("username" = String, Path, description = "Username in any case, or `me`"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses((status = 200, description = "The user", body = User), Refusals)
)]
#[patch("/users/{username}")]
pub async fn update_user(
    user: CurrentUser,
    name: NamedUser,
    if_match: IfMatch,
    body: Body<UpdateUser>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let viewer = user.viewer();
    let target = name.clone();
    let before = db.run(move |conn| Ok(user::User::find(conn, &target.0, viewer)?)).await?;
    may_change(&user, &before)?;
    let shaped = body.get();
    if shaped.as_ref().is_ok_and(UpdateUser::is_administration) && !user.is_staff {
        return Err(Error::forbidden());
    }
    if_match.check(before.version)?;
    let (changes, password) = shaped?.validate(before.id == user.id, &before.email)?;
    if let Some(password) = password {
        confirm(&passwords, password, before.password_hash.clone()).await?;
    }
    let row = db.transaction(move |conn| {
        let steps_down = changes.is_active == Some(false) || changes.is_staff == Some(false);
        let staff = if steps_down { user::User::lock_staff(conn)? } else { Vec::new() };
        let row = user::User::lock(conn, &name.0, viewer)?;
        // Whoever has the name now may be another than the one whose password was asked for.
        if row.id != before.id {
            return Err(Error::not_found());
        }
        if_match.check(row.version)?;
        if steps_down {
            keep_one_staff(&staff, &row)?;
        }
        let row = row.update(conn, &changes).on_constraint("users_email_key_key", Code::EmailTaken)?;
        if !row.is_active {
            Session::end_all(conn, row.id)?;
        }
        Ok(row)
    });
    let row = row.await?;
    Versioned::new(row.version, &User::of(&row, viewer, &urls))
}

fn may_change(user: &CurrentUser, target: &user::User) -> Result<()> {
    if user.is_staff || user.id == target.id { Ok(()) } else { Err(Error::forbidden()) }
}

async fn confirm(passwords: &Passwords, password: String, hash: String) -> Result<()> {
    if passwords.verify(password, Some(hash)).await? {
        Ok(())
    } else {
        Err(Error::invalid(Violation::body(
            "/current_password",
            "password_wrong",
            "This is not your password.",
        )))
    }
}

/// 409 where nobody would be left to administer; `staff` are those who may, locked.
fn keep_one_staff(staff: &[i64], user: &user::User) -> Result<()> {
    if staff == [user.id] {
        return Err(Error::refused(Code::LastStaff, Code::LastStaff.entry().meaning));
    }
    Ok(())
}

/// Delete a user.
///
/// With profile, avatar, posts and sessions. Oneself, with a login at most ten minutes old (else 403
/// `reauthentication_required`); staff anyone, but never the last of them (409 `last_staff`).
#[utoipa::path(
    operation_id = "deleteUser", tag = "users", security(("bearer" = [])),
    params(
        ("username" = String, Path, description = "Username in any case, or `me`"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses((status = 200, description = "What was deleted, by type", body = Deleted), Refusals)
)]
#[delete("/users/{username}")]
pub async fn delete_user(
    user: CurrentUser,
    name: NamedUser,
    if_match: IfMatch,
    db: Data<Db>,
    media: Data<Media>,
) -> Result<Json<Deleted>> {
    let deleted = to_its_end(async move {
        let (deleted, avatar) = db
            .transaction(move |conn| {
                let staff = user::User::lock_staff(conn)?;
                // Posts before their users, as whoever changes a post locks them.
                Post::lock_all_of(conn, &name.0)?;
                let row = user::User::lock(conn, &name.0, user.viewer())?;
                may_change(&user, &row)?;
                if !user.is_staff && Utc::now() - user.logged_in_at > FRESH_LOGIN {
                    let detail = "Log in again, then delete within ten minutes.";
                    return Err(Error::refused(Code::ReauthenticationRequired, detail));
                }
                if_match.check(row.version)?;
                keep_one_staff(&staff, &row)?;
                let profile = Profile::lock(conn, &row.username, Viewer::Staff(user.id))?;
                let posts = Post::count_by(conn, row.id)?;
                profile.profile.set_avatar(conn, None)?;
                row.delete(conn)?;
                Ok((
                    Deleted::new([("users", 1), ("profiles", 1), ("posts", posts)]),
                    profile.profile.avatar_key,
                ))
            })
            .await?;
        if let Some(key) = avatar {
            media.remove(&key).await;
        }
        Ok(deleted)
    });
    deleted.await.map(Json)
}
