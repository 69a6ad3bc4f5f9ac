//! Profiles: what users show about themselves.

use actix_web::{get, patch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::input::{Check, Member};
use super::list::List;
use super::page::{Page, Paged};
use super::path::UsernamePath;
use super::pictures::Picture;
use crate::api::state::AppState;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Error, Result};
use crate::lookups::table::Resource;
use crate::models::Viewer;
use crate::models::profile::{self, FullProfile, ProfileChanges};
use crate::models::resources::PROFILES;
use crate::time::timestamp;
use crate::urls::Urls;

/// The profile of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Profile {
    /// Username of the owner.
    #[schema(examples("ana"))]
    pub username: String,
    /// Name to show for the user; the username until another name is set.
    #[schema(examples("Ana García"))]
    pub display_name: String,
    /// About the user.
    #[schema(required)]
    pub bio: Option<String>,
    /// Occupation of the user.
    #[schema(required)]
    pub occupation: Option<String>,
    /// Telephone number; `null` for callers other than the owner and staff.
    #[schema(required)]
    pub phone: Option<String>,
    /// The uploaded picture, or else one that is drawn from the username.
    pub avatar: Picture,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// When the profile was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the profile last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A page of profiles.
pub type ProfilePage = Page<Profile>;

impl Paged for Profile {
    const PAGE: &'static str = "ProfilePage";
    const RESOURCE: &'static Resource = &PROFILES;
}

impl Profile {
    /// Represent a profile as `viewer` may see it.
    pub fn of(full: &FullProfile, viewer: Viewer, urls: &Urls) -> Self {
        let row = &full.profile;
        let private = viewer.is_staff() || viewer.id() == Some(row.user_id);
        Self {
            username: full.username.clone(),
            display_name: row.display_name.clone(),
            bio: row.bio.clone(),
            occupation: row.occupation.clone(),
            phone: row.phone.clone().filter(|_| private),
            avatar: Picture::avatar(urls, &full.username, full.avatar.as_ref()),
            url: urls.profile(&full.username),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

/// 403 unless the user owns the profile or is staff.
pub fn may_change(user: &CurrentUser, profile: &FullProfile) -> Result<()> {
    if user.is_staff || user.id == profile.profile.user_id { Ok(()) } else { Err(Error::forbidden()) }
}

/// List profiles.
///
/// Open to all clients. Sorted by username by default. Only staff see the profiles of inactive users. `phone` is `null` for
/// callers other than the owner and staff.
#[utoipa::path(
    operation_id = "listProfiles", tag = "profiles", params(List<Profile>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of profiles", body = ProfilePage), Refusals)
)]
#[get("/profiles")]
pub async fn list_profiles(app: AppState, caller: MaybeUser, list: List<Profile>) -> Result<ListResponse> {
    let viewer = caller.viewer();
    let slice = list.read(&app.db, |conn, selection| Ok(profile::Profile::page(conn, selection)?)).await?;
    list.answer(slice, |row| Profile::of(row, viewer, &app.urls))
}

/// Read a profile.
///
/// Open to all clients. The username is accepted in any case; `me` requires a token. `phone` is `null` for callers other than the
/// owner and staff.
#[utoipa::path(
    operation_id = "getProfile", tag = "profiles", security((), ("bearer" = [])),
    params(UsernamePath),
    responses((status = 200, description = "The profile", body = Profile), Refusals)
)]
#[get("/profiles/{username}")]
pub async fn get_profile(app: AppState, caller: MaybeUser, name: UsernamePath) -> Result<ResourceResponse> {
    let viewer = caller.viewer();
    let full = app.db.run(move |conn| Ok(profile::Profile::find(conn, &name.0, viewer)?)).await?;
    ResourceResponse::new(full.profile.version, &Profile::of(&full, viewer, &app.urls))
}

/// Changes to a profile. Fields that are left out keep their values; `null` and `""` clear a field.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateProfile {
    /// Name to show for the user; if cleared, the username again.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    display_name: Member<String>,
    /// About the user.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    bio: Member<String>,
    /// Occupation of the user.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    occupation: Member<String>,
    /// Telephone number, shown only to the owner and staff.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 16)]
    phone: Member<String>,
}

impl UpdateProfile {
    fn validate(self, username: &str) -> Result<ProfileChanges> {
        let mut check = Check::default();
        let display_name = check.clearable("display_name", self.display_name, 128);
        let changes = ProfileChanges {
            display_name: display_name
                .map(|name| name.unwrap_or_else(|| username.chars().take(128).collect())),
            bio: check.clearable("bio", self.bio, 2000),
            occupation: check.clearable("occupation", self.occupation, 256),
            phone: check.clearable("phone", self.phone, 16),
        };
        check.finish(|| Some(changes))
    }
}

/// Change a profile.
///
/// For the owner and staff; 403 for others. The body is a merge patch (RFC 7396): fields that are left out keep their values, and
/// `null` and `""` clear a field.
#[utoipa::path(
    operation_id = "updateProfile", tag = "profiles", security(("bearer" = [])), request_body = UpdateProfile,
    params(UsernamePath, IfMatch),
    responses((status = 200, description = "The profile", body = Profile), Refusals)
)]
#[patch("/profiles/{username}")]
pub async fn update_profile(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    if_match: IfMatch,
    body: Body<UpdateProfile>,
) -> Result<ResourceResponse> {
    let viewer = user.viewer();
    let full = app
        .db
        .transaction(move |conn| {
            let before = profile::Profile::lock(conn, &name.0, viewer)?;
            may_change(&user, &before)?;
            if_match.check(before.profile.version)?;
            let changes = body.get()?.validate(&before.username)?;
            before.profile.update(conn, &changes)?;
            Ok(profile::Profile::find(conn, &before.username, viewer)?)
        })
        .await?;
    ResourceResponse::new(full.profile.version, &Profile::of(&full, viewer, &app.urls))
}
