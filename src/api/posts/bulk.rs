//! Many posts at once, chosen by lookups.

use actix_web::web::{Data, Json};
use actix_web::{delete, patch};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::resolve_editor;
use super::rules::Rules;
use super::{BulkUpdatePosts, PostSummary, named_users_exist};
use crate::api::body::Body;
use crate::api::document::Refusals;
use crate::api::input::Check;
use crate::api::list::Chosen;
use crate::api::{Deleted, count};
use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::Result;
use crate::models::post::Post;

/// What a change of many did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Updated {
    /// How many were changed.
    #[schema(minimum = 0, examples(3))]
    pub updated: i64,
}

/// Change many posts.
///
/// Those that the query string chooses, among those that one may change: as writer, as editor, as staff. Without any
/// condition only with `all=true`. A merge patch, of everything but the slug.
#[utoipa::path(
    operation_id = "bulkUpdatePosts", tag = "posts", security(("bearer" = [])), params(Chosen<PostSummary>),
    request_body = BulkUpdatePosts,
    responses((status = 200, description = "How many were changed", body = Updated), Refusals)
)]
#[patch("/posts")]
pub async fn bulk_update_posts(
    user: CurrentUser,
    chosen: Chosen<PostSummary>,
    body: Body<BulkUpdatePosts>,
    rules: Data<Rules>,
    db: Data<Db>,
) -> Result<Json<Updated>> {
    let updated = chosen
        .apply(&db, move |conn, selection| {
            let mut check = Check::default();
            let (mut changes, editor) = body.get()?.validate(**rules, &mut check);
            changes.editor_id = resolve_editor(conn, &mut check, editor, &user, None)?;
            let changes = check.finish(|| Some(changes))?;
            named_users_exist(Post::update_all(conn, selection, &changes))
        })
        .await?;
    Ok(Json(Updated { updated: count(updated) }))
}

/// Delete many posts.
///
/// Those that the query string chooses, among those that one may delete: as writer, as staff. Without any condition only
/// with `all=true`. Their comments go along, and their slugs are free again.
#[utoipa::path(
    operation_id = "bulkDeletePosts", tag = "posts", security(("bearer" = [])), params(Chosen<PostSummary>),
    responses((status = 200, description = "What was deleted, by type", body = Deleted), Refusals)
)]
#[delete("/posts")]
pub async fn bulk_delete_posts(
    _user: CurrentUser,
    chosen: Chosen<PostSummary>,
    db: Data<Db>,
) -> Result<Json<Deleted>> {
    let counts = chosen.apply(&db, |conn, selection| Ok(Post::delete_selected(conn, selection)?)).await?;
    Ok(Json(Deleted::of(counts)))
}
