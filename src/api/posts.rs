//! Posts: what users write.

use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, Listed, Versioned};
use super::document::Refusals;
use super::input::{Check, Member};
use super::page::{self, PageQuery};
use super::path::NamedSlug;
use super::pictures::UserRef;
use super::query::Query;
use super::urls::Urls;
use super::{Deleted, timestamp};
use crate::auth::{CurrentUser, MaybeUser};
use crate::db::Db;
use crate::error::{Code, Error, Result, Violation};
use crate::lookups::cursor::Cursors;
use crate::models::Viewer;
use crate::models::choices::{CATEGORIES, DEFAULT_CATEGORY, MIDDLE, category_label, rating_label};
use crate::models::names::{SLUG_MAX, Slug};
use crate::models::post::{self, FullPost, NewPost, PostChanges, SlugChange};
use crate::models::user::User;

const CONTENT_MAX: usize = 200_000;
const EXCERPT: usize = 300;

/// A post.
#[derive(Debug, Serialize, ToSchema)]
pub struct Post {
    /// What every representation of a post has.
    #[serde(flatten)]
    #[schema(inline)]
    pub common: PostCommon,
    /// All of it.
    pub content: String,
}

/// A post in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostSummary {
    /// What every representation of a post has.
    #[serde(flatten)]
    #[schema(inline)]
    pub common: PostCommon,
    /// The first 300 characters of the content.
    pub excerpt: String,
}

/// What every representation of a post has.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostCommon {
    /// Never used twice.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// What it is called.
    #[schema(examples("Hello, world"))]
    pub title: String,
    /// Names it in URLs.
    #[schema(examples("hello-world"))]
    pub slug: String,
    /// What it is about.
    #[schema(examples("SOC"))]
    pub category: String,
    /// The same for people.
    #[schema(examples("Society"))]
    pub category_display: String,
    /// How good it is, 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: i16,
    /// The same for people.
    #[schema(examples("Average"))]
    pub rating_display: String,
    /// How important it is, 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rank: i16,
    /// Whether all may read it.
    pub published: bool,
    /// When it was first published.
    #[schema(required, format = DateTime)]
    pub published_at: Option<String>,
    /// Who wrote it.
    pub writer: UserRef,
    /// Who may change it too.
    #[schema(required)]
    pub editor: Option<UserRef>,
    /// When it was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostPage {
    /// The posts, the newest first.
    pub results: Vec<PostSummary>,
    /// URL of the page that follows.
    #[schema(required, format = "uri")]
    pub next: Option<String>,
    /// URL of the page before.
    #[schema(required, format = "uri")]
    pub previous: Option<String>,
    /// Cursor of the page that follows.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// Cursor of the page before.
    #[schema(required)]
    pub previous_cursor: Option<String>,
    /// How many there are in all; `null` where nobody asked.
    #[schema(required)]
    pub count: Option<i64>,
}

impl PostCommon {
    fn of(full: &FullPost, urls: &Urls) -> Self {
        let row = &full.post;
        Self {
            id: row.id,
            url: urls.post(&row.slug),
            title: row.title.clone(),
            slug: row.slug.clone(),
            category: row.category.clone(),
            category_display: category_label(&row.category).to_owned(),
            rating: row.rating,
            rating_display: rating_label(row.rating).to_owned(),
            rank: row.rank,
            published: row.published,
            published_at: row.published_at.map(timestamp),
            writer: UserRef::of(&full.writer, urls),
            editor: full.editor.as_ref().map(|editor| UserRef::of(editor, urls)),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

fn respond(full: FullPost, urls: &Urls) -> Result<Versioned> {
    let version = full.post.version;
    let common = PostCommon::of(&full, urls);
    Versioned::new(version, &Post { common, content: full.post.content })
}

/// The values of `category`, for the document: what comes in is checked with every other rule at once.
#[derive(ToSchema)]
#[expect(clippy::upper_case_acronyms, dead_code, reason = "only the document knows it, by the values' names")]
enum Category {
    SOC,
    EDU,
    HLT,
    CUL,
    TEC,
}

/// What to write.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePost {
    /// What it is called.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 256, examples("Hello, world"))]
    title: Member<String>,
    /// Names it in URLs; made from the title where it is left out or `null`.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    slug: Member<String>,
    /// All of it; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// What it is about: society, unless said otherwise.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good it is.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5, default = 3)]
    rating: Member<i64>,
    /// How important it is.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5, default = 3)]
    rank: Member<i64>,
    /// Whether all may read it.
    #[serde(default)]
    #[schema(value_type = bool, required = false, default = false)]
    published: Member<bool>,
    /// Username of somebody who may change it too.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150)]
    editor: Member<String>,
}

/// What to change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePost {
    /// The slug stays as it is.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    title: Member<String>,
    /// `null` makes it anew from the title. The former one goes on leading here.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    slug: Member<String>,
    /// All of it; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// What it is about.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good it is.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rating: Member<i64>,
    /// How important it is.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rank: Member<i64>,
    /// Whether all may read it.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    published: Member<bool>,
    /// Username of somebody who may change it too; `null` for nobody.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150)]
    editor: Member<String>,
}

/// Who shall be the editor: `None` keeps, `Some(None)` is nobody.
type EditorChange = Option<Option<String>>;

impl CreatePost {
    fn validate(self, check: &mut Check) -> (Option<NewPost>, EditorChange) {
        let title = check.required("title", self.title).map(|text| check.text("title", &text, 1, 256));
        let slug = match self.slug {
            Member::Given(text) => parse_slug(check, &text),
            Member::Null | Member::Absent => None,
        };
        let content = check.optional("content", self.content);
        let content = content.map(|text| check.text("content", &text, 0, CONTENT_MAX)).unwrap_or_default();
        let category = parse_category(check, self.category).unwrap_or(DEFAULT_CATEGORY);
        let rating = parse_number(check, "rating", self.rating).unwrap_or(MIDDLE);
        let rank = parse_number(check, "rank", self.rank).unwrap_or(MIDDLE);
        let published = check.optional("published", self.published).unwrap_or(false);
        let editor = check.clearable("editor", self.editor, 150);
        let new = title.map(|title| NewPost { title, slug, content, category, rating, rank, published });
        (new, editor)
    }
}

impl UpdatePost {
    fn validate(self, check: &mut Check) -> (PostChanges, Option<SlugChange>, EditorChange) {
        let slug = match self.slug {
            Member::Absent => None,
            Member::Null => Some(SlugChange::Remake),
            Member::Given(text) => parse_slug(check, &text).map(SlugChange::Set),
        };
        let title = check.optional("title", self.title).map(|text| check.text("title", &text, 1, 256));
        let content = check.optional("content", self.content);
        let changes = PostChanges {
            title,
            content: content.map(|text| check.text("content", &text, 0, CONTENT_MAX)),
            category: parse_category(check, self.category),
            rating: parse_number(check, "rating", self.rating),
            rank: parse_number(check, "rank", self.rank),
            published: check.optional("published", self.published),
            slug: None,
            editor_id: None,
        };
        (changes, slug, check.clearable("editor", self.editor, 150))
    }
}

fn parse_slug(check: &mut Check, text: &str) -> Option<Slug> {
    let text = check.text("slug", text, 1, SLUG_MAX);
    let slug = Slug::parse(&text);
    if slug.is_none() && (1..=SLUG_MAX).contains(&text.chars().count()) {
        check.fault(Violation::body(
            "/slug",
            "invalid_slug",
            "A slug is made of letters, digits, `-` and `_`.",
        ));
    }
    slug
}

fn parse_category(check: &mut Check, member: Member<String>) -> Option<&'static str> {
    let text = check.optional("category", member)?;
    let found = CATEGORIES.iter().find(|choice| choice.value == text.trim());
    if found.is_none() {
        let choices: Vec<_> = CATEGORIES.iter().map(|choice| choice.value).collect();
        let detail = format!("`category` is one of {}.", choices.join(", "));
        check.fault(Violation::body("/category", "not_a_choice", detail).with(json!({ "choices": choices })));
    }
    found.map(|choice| choice.value)
}

fn parse_number(check: &mut Check, name: &str, member: Member<i64>) -> Option<i16> {
    check.optional(name, member).map(|number| check.number(name, number, 1, 5))
}

/// The id of the user who is named, as one more fault of the body where there is none.
fn resolve_editor(
    conn: &mut diesel::PgConnection,
    check: &mut Check,
    editor: EditorChange,
    user: &CurrentUser,
) -> Result<Option<Option<i64>>> {
    use diesel::OptionalExtension;
    let Some(name) = editor else { return Ok(None) };
    let Some(name) = name.filter(|name| !name.contains('\0')) else { return Ok(Some(None)) };
    let name = if name.eq_ignore_ascii_case("me") { user.username.clone() } else { name };
    let found = User::find(conn, &name, Viewer::Anonymous).optional()?;
    if found.is_none() {
        let detail = "There is no active user of this name.";
        check.fault(Violation::body("/editor", "unknown_user", detail));
    }
    Ok(Some(found.map(|found| found.id)))
}

fn slug_taken() -> Error {
    Error::refused(Code::SlugTaken, Code::SlugTaken.entry().meaning)
}

/// Write a post.
#[utoipa::path(
    operation_id = "createPost", tag = "posts", security(("bearer" = [])), request_body = CreatePost,
    responses(
        (status = 201, description = "The post", body = Post, headers(
            ("Location" = String, description = "The post's canonical URL"), ("ETag" = String, description = "The version"))),
        Refusals
    )
)]
#[post("/posts")]
pub async fn create_post(
    user: CurrentUser,
    body: Body<CreatePost>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Versioned> {
    let full = db
        .transaction(move |conn| {
            let mut check = Check::default();
            let (new, editor) = body.get()?.validate(&mut check);
            let editor = resolve_editor(conn, &mut check, editor, &user)?;
            let new = check.finish(|| new)?;
            let slug = new.insert(conn, user.id, editor.flatten())?.ok_or_else(slug_taken)?;
            Ok(post::Post::find(conn, &slug, user.viewer())?)
        })
        .await?;
    let url = urls.post(&full.post.slug);
    Ok(respond(full, &urls)?.created(url))
}

/// List posts, the newest first: published ones, and drafts that one may change.
#[utoipa::path(
    operation_id = "listPosts", tag = "posts", params(PageQuery), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of posts", body = PostPage), Refusals)
)]
#[get("/posts")]
pub async fn list_posts(
    caller: MaybeUser,
    query: Query<PageQuery>,
    db: Data<Db>,
    cursors: Data<Cursors>,
    urls: Data<Urls>,
) -> Result<Listed> {
    const LIST: &str = "posts by -created_at";
    let viewer = caller.viewer();
    let keyset = query.0.keyset(&cursors, LIST, page::time)?;
    let slice = db.run(move |conn| Ok(post::Post::page(conn, viewer, &keyset)?)).await?;
    let links = query.0.links(&cursors, &urls, "/api/v1/posts", LIST, &slice, |row| {
        (row.post.created_at.timestamp_micros().into(), row.post.id)
    });
    let header = links.header();
    let page = PostPage {
        results: slice
            .rows
            .iter()
            .map(|full| PostSummary {
                common: PostCommon::of(full, &urls),
                excerpt: full.post.content.chars().take(EXCERPT).collect(),
            })
            .collect(),
        next: links.next,
        previous: links.previous,
        next_cursor: links.next_cursor,
        previous_cursor: links.previous_cursor,
        count: None,
    };
    Listed::new(&page, header)
}

/// Read a post. A former slug leads on with 308.
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

/// Change a post: its writer, its editor, staff.
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
            let (mut changes, slug, editor) = body.get()?.validate(&mut check);
            changes.editor_id = resolve_editor(conn, &mut check, editor, &user)?;
            let changes = check.finish(|| Some(changes))?;
            let slug = before.update(conn, changes, slug.as_ref())?.ok_or_else(slug_taken)?;
            Ok(post::Post::find(conn, &slug, Viewer::Staff(user.id))?)
        })
        .await?;
    respond(full, &urls)
}

/// Delete a post: its writer, staff.
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
    db.transaction(move |conn| {
        let viewer = user.viewer();
        let post = post::Post::lock(conn, &slug.0, viewer)?;
        if !post.is_owned_by(viewer) {
            return Err(Error::forbidden());
        }
        if_match.check(post.version)?;
        post.delete(conn)?;
        Ok(Json(Deleted::new([("posts", 1)])))
    })
    .await
}
