//! A post's labels, each with the reason why the post has it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, post, put};
use diesel::PgConnection;
use serde::Serialize;
use utoipa::ToSchema;

use super::choice::{Chosen, ChosenLabels, Reasoned, check_labels, put_labels, refuse_overfull};
use crate::api::body::Body;
use crate::api::conditional::{IfMatch, Listed, Versioned};
use crate::api::document::Refusals;
use crate::api::idempotency::{Once, Shown};
use crate::api::input::Check;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::{NamedLabel, NamedSlug};
use crate::api::timestamp;
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::lookups::table::Resource;
use crate::models::label::Label;
use crate::models::post::Post;
use crate::models::post_label::{self, Action, Labeling};
use crate::models::resources::{POST_LABELS, POST_OF_LABELING};

/// A label as a post has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostLabel {
    /// The label's, which names it in URLs.
    #[schema(examples("ai"))]
    pub slug: String,
    /// The label's.
    #[schema(examples("Artificial Intelligence"))]
    pub name: String,
    /// Why the post has it.
    #[schema(required, examples("It is about Ada"))]
    pub reason: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    pub labeled_at: String,
}

/// A page of them.
pub type PostLabelPage = Page<PostLabel>;

impl Paged for PostLabel {
    const PAGE: &'static str = "PostLabelPage";
    const RESOURCE: &'static Resource = &POST_LABELS;
}

/// All labels of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostLabels {
    /// By name.
    pub labels: Vec<PostLabel>,
}

impl From<post_label::PostLabel> for PostLabel {
    fn from(row: post_label::PostLabel) -> Self {
        Self { slug: row.slug, name: row.name, reason: row.reason, labeled_at: timestamp(row.labeled_at) }
    }
}

/// The post under a lock, for a change of its labels: by its writer, its editor, staff.
fn lock(conn: &mut PgConnection, slug: &str, user: &CurrentUser) -> Result<Post> {
    let post = Post::lock(conn, slug, user.viewer())?;
    if post.is_changed_by(user.viewer()) { Ok(post) } else { Err(Error::forbidden()) }
}

/// All labels of the post, with its version of now.
fn answer(conn: &mut PgConnection, post: &Post, user: &CurrentUser) -> Result<Versioned> {
    let version = Post::look_up(conn, &post.slug, user.viewer())?.version;
    let labels = post_label::of_post(conn, post.id)?.into_iter().map(PostLabel::from).collect();
    Versioned::new(version, &PostLabels { labels })
}

/// The labels that were chosen, and the ids of those that are there.
fn read(conn: &mut PgConnection, body: Body<ChosenLabels>) -> Result<(Vec<Chosen>, Vec<i64>)> {
    let mut check = Check::default();
    let chosen = body.get()?.validate(&mut check);
    let ids = check_labels(conn, &mut check, &chosen)?;
    check.finish(|| Some((chosen, ids)))
}

/// List a post's labels.
///
/// By name.
#[utoipa::path(
    operation_id = "listPostLabels", tag = "labels", security((), ("bearer" = [])),
    params(("slug" = String, Path, description = "The post's slug"), List<PostLabel>),
    responses(
        (status = 200, description = "A page of the post's labels", body = PostLabelPage),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[get("/posts/{slug}/labels")]
pub async fn list_post_labels(
    caller: MaybeUser,
    slug: NamedSlug,
    list: List<PostLabel>,
    db: Data<Db>,
) -> Result<Listed> {
    let viewer = caller.viewer();
    let list = list.within(&POST_OF_LABELING, &slug.0);
    let slice = list
        .read(&db, move |conn, selection| {
            let slice = post_label::page(conn, selection)?;
            if slice.rows.is_empty() {
                Post::look_up(conn, &slug.0, viewer)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, |row| PostLabel::from(row.clone()))
}

/// Add labels to a post.
///
/// Its writer, its editor, staff. Each is named by the slug of a label, or by the name of one, which is made if it is not
/// there. One that the post has already takes the new reason, where one is given, and keeps its time.
#[utoipa::path(
    operation_id = "addPostLabels", tag = "labels", security(("bearer" = [])), request_body = ChosenLabels,
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
            description = "Sent again with the same key, it is done once")
    ),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels, headers(
            ("ETag" = String, description = "The post's version"),
            ("Idempotency-Replayed" = String, description = "`true` on the answer to a repeat"))),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[post("/posts/{slug}/labels")]
pub async fn add_post_labels(
    user: CurrentUser,
    slug: NamedSlug,
    once: Once,
    body: Body<ChosenLabels>,
    db: Data<Db>,
) -> Result<Versioned> {
    let request = once.of(|| body.canonical());
    db.transaction(move |conn| {
        request.once(conn, |conn| {
            let post = lock(conn, &slug.0, &user)?;
            let (chosen, _) = read(conn, body)?;
            put_labels(conn, post.id, &chosen)?;
            Ok((answer(conn, &post, &user)?, Shown::from(user.id).and([post.writer_id])))
        })
    })
    .await
}

/// Replace a post's labels.
///
/// As `addPostLabels`; whatever is not named is taken off.
#[utoipa::path(
    operation_id = "replacePostLabels", tag = "labels", security(("bearer" = [])), request_body = ChosenLabels,
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the post's version")
    ),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[put("/posts/{slug}/labels")]
pub async fn replace_post_labels(
    user: CurrentUser,
    slug: NamedSlug,
    if_match: IfMatch,
    body: Body<ChosenLabels>,
    db: Data<Db>,
) -> Result<Versioned> {
    db.transaction(move |conn| {
        let post = lock(conn, &slug.0, &user)?;
        if_match.check(post.version)?;
        let (chosen, kept) = read(conn, body)?;
        post_label::announce(conn, Action::Set)?;
        // Room first, since only so many go on a post.
        post_label::keep_labels(conn, post.id, &kept)?;
        put_labels(conn, post.id, &chosen)?;
        answer(conn, &post, &user)
    })
    .await
}

/// Take all labels off a post.
///
/// Its writer, its editor, staff. Taking off none is no error.
#[utoipa::path(
    operation_id = "clearPostLabels", tag = "labels", security(("bearer" = [])),
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the post's version")
    ),
    responses(
        (status = 204, description = "The post has no labels any more"),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/labels")]
pub async fn clear_post_labels(
    user: CurrentUser,
    slug: NamedSlug,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<HttpResponse> {
    db.transaction(move |conn| {
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
/// Its writer, its editor, staff. The label is there already; the post may have it, and takes the new reason then.
#[utoipa::path(
    operation_id = "setPostLabel", tag = "labels", security(("bearer" = [])), request_body = Reasoned,
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("label" = String, Path, description = "The label's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the post's version")
    ),
    responses(
        (status = 200, description = "All labels of the post", body = PostLabels),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[put("/posts/{slug}/labels/{label}")]
pub async fn set_post_label(
    user: CurrentUser,
    slug: NamedSlug,
    name: NamedLabel,
    if_match: IfMatch,
    body: Body<Reasoned>,
    db: Data<Db>,
) -> Result<Versioned> {
    db.transaction(move |conn| {
        let post = Post::lock(conn, &slug.0, user.viewer())?;
        let label = Label::hold(conn, &name.0)?;
        if !post.is_changed_by(user.viewer()) {
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

/// Take a label off a post.
///
/// Its writer, its editor, staff. Taking off one that the post does not have, or that is not there, is no error.
#[utoipa::path(
    operation_id = "removePostLabel", tag = "labels", security(("bearer" = [])),
    params(
        ("slug" = String, Path, description = "The post's slug"),
        ("label" = String, Path, description = "The label's slug"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the post's version")
    ),
    responses(
        (status = 204, description = "The post does not have the label any more"),
        (status = 308, description = "The slug was the post's once", headers(("Location" = String, description = "Where it is now"))),
        Refusals
    )
)]
#[delete("/posts/{slug}/labels/{label}")]
pub async fn remove_post_label(
    user: CurrentUser,
    slug: NamedSlug,
    name: NamedLabel,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<HttpResponse> {
    db.transaction(move |conn| {
        let post = lock(conn, &slug.0, &user)?;
        if_match.check(post.version)?;
        post_label::remove_named(conn, post.id, &name.0)?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
