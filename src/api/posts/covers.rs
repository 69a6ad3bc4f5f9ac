//! Covers: the pictures of posts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, put};
use utoipa::ToSchema;

use super::{Post, respond};
use crate::api::conditional::{IfMatch, ResourceResponse};
use crate::api::document::Refusals;
use crate::api::path::SlugPath;
use crate::api::run_to_completion;
use crate::api::state::AppState;
use crate::api::upload::Upload;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::media::variants::PicturePurpose;
use crate::models::post;

/// The body of `uploadCover`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document knows it; the upload is read as a stream")]
pub struct CoverForm {
    /// A JPEG, PNG, WebP or GIF of at most 10 MiB and 40 megapixels.
    #[schema(format = Binary)]
    cover: String,
}

fn may_change(post: &post::Post, user: &CurrentUser, if_match: &IfMatch) -> Result<()> {
    if !post.can_change(user.viewer()) {
        return Err(Error::forbidden());
    }
    if_match.check(post.version)
}

/// Upload a post's cover.
///
/// For the post's writer, its editor and staff; 403 for others. The previous cover is removed. The rules for the picture, and the
/// way in which it is stored, are those of `uploadAvatar`.
#[utoipa::path(
    operation_id = "uploadCover", tag = "posts", security(("bearer" = [])),
    request_body(content = CoverForm, content_type = "multipart/form-data"),
    params(SlugPath, IfMatch),
    responses(
        (status = 200, description = "The post", body = Post),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[put("/posts/{slug}/cover")]
pub async fn upload_cover(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
    upload: Upload,
) -> Result<ResourceResponse> {
    let (name, known, caller) = (slug.0.clone(), if_match.clone(), user.clone());
    app.db
        .run(move |conn| may_change(&post::Post::find(conn, &name, caller.viewer())?.post, &caller, &known))
        .await?;
    let file = upload.file("cover")?;
    let state = app.clone();
    let full = run_to_completion(async move {
        let stored = state.media.store_picture(file, "/cover", PicturePurpose::Cover).await?;
        let record = stored.record();
        let shown = state.db.transaction(move |conn| {
            let before = post::Post::lock(conn, &slug.0, user.viewer())?;
            may_change(&before, &user, &if_match)?;
            let key = record.insert(conn)?;
            post::Post::set_cover(conn, before.id, Some(key))?;
            Ok(post::Post::find(conn, &slug.0, user.viewer())?)
        });
        let shown = shown.await;
        stored.settle(shown.is_ok()).await;
        shown
    })
    .await?;
    respond(full, &app.urls)
}

/// Remove a post's cover.
///
/// For the post's writer, its editor and staff; 403 for others. The default cover is shown again. It is not an error if there is
/// no cover to remove.
#[utoipa::path(
    operation_id = "deleteCover", tag = "posts", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses(
        (status = 204, description = "The post has no uploaded cover"),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/cover")]
pub async fn delete_cover(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .transaction(move |conn| {
            let before = post::Post::lock(conn, &slug.0, user.viewer())?;
            may_change(&before, &user, &if_match)?;
            if before.cover_key.is_some() {
                post::Post::set_cover(conn, before.id, None)?;
            }
            Ok(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
