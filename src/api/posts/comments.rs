//! The comments on a post.

use actix_web::web::Json;
use actix_web::{delete, get, post};

use crate::api::body::Body;
use crate::api::comments::{Comment, CommentPage, CreatePostComment, write};
use crate::api::conditional::{IfMatch, ListResponse, ResourceResponse};
use crate::api::document::Refusals;
use crate::api::idempotency::IdempotencyKey;
use crate::api::input::Check;
use crate::api::list::List;
use crate::api::path::SlugPath;
use crate::api::state::AppState;
use crate::api::{Deleted, count};
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Error, Result};
use crate::models::comment;
use crate::models::post::Post;
use crate::models::resources::POST_OF_COMMENT;

/// List a post's comments.
///
/// Open to all clients; 404 if the caller cannot see the post. Oldest first by default.
#[utoipa::path(
    operation_id = "listPostComments", tag = "comments", security((), ("bearer" = [])),
    params(SlugPath, List<Comment>),
    responses(
        (status = 200, description = "A page of the post's comments", body = CommentPage),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[get("/posts/{slug}/comments")]
pub async fn list_post_comments(
    app: AppState,
    caller: MaybeUser,
    slug: SlugPath,
    list: List<Comment>,
) -> Result<ListResponse> {
    let viewer = caller.viewer();
    let list = list.within(&POST_OF_COMMENT, &slug.0);
    let slice = list
        .read(&app.db, move |conn, selection| {
            let slice = comment::Comment::page(conn, selection)?;
            if slice.rows.is_empty() {
                Post::find_row(conn, &slug.0, viewer)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, |full| Comment::of(full, viewer, &app.urls))
}

/// Comment on a post.
///
/// For users who are logged in; 404 if the user cannot see the post.
#[utoipa::path(
    operation_id = "createPostComment", tag = "comments", security(("bearer" = [])), request_body = CreatePostComment,
    params(SlugPath, IdempotencyKey),
    responses(
        (status = 201, description = "The comment", body = Comment, headers(
            ("Location" = String, description = "The comment's canonical URL"),
            ("ETag" = String, description = "The comment's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[post("/posts/{slug}/comments")]
pub async fn create_post_comment(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    once: IdempotencyKey,
    body: Body<CreatePostComment>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            let post = Post::lock_key_share(conn, &slug.0, user.viewer())?;
            let mut check = Check::default();
            let new = body.get()?.validate(&mut check);
            let new = check.finish(|| new)?;
            write(conn, &user, &new, Some(post.id), &app.urls)
        })
    })
    .await
}

/// Delete all comments of a post.
///
/// For the post's writer and staff; 403 for others.
#[utoipa::path(
    operation_id = "deletePostComments", tag = "comments", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses(
        (status = 200, description = "Number of deleted rows, by type", body = Deleted),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/comments")]
pub async fn delete_post_comments(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<Json<Deleted>> {
    app.db
        .long_transaction(move |conn| {
            let post = Post::lock(conn, &slug.0, user.viewer())?;
            if !post.can_manage(user.viewer()) {
                return Err(Error::forbidden());
            }
            if_match.check(post.version)?;
            let comments = post.delete_comments(conn)?;
            Ok(Json(Deleted::new([("comments", count(comments))])))
        })
        .await
}
