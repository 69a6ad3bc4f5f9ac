//! Avatars: the pictures of profiles.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, Header};
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::conditional::{IfMatch, ResourceResponse, header_value};
use super::document::Refusals;
use super::path::UsernamePath;
use super::pictures::{Picture, PictureVariant};
use super::profiles::{Profile, may_change};
use super::query;
use super::run_to_completion;
use super::upload::Upload;
use crate::api::state::AppState;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Error, Result};
use crate::media::variants::PicturePurpose;
use crate::models::profile;

/// The body of `uploadAvatar`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document knows it; the upload is read as a stream")]
pub struct AvatarForm {
    /// A JPEG, PNG, WebP or GIF of at most 10 MiB and 40 megapixels.
    #[schema(format = Binary)]
    avatar: String,
}

/// Upload an avatar.
///
/// For the owner of the profile and staff; 403 for others. The previous avatar is removed. The file must be a JPEG, PNG, WebP or
/// GIF by its content, of at most 10 MiB, 40 megapixels and 16,384 pixels a side. Of a GIF, the first frame is used. The picture
/// is stored upright, in sRGB, without metadata, and with at most 2048 pixels a side.
///
/// 415 `unsupported_picture` for any other file, 413 `payload_too_large` for a larger one, 422 `image_too_large` for too many
/// pixels, and 422 `image_corrupt` for a damaged picture.
#[utoipa::path(
    operation_id = "uploadAvatar", tag = "profiles", security(("bearer" = [])),
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    params(UsernamePath, IfMatch),
    responses((status = 200, description = "The profile", body = Profile), Refusals)
)]
#[put("/profiles/{username}/avatar")]
pub async fn upload_avatar(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    if_match: IfMatch,
    upload: Upload,
) -> Result<ResourceResponse> {
    let viewer = user.viewer();
    let (target, known) = (name.clone(), if_match.clone());
    let owner = user.clone();
    app.db
        .run(move |conn| {
            let before = profile::Profile::find(conn, &target.0, viewer)?;
            may_change(&owner, &before)?;
            known.check(before.profile.version)
        })
        .await?;
    let file = upload.file("avatar")?;
    let state = app.clone();
    // If the client disconnects in the meantime, the work still ends, with success or failure.
    let full = run_to_completion(async move {
        let stored = state.media.store_picture(file, "/avatar", PicturePurpose::Avatar).await?;
        let record = stored.record();
        let shown = state.db.transaction(move |conn| {
            let before = profile::Profile::lock(conn, &name.0, user.viewer())?;
            may_change(&user, &before)?;
            if_match.check(before.profile.version)?;
            let key = record.insert(conn)?;
            before.profile.set_avatar(conn, Some(key))?;
            Ok(profile::Profile::find(conn, &before.username, user.viewer())?)
        });
        let shown = shown.await;
        stored.settle(shown.is_ok()).await;
        shown
    })
    .await?;
    ResourceResponse::new(full.profile.version, &Profile::of(&full, viewer, &app.urls))
}

/// Remove an avatar.
///
/// For the owner of the profile and staff; 403 for others. The avatar that is drawn from the username is shown again. It is not
/// an error if there is no avatar to remove.
#[utoipa::path(
    operation_id = "deleteAvatar", tag = "profiles", security(("bearer" = [])),
    params(UsernamePath, IfMatch),
    responses((status = 204, description = "The profile has no uploaded avatar"), Refusals)
)]
#[delete("/profiles/{username}/avatar")]
pub async fn delete_avatar(
    app: AppState,
    user: CurrentUser,
    name: UsernamePath,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .transaction(move |conn| {
            let before = profile::Profile::lock(conn, &name.0, user.viewer())?;
            may_change(&user, &before)?;
            if_match.check(before.profile.version)?;
            if before.profile.avatar_key.is_some() {
                before.profile.set_avatar(conn, None)?;
            }
            Ok(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// The choice of a file of the avatar.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AvatarQuery {
    /// Minimum width in pixels. If no file is that wide, the widest is chosen.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 16_384, default = 128)]
    size: Option<String>,
    /// `404` returns 404 if no avatar was uploaded, instead of the picture that is drawn from the username.
    #[param(pattern = "^404$")]
    d: Option<String>,
}

impl AvatarQuery {
    fn size(&self) -> Result<u32> {
        let Some(text) = &self.size else { return Ok(128) };
        let size: i64 = text.parse().map_err(|_| query::invalid("size", "`size` must be a whole number."))?;
        u32::try_from(size)
            .ok()
            .filter(|size| (1..=16_384).contains(size))
            .ok_or_else(|| query::invalid("size", "`size` must be from 1 to 16384."))
    }

    fn without_default(&self) -> Result<bool> {
        match self.d.as_deref() {
            None => Ok(false),
            Some("404") => Ok(true),
            Some(_) => Err(query::invalid("d", "`d` must be `404`.")),
        }
    }
}

/// Redirect to a file of the avatar.
///
/// Open to all clients. Meant for `<img src>`, without JSON. Redirects to the smallest file that is at least `size` pixels wide,
/// or else to the largest. The file is WebP if the `Accept` header names `image/webp`, otherwise JPEG or PNG.
#[utoipa::path(
    operation_id = "getAvatar", tag = "profiles", params(UsernamePath, AvatarQuery),
    security((), ("bearer" = [])),
    responses(
        (status = 302, description = "Redirect to the smallest file that is at least `size` wide, or else to the largest",
            headers(("Location" = String, description = "URL of the file"))),
        Refusals
    )
)]
#[get("/profiles/{username}/avatar")]
pub async fn get_avatar(
    app: AppState,
    request: HttpRequest,
    caller: MaybeUser,
    name: UsernamePath,
    query: web::Query<AvatarQuery>,
) -> Result<HttpResponse> {
    let (size, without_default) = (query.size()?, query.without_default()?);
    let viewer = caller.viewer();
    let full = app.db.run(move |conn| Ok(profile::Profile::find(conn, &name.0, viewer)?)).await?;
    if without_default && full.avatar.is_none() {
        return Err(Error::not_found());
    }
    let picture = Picture::avatar(&app.urls, &full.username, full.avatar.as_ref());
    let chosen =
        choose(&picture.variants, size, takes_webp(&request)).map_or(&picture.url, |variant| &variant.url);
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, header_value(chosen)?))
        .insert_header((header::CACHE_CONTROL, "max-age=60"))
        .insert_header((header::VARY, "Accept"))
        .finish())
}

/// Whether `Accept` names WebP itself and does not reject it. Wildcards do not count: every client sends them, whatever it can
/// show.
fn takes_webp(request: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(request) else { return false };
    accept
        .0
        .iter()
        .any(|range| range.item.essence_str() == "image/webp" && range.quality > header::Quality::ZERO)
}

fn choose(variants: &[PictureVariant], size: u32, takes_webp: bool) -> Option<&PictureVariant> {
    let of_format = || variants.iter().filter(|variant| (variant.content_type == "image/webp") == takes_webp);
    of_format()
        .filter(|variant| variant.width >= size)
        .min_by_key(|variant| variant.width)
        .or_else(|| of_format().max_by_key(|variant| variant.width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_file_that_is_large_enough_is_chosen() {
        let variant = |width: u32, content_type: &'static str| PictureVariant {
            name: width.to_string(),
            url: String::new(),
            width,
            height: width,
            content_type,
        };
        let variants = [
            variant(64, "image/webp"),
            variant(256, "image/webp"),
            variant(64, "image/jpeg"),
            variant(256, "image/jpeg"),
        ];
        let chosen = |size, webp| {
            let variant = choose(&variants, size, webp).unwrap();
            (variant.width, variant.content_type)
        };
        assert_eq!(chosen(64, true), (64, "image/webp"));
        assert_eq!(chosen(65, false), (256, "image/jpeg"));
        assert_eq!(chosen(1000, true), (256, "image/webp"));
    }
}
