//! Posts, which users write.

mod body;
pub mod bulk;
pub mod comments;
pub mod covers;
pub mod form;
pub mod label_choice;
pub mod labels;
mod representation;
pub mod rules;

use actix_web::web::Json;
use actix_web::{delete, get, patch, post};
use diesel::PgConnection;

use super::Deleted;
use super::body::Body;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::idempotency::{DataSubjects, IdempotencyKey};
use super::input::Check;
use super::list::List;
use super::path::SlugPath;
use crate::api::state::AppState;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Code, Error, OnConstraint, Result};
use crate::models::Viewer;
use crate::models::post::{self, FullPost};
use crate::urls::Urls;
use body::{ApprovedPost, resolve_editor, unknown_editor};
pub use body::{BulkUpdatePosts, Category, CreatePost, UpdatePost};
pub use representation::{Post, PostCommon, PostPage, PostSummary};

fn respond(full: FullPost, urls: &Urls) -> Result<ResourceResponse> {
    ResourceResponse::new(full.post.version, &Post::of(full, urls))
}

/// Report a user who no longer exists: users who existed a moment ago may have been deleted.
fn named_users_exist<T>(written: diesel::QueryResult<T>) -> Result<T> {
    written
        .on_constraint("posts_editor_id_fkey", Code::ValidationFailed)
        .on_constraint("posts_writer_id_fkey", Code::SessionRevoked)
        .map_err(|error| match error.code() {
            Code::ValidationFailed => Error::invalid(unknown_editor()),
            _ => error,
        })
}

fn slug_taken() -> Error {
    Error::refused(Code::SlugTaken, Code::SlugTaken.entry().meaning)
}

/// Create a post.
///
/// For users who are logged in. The slug is derived from the title, with a number if it is taken. A slug that you give is used as
/// it is; 409 `slug_taken` if it is taken. Only the writer, the editor and staff can see a draft.
#[utoipa::path(
    operation_id = "createPost", tag = "posts", security(("bearer" = [])), request_body = CreatePost,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The post", body = Post, headers(
            ("Location" = String, description = "The post's canonical URL"), ("ETag" = String, description = "The post's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/posts")]
pub async fn create_post(
    app: AppState,
    user: CurrentUser,
    once: IdempotencyKey,
    body: Body<CreatePost>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            let mut check = Check::default();
            let approved = body.get()?.validate(app.rules, &mut check).approve(conn, check, &user)?;
            write(conn, &user, &approved, None, &app.urls)
        })
    })
    .await
}

/// Insert the post and answer with it. The answer shows data of the writer. It also shows the editor, who does not count here: if
/// the answer were deleted with the editor, a repeat of the request would create the post again.
fn write(
    conn: &mut PgConnection,
    user: &CurrentUser,
    approved: &ApprovedPost,
    cover_key: Option<&str>,
    urls: &Urls,
) -> Result<(ResourceResponse, DataSubjects)> {
    let inserted = approved.new.insert(conn, user.id, approved.editor_id, cover_key);
    let (id, slug) = named_users_exist(inserted)?.ok_or_else(slug_taken)?;
    label_choice::put_labels(conn, id, &approved.labels)?;
    let full = post::Post::find(conn, &slug, user.viewer())?;
    let url = urls.post(&full.post.slug);
    Ok((respond(full, urls)?.created(url), DataSubjects::from(user.id)))
}

/// List posts.
///
/// Open to all clients. Returns published posts, and drafts that the caller may change. Newest first by default.
#[utoipa::path(
    operation_id = "listPosts", tag = "posts", params(List<PostSummary>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of posts", body = PostPage), Refusals)
)]
#[get("/posts")]
pub async fn list_posts(app: AppState, list: List<PostSummary>) -> Result<ListResponse> {
    let slice = list.read(&app.db, |conn, selection| Ok(post::Post::page(conn, selection)?)).await?;
    list.answer(slice, |full| PostSummary::of(full, &app.urls))
}

/// Read a post.
///
/// Open to all clients. A draft is 404 for all callers except its writer, its editor and staff. A former slug redirects to the
/// post with 308.
#[utoipa::path(
    operation_id = "getPost", tag = "posts", security((), ("bearer" = [])),
    params(SlugPath),
    responses(
        (status = 200, description = "The post", body = Post),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[get("/posts/{slug}")]
pub async fn get_post(app: AppState, caller: MaybeUser, slug: SlugPath) -> Result<ResourceResponse> {
    let viewer = caller.viewer();
    let full = app.db.run(move |conn| Ok(post::Post::find(conn, &slug.0, viewer)?)).await?;
    respond(full, &app.urls)
}

/// Change a post.
///
/// For the post's writer, its editor and staff; 403 for others. The body is a merge patch (RFC 7396): fields that are left out
/// keep their values. The slug stays when the title changes; `null` regenerates it from the title. The former slug then redirects
/// to the post. 409 `slug_taken` if the slug is or was another post's.
#[utoipa::path(
    operation_id = "updatePost", tag = "posts", security(("bearer" = [])), request_body = UpdatePost,
    params(SlugPath, IfMatch),
    responses(
        (status = 200, description = "The post", body = Post),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[patch("/posts/{slug}")]
pub async fn update_post(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
    body: Body<UpdatePost>,
) -> Result<ResourceResponse> {
    let full = app
        .transaction(move |app, conn| {
            let viewer = user.viewer();
            let before = post::Post::lock(conn, &slug.0, viewer)?;
            if !before.can_change(viewer) {
                return Err(Error::forbidden());
            }
            if_match.check(before.version)?;
            let mut check = Check::default();
            let (mut changes, slug, editor) = body.get()?.validate(app.rules, &before, &mut check);
            changes.editor_id = resolve_editor(conn, &mut check, editor, &user, before.editor_id)?;
            let changes = check.finish(|| Some(changes))?;
            let slug =
                named_users_exist(before.update(conn, changes, slug.as_ref()))?.ok_or_else(slug_taken)?;
            Ok(post::Post::find(conn, &slug, Viewer::Staff(user.id))?)
        })
        .await?;
    respond(full, &app.urls)
}

/// Delete a post.
///
/// For the post's writer and staff; 403 for others. Cascades to the post's comments, and makes its slugs available again.
#[utoipa::path(
    operation_id = "deletePost", tag = "posts", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses(
        (status = 200, description = "Number of deleted rows, by type", body = Deleted),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[delete("/posts/{slug}")]
pub async fn delete_post(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<Json<Deleted>> {
    app.db
        .long_transaction(move |conn| {
            let viewer = user.viewer();
            let post = post::Post::lock(conn, &slug.0, viewer)?;
            if !post.can_manage(viewer) {
                return Err(Error::forbidden());
            }
            if_match.check(post.version)?;
            Ok(Json(Deleted::of(post.delete(conn)?)))
        })
        .await
}
