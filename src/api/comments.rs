//! Comments: what users say about posts, or said before they were detached.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use diesel::{OptionalExtension, PgConnection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, Listed, Versioned};
use super::document::Refusals;
use super::idempotency::{Once, Shown};
use super::input::{Check, Member};
use super::list::List;
use super::page::{Page, Paged};
use super::path::Id;
use super::pictures::UserRef;
use super::timestamp;
use super::urls::Urls;
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Code, Error, OnConstraint, Result, Violation};
use crate::lookups::table::Resource;
use crate::models::Viewer;
use crate::models::comment::{self, CommentChanges, FullComment, NewComment};
use crate::models::names::SLUG_MAX;
use crate::models::post::Post;
use crate::models::resources::COMMENTS;

/// Most characters of an alias, which are those of a display name.
const ALIAS_MAX: usize = 128;
/// Most characters of a comment.
const CONTENT_MAX: usize = 10_000;

/// A comment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    /// Never used twice.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// What it is about; `null` once it is detached, or as long as one may not see the post.
    #[schema(required)]
    pub post: Option<PostRef>,
    /// Who wrote it.
    pub user: UserRef,
    /// What the author was called at the time, or wanted to be.
    #[schema(examples("Ana García"))]
    pub alias: String,
    /// All of it.
    #[schema(examples("You are absolutely right!"))]
    pub content: String,
    /// When it was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A post where another resource mentions one.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostRef {
    /// Names it in URLs.
    #[schema(examples("hello-world"))]
    pub slug: String,
    /// What it is called.
    #[schema(examples("Hello, world"))]
    pub title: String,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
}

/// A page of them.
pub type CommentPage = Page<Comment>;

impl Paged for Comment {
    const PAGE: &'static str = "CommentPage";
    const RESOURCE: &'static Resource = &COMMENTS;
}

impl Comment {
    /// As the viewer may see it: of a post that is another's draft by now, nothing is told.
    pub fn of(full: &FullComment, viewer: Viewer, urls: &Urls) -> Self {
        let row = &full.comment;
        let post = full.post.as_ref().filter(|post| post.is_visible_to(viewer));
        Self {
            id: row.id,
            url: urls.comment(row.id),
            post: post.map(|post| PostRef {
                slug: post.slug.clone(),
                title: post.title.clone(),
                url: urls.post(&post.slug),
            }),
            user: UserRef::of(&full.user, urls),
            alias: row.alias.clone(),
            content: row.content.clone(),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

/// What to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateComment {
    /// Slug of a post that one may see; `null`, or left out, for a comment that only oneself and staff see.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("hello-world"))]
    post: Member<String>,
    /// What to be called here; one's display name of now where it is left out, `null` or empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// All of it.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000, examples("You are absolutely right!"))]
    content: Member<String>,
}

/// What to say about the post of the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePostComment {
    /// What to be called here; one's display name of now where it is left out, `null` or empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// All of it.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000, examples("You are absolutely right!"))]
    content: Member<String>,
}

/// What to change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateComment {
    /// `null` detaches it; the slug of a post that one may see attaches it there.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples(json!(null)))]
    post: Member<String>,
    /// `null` makes it the author's display name of now.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// All of it.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 10_000)]
    content: Member<String>,
}

/// Where a comment shall be: `None` keeps, `Some(None)` is nowhere.
type PostChange = Option<Option<String>>;

impl CreateComment {
    fn validate(self, check: &mut Check) -> (Option<NewComment>, Option<String>) {
        let post = check.clearable("post", self.post, SLUG_MAX).flatten();
        let body = CreatePostComment { alias: self.alias, content: self.content };
        (body.validate(check), post)
    }
}

impl CreatePostComment {
    pub(super) fn validate(self, check: &mut Check) -> Option<NewComment> {
        let alias = check.clearable("alias", self.alias, ALIAS_MAX).flatten();
        let content = check.required("content", self.content)?;
        Some(NewComment { alias, content: check.text("content", &content, 1, CONTENT_MAX) })
    }
}

impl UpdateComment {
    /// Whether it does no more than detach, which a post's writer may do with anybody's comment.
    fn only_detaches(&self) -> bool {
        let is_detaching = match &self.post {
            Member::Null => true,
            Member::Given(slug) => slug.trim().is_empty(),
            Member::Absent => false,
        };
        is_detaching && self.alias == Member::Absent && self.content == Member::Absent
    }

    fn validate(self, check: &mut Check) -> (CommentChanges, Option<Option<String>>, PostChange) {
        let content = check.optional("content", self.content);
        let content = content.map(|content| check.text("content", &content, 1, CONTENT_MAX));
        let changes = CommentChanges { content, ..CommentChanges::default() };
        let alias = check.clearable("alias", self.alias, ALIAS_MAX);
        (changes, alias, check.clearable("post", self.post, SLUG_MAX))
    }
}

/// The post that a comment is to be about, which stays until the transaction ends; one more fault of the body where there is
/// none.
fn hold(
    conn: &mut PgConnection,
    check: &mut Check,
    slug: Option<&str>,
    viewer: Viewer,
) -> Result<Option<i64>> {
    let Some(slug) = slug.filter(|slug| !slug.contains('\0')) else { return Ok(None) };
    let found = Post::hold(conn, slug, viewer).optional()?;
    if found.is_none() {
        let detail = "There is no such post, or none that you may see.";
        check.fault(Violation::body("/post", "unknown_post", detail));
    }
    Ok(found.map(|post| post.id))
}

/// Write it, and answer with it, which shows its author and its post.
pub(super) fn write(
    conn: &mut PgConnection,
    user: &CurrentUser,
    new: &NewComment,
    post_id: Option<i64>,
    urls: &Urls,
) -> Result<(Versioned, Shown)> {
    let id =
        new.insert(conn, user.id, post_id).on_constraint("comments_user_id_fkey", Code::SessionRevoked)?;
    let full = comment::Comment::find(conn, id, user.viewer())?;
    let shown = Shown::from(user.id).and(full.post.as_ref().map(|post| post.writer_id));
    Ok((respond(&full, user.viewer(), urls)?.created(urls.comment(id)), shown))
}

fn respond(full: &FullComment, viewer: Viewer, urls: &Urls) -> Result<Versioned> {
    Versioned::new(full.comment.version, &Comment::of(full, viewer, urls))
}

/// List comments.
///
/// The oldest first: those on posts that one may see, and one's own; staff see all.
#[utoipa::path(
    operation_id = "listComments", tag = "comments", params(List<Comment>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of comments", body = CommentPage), Refusals)
)]
#[get("/comments")]
pub async fn list_comments(
    caller: MaybeUser,
    list: List<Comment>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Listed> {
    let viewer = caller.viewer();
    let slice = list.read(&db, |conn, selection| Ok(comment::Comment::page(conn, selection)?)).await?;
    list.answer(slice, |full| Comment::of(full, viewer, &urls))
}

/// Write a comment.
///
/// On a post that one may see, or on none.
#[utoipa::path(
    operation_id = "createComment", tag = "comments", security(("bearer" = [])), request_body = CreateComment,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
        description = "Sent again with the same key, it is done once")),
    responses(
        (status = 201, description = "The comment", body = Comment, headers(
            ("Location" = String, description = "The comment's canonical URL"), ("ETag" = String, description = "The version"),
            ("Idempotency-Replayed" = String, description = "`true` on the answer to a repeat"))),
        Refusals
    )
)]
#[post("/comments")]
pub async fn create_comment(
    user: CurrentUser,
    once: Once,
    body: Body<CreateComment>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let request = once.of(|| body.canonical());
    db.transaction(move |conn| {
        request.once(conn, |conn| {
            let mut check = Check::default();
            let (new, post) = body.get()?.validate(&mut check);
            let post_id = hold(conn, &mut check, post.as_deref(), user.viewer())?;
            let new = check.finish(|| new)?;
            write(conn, &user, &new, post_id, &urls)
        })
    })
    .await
}

/// Read a comment.
///
/// One on a post that one may not see is 404, and so is a detached one, but to its author and staff. To its author, `post` is `null`
/// then.
#[utoipa::path(
    operation_id = "getComment", tag = "comments", security((), ("bearer" = [])),
    params(("id" = i64, Path, description = "The comment's id")),
    responses((status = 200, description = "The comment", body = Comment), Refusals)
)]
#[get("/comments/{id}")]
pub async fn get_comment(caller: MaybeUser, id: Id, db: Data<Db>, urls: Data<Urls>) -> Result<Versioned> {
    let viewer = caller.viewer();
    let full = db.run(move |conn| Ok(comment::Comment::find(conn, id.0, viewer)?)).await?;
    respond(&full, viewer, &urls)
}

/// Change a comment.
///
/// Its author, staff. The writer of its post may detach it: `{"post": null}` and nothing else.
#[utoipa::path(
    operation_id = "updateComment", tag = "comments", security(("bearer" = [])), request_body = UpdateComment,
    params(
        ("id" = i64, Path, description = "The comment's id"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses((status = 200, description = "The comment", body = Comment), Refusals)
)]
#[patch("/comments/{id}")]
pub async fn update_comment(
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
    body: Body<UpdateComment>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let viewer = user.viewer();
    let full = db
        .transaction(move |conn| {
            let known = comment::Comment::find(conn, id.0, viewer)?;
            let shaped = body.get();
            let mut check = Check::default();
            let only_detaches = shaped.as_ref().is_ok_and(UpdateComment::only_detaches);
            may_change(&known, only_detaches, viewer)?;
            if_match.check(known.comment.version)?;
            let (mut changes, alias, post) = shaped?.validate(&mut check);
            // The post before the comment, as the deletion of a user locks them.
            let post_id = hold(conn, &mut check, post.clone().flatten().as_deref(), viewer)?;
            let before = comment::Comment::lock(conn, id.0, viewer)?;
            may_change(&before, only_detaches, viewer)?;
            if_match.check(before.comment.version)?;
            check.finish(|| Some(()))?;
            changes.post_id = post.map(|_| post_id);
            changes.alias = alias.map(|alias| alias.unwrap_or_else(|| before.user.display_name.clone()));
            before.comment.update(conn, &changes)?;
            Ok(comment::Comment::read(conn, id.0)?)
        })
        .await?;
    respond(&full, viewer, &urls)
}

fn may_change(full: &FullComment, only_detaches: bool, viewer: Viewer) -> Result<()> {
    let may = if only_detaches { full.is_moderated_by(viewer) } else { full.is_edited_by(viewer) };
    if may { Ok(()) } else { Err(Error::forbidden()) }
}

/// Delete a comment.
///
/// Its author, staff, the writer of its post.
#[utoipa::path(
    operation_id = "deleteComment", tag = "comments", security(("bearer" = [])),
    params(
        ("id" = i64, Path, description = "The comment's id"),
        ("If-Match" = Option<String>, Header, description = "Only if this is still the version")
    ),
    responses((status = 204, description = "The comment is deleted"), Refusals)
)]
#[delete("/comments/{id}")]
pub async fn delete_comment(
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
    db: Data<Db>,
) -> Result<HttpResponse> {
    db.transaction(move |conn| {
        let before = comment::Comment::lock(conn, id.0, user.viewer())?;
        may_change(&before, true, user.viewer())?;
        if_match.check(before.comment.version)?;
        Ok(before.comment.delete(conn)?)
    })
    .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
