//! The posts of a label: the relation between posts and labels, from the side of the label.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, post, put};
use diesel::PgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::conditional::{IfMatch, ListResponse, ResourceResponse};
use crate::api::document::Refusals;
use crate::api::idempotency::{DataSubjects, IdempotencyKey};
use crate::api::input::{Check, Member, Object};
use crate::api::list::List;
use crate::api::path::SlugPath;
use crate::api::posts::label_choice::{REASON_MAX, duplicate, refuse_overfull};
use crate::api::posts::{PostPage, PostSummary};
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::{Error, Result, Violation};
use crate::models::label::Label;
use crate::models::names::SLUG_MAX;
use crate::models::post::Post;
use crate::models::post_label::{self, Detail, Labeling};
use crate::models::resources::LABELS_OF_POST;
use crate::time::timestamp;
use crate::urls::Urls;

/// Maximum number of posts in one request.
const MOST: usize = 1000;

/// A post for a label.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenPost {
    /// Slug of a post that you may change.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$", examples("hello-world"))]
    slug: Member<String>,
    /// Why the post has the label. If left out, the reason stays as it was; `null` and `""` clear it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("It is about Ada"))]
    reason: Member<String>,
}

/// Posts for a label.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenPosts {
    /// The posts. Each may occur only once.
    #[serde(default)]
    #[schema(value_type = Vec<ChosenPost>, required, max_items = 1000)]
    posts: Member<Vec<Object<ChosenPost>>>,
}

/// A post that has a label.
#[derive(Debug, Serialize, ToSchema)]
pub struct LabeledPost {
    /// Name of the post in URLs.
    #[schema(examples("hello-world"))]
    pub slug: String,
    /// Title of the post.
    #[schema(examples("Hello, world"))]
    pub title: String,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Why the post has the label; `null` if no reason was given.
    #[schema(required, examples("It is about Ada"))]
    pub reason: Option<String>,
    /// When the post got the label.
    #[schema(format = DateTime)]
    pub labeled_at: String,
}

/// The posts that a request names.
#[derive(Debug, Serialize, ToSchema)]
pub struct LabeledPosts {
    /// The posts, in the order of the request.
    pub posts: Vec<LabeledPost>,
}

/// A chosen post that is valid in itself.
struct PostChoice {
    place: usize,
    slug: String,
    reason: Option<Option<String>>,
}

impl ChosenPosts {
    /// Return the posts that are valid in themselves, and note the faults of the others.
    fn validate(self, check: &mut Check) -> Vec<PostChoice> {
        let posts = check.required("posts", self.posts).unwrap_or_default();
        if posts.len() > MOST {
            let detail = format!("`posts` must have at most {MOST} items.");
            check.fault(Violation::body("/posts", "too_many", detail).with(json!({ "max": MOST })));
            return Vec::new();
        }
        let mut chosen: Vec<PostChoice> = Vec::with_capacity(posts.len());
        for (place, Object(post)) in posts.into_iter().enumerate() {
            let pointer = format!("posts/{place}/slug");
            let reason = check.clearable(&format!("posts/{place}/reason"), post.reason, REASON_MAX);
            let Some(slug) = check.required(&pointer, post.slug) else { continue };
            let faults = check.count();
            let slug = check.text(&pointer, &slug, 1, SLUG_MAX);
            // An invalid slug is not looked up: U+0000 would break the query.
            if check.count() > faults {
                continue;
            }
            if chosen.iter().any(|other| other.slug == slug) {
                check.fault(duplicate(format!("/posts/{place}"), "The list already contains this post."));
            }
            chosen.push(PostChoice { place, slug, reason });
        }
        chosen
    }
}

/// Return the chosen posts among those that were read, in the order of the request, and the faults of the others. 403 if the user
/// may see a post but not change it.
fn find<'a>(
    mut check: Check,
    chosen: &[PostChoice],
    read: &'a [Post],
    user: &CurrentUser,
) -> Result<(Vec<&'a Post>, Check)> {
    let by_slug: HashMap<&str, &Post> = read.iter().map(|post| (post.slug.as_str(), post)).collect();
    let mut found = Vec::with_capacity(chosen.len());
    for chosen in chosen {
        match by_slug.get(chosen.slug.as_str()).filter(|post| post.is_visible_to(user.viewer())) {
            Some(post) if post.can_change(user.viewer()) => found.push(*post),
            Some(_) => return Err(Error::forbidden()),
            None => check.fault(Violation::body(
                format!("/posts/{}/slug", chosen.place),
                "unknown_post",
                "There is no such post, or you may not see it.",
            )),
        }
    }
    Ok((found, check))
}

/// Lock the chosen posts and `others`, but only once they have no faults, so that no request waits for one that is rejected.
fn lock(
    conn: &mut PgConnection,
    body: Body<ChosenPosts>,
    user: &CurrentUser,
    others: Vec<i64>,
    stale: impl Fn() -> Result<()>,
) -> Result<(Vec<PostChoice>, Vec<Post>)> {
    let mut check = Check::default();
    let chosen = match body.get() {
        Ok(posts) => posts.validate(&mut check),
        Err(error) => return Err(stale().err().unwrap_or(error)),
    };
    let slugs: Vec<&str> = chosen.iter().map(|chosen| chosen.slug.as_str()).collect();
    let read = Post::by_slugs(conn, &slugs)?;
    let (posts, check) = find(check, &chosen, &read, user)?;
    stale()?;
    check.finish(|| Some(()))?;
    let mut ids = others;
    ids.extend(posts.iter().map(|post| post.id));
    Ok((chosen, Post::lock_all(conn, &ids)?))
}

/// Return the chosen posts among the locked ones. In the meantime, a post may have been deleted, or may have become another
/// user's.
fn found<'a>(chosen: &[PostChoice], locked: &'a [Post], user: &CurrentUser) -> Result<Vec<&'a Post>> {
    let (posts, check) = find(Check::default(), chosen, locked, user)?;
    check.finish(|| Some(posts))
}

/// Add the label to locked posts, and answer with these posts.
fn put(
    conn: &mut PgConnection,
    label: &Label,
    chosen: &[PostChoice],
    posts: &[&Post],
    urls: &Urls,
) -> Result<ResourceResponse> {
    let labelings: Vec<Labeling> = posts
        .iter()
        .zip(chosen)
        .map(|(post, chosen)| Labeling {
            post_id: post.id,
            label_id: label.id,
            reason: chosen.reason.clone(),
        })
        .collect();
    post_label::add(conn, &labelings)?;
    let ids: Vec<i64> = posts.iter().map(|post| post.id).collect();
    refuse_overfull(conn, &ids, |id| {
        let place = posts.iter().position(|post| post.id == id).and_then(|index| chosen.get(index));
        format!("/posts/{}", place.map_or(0, |chosen| chosen.place))
    })?;
    let details = post_label::details(conn, label.id, &ids)?;
    let details: HashMap<i64, &Detail> = details.iter().map(|detail| (detail.post_id, detail)).collect();
    let shown = posts.iter().map(|post| {
        let detail = details
            .get(&post.id)
            .ok_or_else(|| Error::internal("a post does not have the label that was just added to it"))?;
        Ok(LabeledPost {
            slug: post.slug.clone(),
            title: post.title.clone(),
            url: urls.post(&post.slug),
            reason: detail.reason.clone(),
            labeled_at: timestamp(detail.labeled_at),
        })
    });
    ResourceResponse::new(label.version, &LabeledPosts { posts: shown.collect::<Result<_>>()? })
}

/// List a label's posts.
///
/// Open to all clients. Returns published posts, and drafts that the caller may change. Newest first by default.
#[utoipa::path(
    operation_id = "listLabelPosts", tag = "labels", security((), ("bearer" = [])),
    params(SlugPath, List<PostSummary>),
    responses((status = 200, description = "A page of the label's posts", body = PostPage), Refusals)
)]
#[get("/labels/{slug}/posts")]
pub async fn list_label_posts(
    app: AppState,
    slug: SlugPath,
    list: List<PostSummary>,
) -> Result<ListResponse> {
    let list = list.within(&LABELS_OF_POST, &slug.0);
    let slice = list
        .read(&app.db, move |conn, selection| {
            let slice = Post::page(conn, selection)?;
            if slice.rows.is_empty() {
                Label::find_row(conn, &slug.0)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, |full| PostSummary::of(full, &app.urls))
}

/// Add a label to posts.
///
/// For posts that the caller may change: as writer, as editor or as staff. 403 for a post that the caller can see but not change;
/// 422 with `unknown_post` for one that does not exist or that the caller cannot see. A post that already has the label gets the
/// new reason, if one is given, and keeps its time. If one post is rejected, the label is added to none.
#[utoipa::path(
    operation_id = "addLabelPosts", tag = "labels", security(("bearer" = [])), request_body = ChosenPosts,
    params(SlugPath, IdempotencyKey),
    responses(
        (status = 200, description = "The posts that the request names", body = LabeledPosts, headers(
            ("ETag" = String, description = "The label's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/labels/{slug}/posts")]
pub async fn add_label_posts(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    once: IdempotencyKey,
    body: Body<ChosenPosts>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            Label::find_row(conn, &slug.0)?;
            let (chosen, locked) = lock(conn, body, &user, Vec::new(), || Ok(()))?;
            let posts = found(&chosen, &locked, &user)?;
            let label = Label::lock_key_share(conn, &slug.0)?;
            let shown = DataSubjects::from(user.id).and(posts.iter().map(|post| post.writer_id));
            Ok((put(conn, &label, &chosen, &posts, &app.urls)?, shown))
        })
    })
    .await
}

/// Replace a label's posts.
///
/// Works like `addLabelPosts`, and also removes the label from every other post that the caller may change.
#[utoipa::path(
    operation_id = "replaceLabelPosts", tag = "labels", security(("bearer" = [])), request_body = ChosenPosts,
    params(SlugPath, IfMatch),
    responses((status = 200, description = "The posts that the request names", body = LabeledPosts), Refusals)
)]
#[put("/labels/{slug}/posts")]
pub async fn replace_label_posts(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
    body: Body<ChosenPosts>,
) -> Result<ResourceResponse> {
    let urls = Arc::clone(&app.urls);
    app.db
        .long_transaction(move |conn| {
            let known = Label::find_row(conn, &slug.0)?;
            let ids_with_label = Post::ids_with_label(conn, known.id, user.viewer())?;
            let (chosen, locked) = lock(conn, body, &user, ids_with_label, || if_match.check(known.version))?;
            let posts = found(&chosen, &locked, &user)?;
            let label = Label::lock_key_share(conn, &slug.0)?;
            if_match.check(label.version)?;
            let kept: HashSet<i64> = posts.iter().map(|post| post.id).collect();
            let others =
                locked.iter().filter(|post| !kept.contains(&post.id) && post.can_change(user.viewer()));
            post_label::remove(conn, label.id, &others.map(|post| post.id).collect::<Vec<_>>())?;
            put(conn, &label, &chosen, &posts, &urls)
        })
        .await
}

/// Remove a label from posts.
///
/// Removes the label from all posts that the caller may change. It is not an error if there are none.
#[utoipa::path(
    operation_id = "clearLabelPosts", tag = "labels", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses((status = 204, description = "No post that the caller may change has the label"), Refusals)
)]
#[delete("/labels/{slug}/posts")]
pub async fn clear_label_posts(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .long_transaction(move |conn| {
            let known = Label::find_row(conn, &slug.0)?;
            let ids_with_label = Post::ids_with_label(conn, known.id, user.viewer())?;
            let locked = Post::lock_all(conn, &ids_with_label)?;
            let label = Label::lock_key_share(conn, &slug.0)?;
            if_match.check(label.version)?;
            let changed = locked.iter().filter(|post| post.can_change(user.viewer()));
            post_label::remove(conn, label.id, &changed.map(|post| post.id).collect::<Vec<_>>())?;
            Ok(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
