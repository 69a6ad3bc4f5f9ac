//! Avatars: the picture of a profile.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, Header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, get, put};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::conditional::{IfMatch, Versioned, header_value};
use super::document::Refusals;
use super::path::NamedUser;
use super::pictures::{Picture, PictureVariant};
use super::profiles::{Profile, may_change};
use super::query::{self, Query};
use super::to_its_end;
use super::upload::Upload;
use super::urls::Urls;
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::media::Media;
use crate::media::variants::Purpose;
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
/// One's own, or as staff anyone's; the one before is removed. A JPEG, PNG, WebP or GIF (its first frame) by its
/// content, of at most 10 MiB, 40 megapixels and 16,384 pixels a side. It is kept upright, in sRGB, without
/// metadata, at most 2048 pixels a side.
#[utoipa::path(
    operation_id = "uploadAvatar", tag = "profiles", security(("bearer" = [])),
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    params(
        ("username" = String, Path, description = "Username in any case, or `me`"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the profile's version")
    ),
    responses((status = 200, description = "The profile", body = Profile), Refusals)
)]
#[put("/profiles/{username}/avatar")]
pub async fn upload_avatar(
    user: CurrentUser,
    name: NamedUser,
    if_match: IfMatch,
    upload: Upload,
    db: Data<Db>,
    media: Data<Media>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let viewer = user.viewer();
    let (target, known) = (name.clone(), if_match.clone());
    let owner = user.clone();
    db.run(move |conn| {
        let before = profile::Profile::find(conn, &target.0, viewer)?;
        may_change(&owner, &before)?;
        known.check(before.profile.version)
    })
    .await?;
    let file = upload.file("avatar")?;
    // The client may go away meanwhile; what was begun then still ends, one way or the other.
    let full = to_its_end(async move {
        media
            .keep(file, "/avatar", Purpose::Avatar, move |conn, stored| {
                let before = profile::Profile::lock(conn, &name.0, user.viewer())?;
                may_change(&user, &before)?;
                if_match.check(before.profile.version)?;
                let key = stored.insert(conn)?;
                before.profile.set_avatar(conn, Some(key))?;
                Ok(profile::Profile::find(conn, &before.username, user.viewer())?)
            })
            .await
    })
    .await?;
    Versioned::new(full.profile.version, &Profile::of(&full, viewer, &urls))
}

/// Remove an avatar.
///
/// The one that is drawn from the name is shown again. Removing none is no error.
#[utoipa::path(
    operation_id = "deleteAvatar", tag = "profiles", security(("bearer" = [])),
    params(
        ("username" = String, Path, description = "Username in any case, or `me`"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the profile's version")
    ),
    responses((status = 204, description = "There is no uploaded avatar any more"), Refusals)
)]
#[delete("/profiles/{username}/avatar")]
pub async fn delete_avatar(
    user: CurrentUser,
    name: NamedUser,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<HttpResponse> {
    db.transaction(move |conn| {
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

/// Which file of the avatar.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AvatarQuery {
    /// Least width in pixels; where no file is as wide, the widest.
    #[param(minimum = 1, maximum = 16_384, default = 128)]
    size: Option<i64>,
    /// What to answer where nothing was uploaded: `404`, instead of the picture that is drawn from the name.
    #[param(pattern = "^404$")]
    d: Option<String>,
}

impl AvatarQuery {
    fn size(&self) -> Result<u32> {
        match self.size {
            None => Ok(128),
            Some(size) => u32::try_from(size)
                .ok()
                .filter(|size| (1..=16_384).contains(size))
                .ok_or_else(|| query::invalid("size", "`size` goes from 1 to 16384.")),
        }
    }

    fn without_default(&self) -> Result<bool> {
        match self.d.as_deref() {
            None => Ok(false),
            Some("404") => Ok(true),
            Some(_) => Err(query::invalid("d", "`d` can only be `404`.")),
        }
    }
}

/// Go to a file of the avatar.
///
/// For `<img src>`, without JSON: to the smallest file that is not below `size`, else the largest; WebP if the
/// `Accept` header names `image/webp`, else JPEG or PNG.
#[utoipa::path(
    operation_id = "getAvatar", tag = "profiles", params(
        ("username" = String, Path, description = "Username in any case, or `me`"),
        AvatarQuery
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 302, description = "The smallest file that is not below `size`, else the largest",
            headers(("Location" = String, description = "URL of the file"))),
        Refusals
    )
)]
#[get("/profiles/{username}/avatar")]
pub async fn get_avatar(
    request: HttpRequest,
    caller: MaybeUser,
    name: NamedUser,
    query: Query<AvatarQuery>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<HttpResponse> {
    let (size, without_default) = (query.0.size()?, query.0.without_default()?);
    let viewer = caller.viewer();
    let full = db.run(move |conn| Ok(profile::Profile::find(conn, &name.0, viewer)?)).await?;
    if without_default && full.avatar.is_none() {
        return Err(Error::not_found());
    }
    let picture = Picture::avatar(&urls, &full.username, full.avatar.as_ref());
    let chosen =
        choose(&picture.variants, size, takes_webp(&request)).map_or(&picture.url, |variant| &variant.url);
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, header_value(chosen)?))
        .insert_header((header::CACHE_CONTROL, "max-age=60"))
        .insert_header((header::VARY, "Accept"))
        .finish())
}

/// Whether `Accept` names WebP itself, and not to refuse it: wildcards are in every client's, whatever it can show.
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
