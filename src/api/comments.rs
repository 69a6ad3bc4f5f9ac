//! Comments: what users say about posts. A comment can be detached from its post.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post};
use diesel::{OptionalExtension, PgConnection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::idempotency::{DataSubjects, IdempotencyKey};
use super::input::{Check, Member};
use super::list::List;
use super::page::{Page, Paged};
use super::path::Id;
use super::pictures::UserRef;
use crate::api::state::AppState;
use crate::auth::{CurrentUser, MaybeUser};
use crate::error::{Code, Error, OnConstraint, Result, Violation};
use crate::lookups::table::Resource;
use crate::models::Viewer;
use crate::models::comment::{self, CommentChanges, FullComment, NewComment};
use crate::models::names::SLUG_MAX;
use crate::models::post::Post;
use crate::models::resources::COMMENTS;
use crate::time::timestamp;
use crate::urls::Urls;

/// Maximum number of characters of an alias, which is that of a display name.
const ALIAS_MAX: usize = 128;
/// Maximum number of characters of a comment.
const CONTENT_MAX: usize = 10_000;

/// A comment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    /// Unique id, which is never reused.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Post that the comment is about; `null` if the comment is detached, or while the caller cannot see the post.
    #[schema(required)]
    pub post: Option<PostRef>,
    /// Author of the comment.
    pub user: UserRef,
    /// Name under which the author appears: the one that the author chose, or else the author's display name at the time.
    #[schema(examples("Ana García"))]
    pub alias: String,
    /// Text of the comment.
    #[schema(examples("You are absolutely right!"))]
    pub content: String,
    /// When the comment was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the comment last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A post that another resource refers to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostRef {
    /// Name of the post in URLs.
    #[schema(examples("hello-world"))]
    pub slug: String,
    /// Title of the post.
    #[schema(examples("Hello, world"))]
    pub title: String,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
}

/// A page of comments.
pub type CommentPage = Page<Comment>;

impl Paged for Comment {
    const PAGE: &'static str = "CommentPage";
    const RESOURCE: &'static Resource = &COMMENTS;
}

impl Comment {
    /// Represent a comment as the viewer may see it. A post that is now another user's draft is left out.
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

/// A new comment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateComment {
    /// Slug of a post that you can see. If `null` or left out, only you and staff see the comment.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("hello-world"))]
    post: Member<String>,
    /// Name under which you appear here; your current display name if left out, `null` or empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// Text of the comment.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000, examples("You are absolutely right!"))]
    content: Member<String>,
}

/// A new comment on the post in the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePostComment {
    /// Name under which you appear here; your current display name if left out, `null` or empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// Text of the comment.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 10_000, examples("You are absolutely right!"))]
    content: Member<String>,
}

/// Changes to a comment. Fields that are left out keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateComment {
    /// `null` detaches the comment; the slug of a post that you can see attaches it to that post.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples(json!(null)))]
    post: Member<String>,
    /// Name under which the author appears; `null` sets the author's current display name.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    alias: Member<String>,
    /// Text of the comment.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 10_000)]
    content: Member<String>,
}

/// The requested post of a comment: `None` keeps it, `Some(None)` detaches the comment.
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
    /// Whether the change only detaches the comment, which the writer of a post may do with any comment on it.
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

/// Return the post that a comment is to be about, and keep it from being deleted until the transaction ends. Note a fault of the
/// body if there is no such post.
fn hold(
    conn: &mut PgConnection,
    check: &mut Check,
    slug: Option<&str>,
    viewer: Viewer,
) -> Result<Option<i64>> {
    let Some(slug) = slug.filter(|slug| !slug.contains('\0')) else { return Ok(None) };
    let found = Post::lock_key_share(conn, slug, viewer).optional()?;
    if found.is_none() {
        let detail = "There is no such post, or you may not see it.";
        check.fault(Violation::body("/post", "unknown_post", detail));
    }
    Ok(found.map(|post| post.id))
}

/// Insert the comment and answer with it. The answer shows data of its author and of its post.
pub(super) fn write(
    conn: &mut PgConnection,
    user: &CurrentUser,
    new: &NewComment,
    post_id: Option<i64>,
    urls: &Urls,
) -> Result<(ResourceResponse, DataSubjects)> {
    let id =
        new.insert(conn, user.id, post_id).on_constraint("comments_user_id_fkey", Code::SessionRevoked)?;
    let full = comment::Comment::find(conn, id, user.viewer())?;
    let shown = DataSubjects::from(user.id).and(full.post.as_ref().map(|post| post.writer_id));
    Ok((respond(&full, user.viewer(), urls)?.created(urls.comment(id)), shown))
}

fn respond(full: &FullComment, viewer: Viewer, urls: &Urls) -> Result<ResourceResponse> {
    ResourceResponse::new(full.comment.version, &Comment::of(full, viewer, urls))
}

/// List comments.
///
/// Open to all clients. Returns the comments on posts that the caller can see, and the caller's own comments; staff see all
/// comments. Oldest first by default.
#[utoipa::path(
    operation_id = "listComments", tag = "comments", params(List<Comment>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of comments", body = CommentPage), Refusals)
)]
#[get("/comments")]
pub async fn list_comments(app: AppState, caller: MaybeUser, list: List<Comment>) -> Result<ListResponse> {
    let viewer = caller.viewer();
    let slice = list.read(&app.db, |conn, selection| Ok(comment::Comment::page(conn, selection)?)).await?;
    list.answer(slice, |full| Comment::of(full, viewer, &app.urls))
}

/// Create a comment.
///
/// For users who are logged in. The comment is on a post that the caller can see, or on none. 422 with `unknown_post` for any
/// other post.
#[utoipa::path(
    operation_id = "createComment", tag = "comments", security(("bearer" = [])), request_body = CreateComment,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The comment", body = Comment, headers(
            ("Location" = String, description = "The comment's canonical URL"),
            ("ETag" = String, description = "The comment's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/comments")]
pub async fn create_comment(
    app: AppState,
    user: CurrentUser,
    once: IdempotencyKey,
    body: Body<CreateComment>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            let mut check = Check::default();
            let (new, post) = body.get()?.validate(&mut check);
            let post_id = hold(conn, &mut check, post.as_deref(), user.viewer())?;
            let new = check.finish(|| new)?;
            write(conn, &user, &new, post_id, &app.urls)
        })
    })
    .await
}

/// Read a comment.
///
/// Open to all clients. A detached comment, or one on a post that the caller cannot see, is 404 for all callers except its author
/// and staff. For its author, `post` is `null` then.
#[utoipa::path(
    operation_id = "getComment", tag = "comments", security((), ("bearer" = [])),
    params(Id),
    responses((status = 200, description = "The comment", body = Comment), Refusals)
)]
#[get("/comments/{id}")]
pub async fn get_comment(app: AppState, caller: MaybeUser, id: Id) -> Result<ResourceResponse> {
    let viewer = caller.viewer();
    let full = app.db.run(move |conn| Ok(comment::Comment::find(conn, id.0, viewer)?)).await?;
    respond(&full, viewer, &app.urls)
}

/// Change a comment.
///
/// For its author and staff. The writer of its post may detach it, with `{"post": null}` and no other field. 403 for others.
#[utoipa::path(
    operation_id = "updateComment", tag = "comments", security(("bearer" = [])), request_body = UpdateComment,
    params(Id, IfMatch),
    responses((status = 200, description = "The comment", body = Comment), Refusals)
)]
#[patch("/comments/{id}")]
pub async fn update_comment(
    app: AppState,
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
    body: Body<UpdateComment>,
) -> Result<ResourceResponse> {
    let viewer = user.viewer();
    let full = app
        .db
        .transaction(move |conn| {
            let known = comment::Comment::find(conn, id.0, viewer)?;
            let shaped = body.get();
            let mut check = Check::default();
            let only_detaches = shaped.as_ref().is_ok_and(UpdateComment::only_detaches);
            may_change(&known, only_detaches, viewer)?;
            if_match.check(known.comment.version)?;
            let (mut changes, alias, post) = shaped?.validate(&mut check);
            // Lock the post before the comment, in the same order as the deletion of a user.
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
    respond(&full, viewer, &app.urls)
}

fn may_change(full: &FullComment, only_detaches: bool, viewer: Viewer) -> Result<()> {
    let may = if only_detaches { full.can_moderate(viewer) } else { full.can_edit(viewer) };
    if may { Ok(()) } else { Err(Error::forbidden()) }
}

/// Delete a comment.
///
/// For its author, staff, and the writer of its post; 403 for others.
#[utoipa::path(
    operation_id = "deleteComment", tag = "comments", security(("bearer" = [])),
    params(Id, IfMatch),
    responses((status = 204, description = "The comment is deleted"), Refusals)
)]
#[delete("/comments/{id}")]
pub async fn delete_comment(
    app: AppState,
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    app.db
        .transaction(move |conn| {
            let before = comment::Comment::lock(conn, id.0, user.viewer())?;
            may_change(&before, true, user.viewer())?;
            if_match.check(before.comment.version)?;
            Ok(before.comment.delete(conn)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}
