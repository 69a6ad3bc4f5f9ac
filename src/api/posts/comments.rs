//! The comments on a post.

use actix_web::web::{Data, Json};
use actix_web::{delete, get, post};

use crate::api::body::Body;
use crate::api::comments::{Comment, CommentPage, CreatePostComment, write};
use crate::api::conditional::{IfMatch, Listed, Versioned};
use crate::api::document::Refusals;
use crate::api::idempotency::Once;
use crate::api::input::Check;
use crate::api::list::List;
use crate::api::path::NamedSlug;
use crate::api::urls::Urls;
use crate::api::{Deleted, count};
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::comment;
use crate::models::post::Post;
use crate::models::resources::POST_OF_COMMENT;

/// List a post's comments.
///
/// The oldest first.
#[utoipa::path(
    operation_id = "listPostComments", tag = "comments", security((), ("bearer" = [])),
    params(("slug" = String, Path, description = "The post's slug"), List<Comment>),
    responses(
        (status = 200, description = "A page of the post's comments", body = CommentPage),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[get("/posts/{slug}/comments")]
pub async fn list_post_comments(
    caller: MaybeUser,
    slug: NamedSlug,
    list: List<Comment>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Listed> {
    let viewer = caller.viewer();
    let list = list.within(&POST_OF_COMMENT, &slug.0);
    let slice = list
        .read(&db, move |conn, selection| {
            let slice = comment::Comment::page(conn, selection)?;
            if slice.rows.is_empty() {
                Post::look_up(conn, &slug.0, viewer)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, |full| Comment::of(full, viewer, &urls))
}

/// Comment on a post.
///
/// Whoever may see it.
#[utoipa::path(
    operation_id = "createPostComment", tag = "comments", security(("bearer" = [])), request_body = CreatePostComment,
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
            description = "Sent again with the same key, it is done once")
    ),
    responses(
        (status = 201, description = "The comment", body = Comment, headers(
            ("Location" = String, description = "The comment's canonical URL"), ("ETag" = String, description = "The version"),
            ("Idempotency-Replayed" = String, description = "`true` on the answer to a repeat"))),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[post("/posts/{slug}/comments")]
pub async fn create_post_comment(
    user: CurrentUser,
    slug: NamedSlug,
    once: Once,
    body: Body<CreatePostComment>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let request = once.of(|| body.canonical());
    db.transaction(move |conn| {
        request.once(conn, |conn| {
            let post = Post::hold(conn, &slug.0, user.viewer())?;
            let mut check = Check::default();
            let new = body.get()?.validate(&mut check);
            let new = check.finish(|| new)?;
            write(conn, &user, &new, Some(post.id), &urls)
        })
    })
    .await
}

/// Delete a post's comments.
///
/// All of them: the post's writer, staff.
#[utoipa::path(
    operation_id = "deletePostComments", tag = "comments", security(("bearer" = [])),
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the post's version")
    ),
    responses(
        (status = 200, description = "What was deleted, by type", body = Deleted),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/comments")]
pub async fn delete_post_comments(
    user: CurrentUser,
    slug: NamedSlug,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<Json<Deleted>> {
    db.long_transaction(move |conn| {
        let post = Post::lock(conn, &slug.0, user.viewer())?;
        if !post.is_owned_by(user.viewer()) {
            return Err(Error::forbidden());
        }
        if_match.check(post.version)?;
        let comments = post.delete_comments(conn)?;
        Ok(Json(Deleted::new([("comments", count(comments))])))
    })
    .await
}
