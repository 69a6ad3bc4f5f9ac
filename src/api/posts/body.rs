//! What clients send of posts, and how it becomes values that cannot be invalid.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::input::{Check, Member};
use crate::auth::CurrentUser;
use crate::error::{Result, Violation};
use crate::models::Viewer;
use crate::models::choices::{CATEGORIES, DEFAULT_CATEGORY, MIDDLE};
use crate::models::names::{SLUG_MAX, Slug};
use crate::models::post::{NewPost, PostChanges, SlugChange};
use crate::models::user::User;

/// Most characters of a content.
const CONTENT_MAX: usize = 200_000;

/// The values of `category`, for the document: what comes in is checked with every other rule at once.
#[derive(ToSchema)]
#[expect(missing_docs, reason = "the document takes the values' names from here")]
pub enum Category {
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
    #[schema(value_type = Option<String>, max_length = 256, pattern = "^[A-Za-z0-9_-]*$", examples("hello-world"))]
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
    /// Username of somebody who may change it too.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
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
    #[schema(value_type = Option<String>, max_length = 256, pattern = "^[A-Za-z0-9_-]*$", examples("hello-world"))]
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
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
    editor: Member<String>,
}

/// Who shall be the editor: `None` keeps, `Some(None)` is nobody.
pub(super) type EditorChange = Option<Option<String>>;

impl CreatePost {
    pub(super) fn validate(self, check: &mut Check) -> (Option<NewPost>, EditorChange) {
        let title = check.required("title", self.title).map(|text| check.text("title", &text, 1, 256));
        let slug =
            check.clearable("slug", self.slug, SLUG_MAX).flatten().and_then(|text| parse_slug(check, &text));
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
    pub(super) fn validate(self, check: &mut Check) -> (PostChanges, Option<SlugChange>, EditorChange) {
        let slug = match check.clearable("slug", self.slug, SLUG_MAX) {
            None => None,
            Some(None) => Some(SlugChange::Remake),
            Some(Some(text)) => parse_slug(check, &text).map(SlugChange::Set),
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
    let slug = Slug::parse(text);
    if slug.is_none() && text.chars().count() <= SLUG_MAX {
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
pub(super) fn resolve_editor(
    conn: &mut diesel::PgConnection,
    check: &mut Check,
    editor: EditorChange,
    user: &CurrentUser,
    present: Option<i64>,
) -> Result<Option<Option<i64>>> {
    use diesel::OptionalExtension;
    let Some(name) = editor else { return Ok(None) };
    let Some(name) = name.filter(|name| !name.contains('\0')) else { return Ok(Some(None)) };
    let name = if name.eq_ignore_ascii_case("me") { user.username.clone() } else { name };
    // Who is the editor already may stay so, active or not.
    let found = User::find(conn, &name, Viewer::Staff(user.id)).optional()?;
    let found = found.filter(|found| found.is_active || Some(found.id) == present);
    if found.is_none() {
        check.fault(unknown_editor());
    }
    Ok(Some(found.map(|found| found.id)))
}

/// The fault of naming nobody.
pub(super) fn unknown_editor() -> Violation {
    Violation::body("/editor", "unknown_user", "There is no active user of this name.")
}
