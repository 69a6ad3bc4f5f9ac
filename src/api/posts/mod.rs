//! Posts: what users write.

mod body;
pub mod bulk;
pub mod choice;
pub mod comments;
pub mod covers;
pub mod form;
pub mod labels;
mod representation;
pub mod rules;

use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use diesel::PgConnection;

use super::Deleted;
use super::body::Body;
use super::conditional::{IfMatch, Listed, Versioned};
use super::document::Refusals;
use super::idempotency::{Once, Shown};
use super::input::Check;
use super::list::List;
use super::path::NamedSlug;
use super::urls::Urls;
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Code, Error, OnConstraint, Result};
use crate::models::Viewer;
use crate::models::post::{self, FullPost};
use body::{Approved, resolve_editor, unknown_editor};
pub use body::{BulkUpdatePosts, Category, CreatePost, UpdatePost};
pub use representation::{Post, PostCommon, PostPage, PostSummary};
use rules::Rules;

fn respond(full: FullPost, urls: &Urls) -> Result<Versioned> {
    Versioned::new(full.post.version, &Post::of(full, urls))
}

/// Users who were there a moment ago may be deleted by now.
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

/// Write a post.
///
/// The slug is made from the title, with a number where that is taken; one that is given is taken as it is, or
/// refused with 409 `slug_taken`. A draft is seen by writer, editor and staff only.
#[utoipa::path(
    operation_id = "createPost", tag = "posts", security(("bearer" = [])), request_body = CreatePost,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
        description = "Sent again with the same key, it is done once")),
    responses(
        (status = 201, description = "The post", body = Post, headers(
            ("Location" = String, description = "The post's canonical URL"), ("ETag" = String, description = "The version"),
            ("Idempotency-Replayed" = String, description = "`true` on the answer to a repeat"))),
        Refusals
    )
)]
#[post("/posts")]
pub async fn create_post(
    user: CurrentUser,
    once: Once,
    body: Body<CreatePost>,
    rules: Data<Rules>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let request = once.of(|| body.canonical());
    db.transaction(move |conn| {
        request.once(conn, |conn| {
            let mut check = Check::default();
            let approved = body.get()?.validate(**rules, &mut check).approve(conn, check, &user)?;
            write(conn, &user, &approved, None, &urls)
        })
    })
    .await
}

/// Write it, and answer with it, which shows its writer. The editor too, but without the answer a repeat would post it again.
fn write(
    conn: &mut PgConnection,
    user: &CurrentUser,
    approved: &Approved,
    cover_key: Option<&str>,
    urls: &Urls,
) -> Result<(Versioned, Shown)> {
    let inserted = approved.new.insert(conn, user.id, approved.editor_id, cover_key);
    let (id, slug) = named_users_exist(inserted)?.ok_or_else(slug_taken)?;
    choice::put_labels(conn, id, &approved.labels)?;
    let full = post::Post::find(conn, &slug, user.viewer())?;
    let url = urls.post(&full.post.slug);
    Ok((respond(full, urls)?.created(url), Shown::from(user.id)))
}

/// List posts.
///
/// The newest first: published ones, and drafts that one may change.
#[utoipa::path(
    operation_id = "listPosts", tag = "posts", params(List<PostSummary>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of posts", body = PostPage), Refusals)
)]
#[get("/posts")]
pub async fn list_posts(list: List<PostSummary>, db: Data<Db>, urls: Data<Urls>) -> Result<Listed> {
    let slice = list.read(&db, |conn, selection| Ok(post::Post::page(conn, selection)?)).await?;
    list.answer(slice, |full| PostSummary::of(full, &urls))
}

/// Read a post.
///
/// A draft is 404 to all but writer, editor and staff. A former slug leads on with 308.
#[utoipa::path(
    operation_id = "getPost", tag = "posts", security((), ("bearer" = [])),
    params(("slug" = String, Path, description = "The post's slug")),
    responses(
        (status = 200, description = "The post", body = Post),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[get("/posts/{slug}")]
pub async fn get_post(
    caller: MaybeUser,
    slug: NamedSlug,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let viewer = caller.viewer();
    let full = db.run(move |conn| Ok(post::Post::find(conn, &slug.0, viewer)?)).await?;
    respond(full, &urls)
}

/// Change a post.
///
/// Its writer, its editor, staff. A merge patch (RFC 7396): what is left out stays. The slug stays when the title
/// changes; `null` makes it anew, and the former one leads on.
#[utoipa::path(
    operation_id = "updatePost", tag = "posts", security(("bearer" = [])), request_body = UpdatePost,
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses(
        (status = 200, description = "The post", body = Post),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[patch("/posts/{slug}")]
pub async fn update_post(
    user: CurrentUser,
    slug: NamedSlug,
    if_match: IfMatch,
    body: Body<UpdatePost>,
    rules: Data<Rules>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let full = db
        .transaction(move |conn| {
            let viewer = user.viewer();
            let before = post::Post::lock(conn, &slug.0, viewer)?;
            if !before.is_changed_by(viewer) {
                return Err(Error::forbidden());
            }
            if_match.check(before.version)?;
            let mut check = Check::default();
            let (mut changes, slug, editor) = body.get()?.validate(**rules, &before, &mut check);
            changes.editor_id = resolve_editor(conn, &mut check, editor, &user, before.editor_id)?;
            let changes = check.finish(|| Some(changes))?;
            let slug =
                named_users_exist(before.update(conn, changes, slug.as_ref()))?.ok_or_else(slug_taken)?;
            Ok(post::Post::find(conn, &slug, Viewer::Staff(user.id))?)
        })
        .await?;
    respond(full, &urls)
}

/// Delete a post.
///
/// Its writer, staff. Its comments go along, and its slugs are free again.
#[utoipa::path(
    operation_id = "deletePost", tag = "posts", security(("bearer" = [])),
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses(
        (status = 200, description = "What was deleted, by type", body = Deleted),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[delete("/posts/{slug}")]
pub async fn delete_post(
    user: CurrentUser,
    slug: NamedSlug,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<Json<Deleted>> {
    db.long_transaction(move |conn| {
        let viewer = user.viewer();
        let post = post::Post::lock(conn, &slug.0, viewer)?;
        if !post.is_owned_by(viewer) {
            return Err(Error::forbidden());
        }
        if_match.check(post.version)?;
        Ok(Json(Deleted::of(post.delete(conn)?)))
    })
    .await
}
