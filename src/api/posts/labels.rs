//! A post's labels, each with the reason why the post has it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, post, put};
use diesel::PgConnection;
use serde::Serialize;
use utoipa::ToSchema;

use super::label_choice::{
    ChosenLabels, LabelChoice, LabelReason, check_labels, put_labels, refuse_overfull,
};
use crate::api::body::Body;
use crate::api::conditional::{IfMatch, ListResponse, ResourceResponse};
use crate::api::document::Refusals;
use crate::api::idempotency::{DataSubjects, IdempotencyKey};
use crate::api::input::Check;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::{LabelPath, SlugPath};
use crate::api::state::AppState;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Error, Result};
use crate::lookups::table::Resource;
use crate::models::label::Label;
use crate::models::post::Post;
use crate::models::post_label::{self, Action, Labeling};
use crate::models::resources::{POST_LABELS, POST_OF_LABELING};
use crate::time::timestamp;

/// A label of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostLabel {
    /// Slug of the label, which is its name in URLs.
    #[schema(examples("ai"))]
    pub slug: String,
    /// Name of the label.
    #[schema(examples("Artificial Intelligence"))]
    pub name: String,
    /// Why the post has the label; `null` if no reason was given.
    #[schema(required, examples("It is about Ada"))]
    pub reason: Option<String>,
    /// When the post got the label.
    #[schema(format = DateTime)]
    pub labeled_at: String,
}

/// A page of the labels of a post.
pub type PostLabelPage = Page<PostLabel>;

impl Paged for PostLabel {
    const PAGE: &'static str = "PostLabelPage";
    const RESOURCE: &'static Resource = &POST_LABELS;
}

/// All labels of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostLabels {
    /// The labels, sorted by name.
    pub labels: Vec<PostLabel>,
}

impl From<post_label::PostLabel> for PostLabel {
    fn from(row: post_label::PostLabel) -> Self {
        Self { slug: row.slug, name: row.name, reason: row.reason, labeled_at: timestamp(row.labeled_at) }
    }
}

/// Lock the post for a change of its labels. 403 unless the user is its writer, its editor or staff.
fn lock(conn: &mut PgConnection, slug: &str, user: &CurrentUser) -> Result<Post> {
    let post = Post::lock(conn, slug, user.viewer())?;
    if post.can_change(user.viewer()) { Ok(post) } else { Err(Error::forbidden()) }
}

/// Return all labels of the post, with the post's current version.
fn answer(conn: &mut PgConnection, post: &Post, user: &CurrentUser) -> Result<ResourceResponse> {
    let version = Post::find_row(conn, &post.slug, user.viewer())?.version;
    let labels = post_label::of_post(conn, post.id)?.into_iter().map(PostLabel::from).collect();
    ResourceResponse::new(version, &PostLabels { labels })
}

/// Return the labels that the request chooses, and the ids of those that exist.
fn read(conn: &mut PgConnection, body: Body<ChosenLabels>) -> Result<(Vec<LabelChoice>, Vec<i64>)> {
    let mut check = Check::default();
    let chosen = body.get()?.validate(&mut check);
    let ids = check_labels(conn, &mut check, &chosen)?;
    check.finish(|| Some((chosen, ids)))
}

/// List a post's labels.
///
/// Open to all clients; 404 if the caller cannot see the post. Sorted by name by default.
#[utoipa::path(
    operation_id = "listPostLabels", tag = "labels", security((), ("bearer" = [])),
    params(SlugPath, List<PostLabel>),
    responses(
        (status = 200, description = "A page of the post's labels", body = PostLabelPage),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[get("/posts/{slug}/labels")]
pub async fn list_post_labels(
    app: AppState,
    caller: MaybeUser,
    slug: SlugPath,
    list: List<PostLabel>,
) -> Result<ListResponse> {
    let viewer = caller.viewer();
    let list = list.within(&POST_OF_LABELING, &slug.0);
    let slice = list
        .read(&app.db, move |conn, selection| {
            let slice = post_label::page(conn, selection)?;
            if slice.rows.is_empty() {
                Post::find_row(conn, &slug.0, viewer)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, |row| PostLabel::from(row.clone()))
}

/// Add labels to a post.
///
/// For the post's writer, its editor and staff; 403 for others. Each label is named by its slug, by its name, or by both. A label
/// that does not exist is created if the item has a name; otherwise 422 with `unknown_label`. A label that the post already has
/// gets the new reason, if one is given, and keeps its time. If one label is rejected, none is added.
#[utoipa::path(
    operation_id = "addPostLabels", tag = "labels", security(("bearer" = [])), request_body = ChosenLabels,
    params(SlugPath, IdempotencyKey),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels, headers(
            ("ETag" = String, description = "The post's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[post("/posts/{slug}/labels")]
pub async fn add_post_labels(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    once: IdempotencyKey,
    body: Body<ChosenLabels>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.db
        .transaction(move |conn| {
            request.once(conn, |conn| {
                let post = lock(conn, &slug.0, &user)?;
                let (chosen, _) = read(conn, body)?;
                put_labels(conn, post.id, &chosen)?;
                Ok((answer(conn, &post, &user)?, DataSubjects::from(user.id).and([post.writer_id])))
            })
        })
        .await
}

/// Replace a post's labels.
///
/// Works like `addPostLabels`, and also removes every label that the request does not name.
#[utoipa::path(
    operation_id = "replacePostLabels", tag = "labels", security(("bearer" = [])), request_body = ChosenLabels,
    params(SlugPath, IfMatch),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[put("/posts/{slug}/labels")]
pub async fn replace_post_labels(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
    body: Body<ChosenLabels>,
) -> Result<ResourceResponse> {
    app.db
        .transaction(move |conn| {
            let post = lock(conn, &slug.0, &user)?;
            if_match.check(post.version)?;
            let (chosen, kept) = read(conn, body)?;
            post_label::announce(conn, Action::Set)?;
            // Remove labels first, to make room: the number of labels of a post is limited.
            post_label::keep_labels(conn, post.id, &kept)?;
            put_labels(conn, post.id, &chosen)?;
            answer(conn, &post, &user)
        })
        .await
}

/// Remove all labels from a post.
///
/// For the post's writer, its editor and staff; 403 for others. It is not an error if the post has no labels.
#[utoipa::path(
    operation_id = "clearPostLabels", tag = "labels", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses(
        (status = 204, description = "The post has no labels"),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/labels")]
pub async fn clear_post_labels(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .transaction(move |conn| {
            let post = lock(conn, &slug.0, &user)?;
            if_match.check(post.version)?;
            post_label::announce(conn, Action::Clear)?;
            Ok(post_label::keep_labels(conn, post.id, &[])?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Set one label of a post.
///
/// For the post's writer, its editor and staff; 403 for others. The label must exist; otherwise 404. If the post already has the
/// label, it gets the new reason.
#[utoipa::path(
    operation_id = "setPostLabel", tag = "labels", security(("bearer" = [])), request_body = LabelReason,
    params(SlugPath, LabelPath, IfMatch),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[put("/posts/{slug}/labels/{label}")]
pub async fn set_post_label(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    name: LabelPath,
    if_match: IfMatch,
    body: Body<LabelReason>,
) -> Result<ResourceResponse> {
    app.db
        .transaction(move |conn| {
            let post = Post::lock(conn, &slug.0, user.viewer())?;
            let label = Label::lock_key_share(conn, &name.0)?;
            if !post.can_change(user.viewer()) {
                return Err(Error::forbidden());
            }
            if_match.check(post.version)?;
            let mut check = Check::default();
            let reason = body.get()?.validate(&mut check);
            check.finish(|| Some(()))?;
            post_label::add(conn, &[Labeling { post_id: post.id, label_id: label.id, reason }])?;
            refuse_overfull(conn, &[post.id], |_| String::new())?;
            answer(conn, &post, &user)
        })
        .await
}

/// Remove a label from a post.
///
/// For the post's writer, its editor and staff; 403 for others. It is not an error if the post does not have the label, or if the
/// label does not exist.
#[utoipa::path(
    operation_id = "removePostLabel", tag = "labels", security(("bearer" = [])),
    params(SlugPath, LabelPath, IfMatch),
    responses(
        (status = 204, description = "The post does not have the label"),
        (status = 308, description = "Redirect from a former slug", headers(("Location" = String, description = "Current URL"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/labels/{label}")]
pub async fn remove_post_label(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    name: LabelPath,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .transaction(move |conn| {
            let post = lock(conn, &slug.0, &user)?;
            if_match.check(post.version)?;
            post_label::remove_named(conn, post.id, &name.0)?;
            Ok(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
