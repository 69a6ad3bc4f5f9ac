//! Changes and deletions of many posts in one request, selected by lookups.

use actix_web::web::Json;
use actix_web::{delete, patch};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::resolve_editor;
use super::{BulkUpdatePosts, PostSummary, named_users_exist};
use crate::api::body::Body;
use crate::api::document::Refusals;
use crate::api::input::Check;
use crate::api::list::BulkSelection;
use crate::api::state::AppState;
use crate::api::{Deleted, count};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::models::post::Post;

/// The result of changing many posts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Updated {
    /// Number of changed posts, including those that already had the new values.
    #[schema(minimum = 0, examples(3))]
    pub updated: i64,
}

/// Change many posts.
///
/// Changes the posts that the query string selects, among those that the caller may change: as writer, as editor or as staff. A
/// request without a condition requires `all=true`. The body is a merge patch (RFC 7396) of every field except the slug.
#[utoipa::path(
    operation_id = "bulkUpdatePosts", tag = "posts", security(("bearer" = [])), params(BulkSelection<PostSummary>),
    request_body = BulkUpdatePosts,
    responses((status = 200, description = "Number of changed posts", body = Updated), Refusals)
)]
#[patch("/posts")]
pub async fn bulk_update_posts(
    app: AppState,
    user: CurrentUser,
    chosen: BulkSelection<PostSummary>,
    body: Body<BulkUpdatePosts>,
) -> Result<Json<Updated>> {
    let rules = app.rules;
    let updated = chosen
        .apply(&app.db, move |conn, selection| {
            let mut check = Check::default();
            let (mut changes, editor) = body.get()?.validate(rules, &mut check);
            changes.editor_id = resolve_editor(conn, &mut check, editor, &user, None)?;
            let changes = check.finish(|| Some(changes))?;
            named_users_exist(Post::update_all(conn, selection, &changes))
        })
        .await?;
    Ok(Json(Updated { updated: count(updated) }))
}

/// Delete many posts.
///
/// Deletes the posts that the query string selects, among those that the caller may delete: as writer or as staff. A request
/// without a condition requires `all=true`. Cascades to the comments of the posts, and makes their slugs available again.
#[utoipa::path(
    operation_id = "bulkDeletePosts", tag = "posts", security(("bearer" = [])), params(BulkSelection<PostSummary>),
    responses((status = 200, description = "Number of deleted rows, by type", body = Deleted), Refusals)
)]
#[delete("/posts")]
pub async fn bulk_delete_posts(
    app: AppState,
    _user: CurrentUser,
    chosen: BulkSelection<PostSummary>,
) -> Result<Json<Deleted>> {
    let counts = chosen.apply(&app.db, |conn, selection| Ok(Post::delete_selected(conn, selection)?)).await?;
    Ok(Json(Deleted::of(counts)))
}
