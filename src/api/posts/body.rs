//! The bodies of requests about posts, and their validation. The resulting values cannot be invalid.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::label_choice::{self, ChosenLabel, LabelChoice};
use super::rules::Rules;
use crate::api::input::{Check, Member, Object};
use crate::auth::CurrentUser;
use crate::error::{Result, Violation};
use crate::models::Viewer;
use crate::models::choices::{CATEGORIES, DEFAULT_CATEGORY, MIDDLE};
use crate::models::names::{SLUG_MAX, USERNAME_MAX};
use crate::models::post::{NewPost, Post, PostChanges, SlugChange};
use crate::models::user::User;

/// Maximum number of characters of a content.
const CONTENT_MAX: usize = 200_000;

// Only for the document: the value in a request is checked together with every other rule.
/// The category of a post: society, education, health, culture or technology.
#[derive(ToSchema)]
#[expect(missing_docs, reason = "the document takes the values' names from here")]
pub enum Category {
    SOC,
    EDU,
    HLT,
    CUL,
    TEC,
}

/// A new post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePost {
    /// Title of the post.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 256, examples("Hello, world"))]
    title: Member<String>,
    /// Name of the post in URLs; derived from the title if left out or `null`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, pattern = "^[A-Za-z0-9_-]*$", examples("hello-world"))]
    slug: Member<String>,
    /// The whole content; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// Category of the post; society by default.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good the post is, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rating: Member<i64>,
    /// How important the post is, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rank: Member<i64>,
    /// Whether all clients may read the post.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    published: Member<bool>,
    /// Username of a second user who may change the post.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
    editor: Member<String>,
    /// Labels of the post: existing ones, or new ones to create.
    #[serde(default)]
    #[schema(value_type = Vec<ChosenLabel>, required = false, max_items = 100)]
    labels: Member<Vec<Object<ChosenLabel>>>,
}

/// Changes to a post. Fields that are left out keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePost {
    /// Title of the post. The slug stays as it is.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    title: Member<String>,
    /// Name of the post in URLs; `null` regenerates it from the title. The former slug redirects to the post.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, pattern = "^[A-Za-z0-9_-]*$", examples("hello-world"))]
    slug: Member<String>,
    /// The whole content; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// Category of the post.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good the post is, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rating: Member<i64>,
    /// How important the post is, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rank: Member<i64>,
    /// Whether all clients may read the post.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    published: Member<bool>,
    /// Username of a second user who may change the post; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
    editor: Member<String>,
}

/// Changes to many posts in one request: every field except the slug, which no two posts share. Fields that are left out keep
/// their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkUpdatePosts {
    /// Title of the posts. Their slugs stay as they are.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    title: Member<String>,
    /// The whole content; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// Category of the posts.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good the posts are, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rating: Member<i64>,
    /// How important the posts are, from 1 to 5.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rank: Member<i64>,
    /// Whether all clients may read the posts.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    published: Member<bool>,
    /// Username of a second user who may change the posts; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
    editor: Member<String>,
}

/// The requested editor: `None` keeps the current one, `Some(None)` removes it.
pub(super) type EditorChange = Option<Option<String>>;

/// A post to create, valid as far as that can be checked without the database.
#[derive(Clone)]
pub(super) struct ValidPost {
    new: Option<NewPost>,
    editor: EditorChange,
    labels: Vec<LabelChoice>,
}

/// A post to create, whose editor and labels exist.
pub(super) struct ApprovedPost {
    pub(super) new: NewPost,
    pub(super) editor_id: Option<i64>,
    pub(super) labels: Vec<LabelChoice>,
}

impl CreatePost {
    pub(super) fn validate(self, rules: Rules, check: &mut Check) -> ValidPost {
        let title = check.required("title", self.title).map(|text| rules.title(check, &text));
        let slug = check.slug("slug", self.slug, SLUG_MAX).flatten();
        if let (Some(title), Some(slug)) = (&title, &slug) {
            rules.slug(check, title, slug.as_str());
        }
        let content = check.optional("content", self.content);
        let content = content.map(|text| check.text("content", &text, 0, CONTENT_MAX)).unwrap_or_default();
        let category = parse_category(check, self.category).unwrap_or(DEFAULT_CATEGORY);
        let rating = parse_number(check, "rating", self.rating).unwrap_or(MIDDLE);
        let rank = parse_number(check, "rank", self.rank).unwrap_or(MIDDLE);
        let published = check.optional("published", self.published).unwrap_or(false);
        let editor = check.clearable("editor", self.editor, USERNAME_MAX);
        let labels = check.optional("labels", self.labels).unwrap_or_default();
        let labels = label_choice::validate(labels, check);
        let new = title.map(|title| NewPost { title, slug, content, category, rating, rank, published });
        ValidPost { new, editor, labels }
    }
}

impl ValidPost {
    /// Note a fault for each user and label that is named and does not exist. Return the editor's id.
    pub(super) fn check_references(
        &self,
        conn: &mut PgConnection,
        check: &mut Check,
        user: &CurrentUser,
    ) -> Result<Option<i64>> {
        label_choice::check_labels(conn, check, &self.labels)?;
        Ok(resolve_editor(conn, check, self.editor.clone(), user, None)?.flatten())
    }

    /// Return the post if it has no faults; otherwise 422 with every fault.
    pub(super) fn approve(
        self,
        conn: &mut PgConnection,
        mut check: Check,
        user: &CurrentUser,
    ) -> Result<ApprovedPost> {
        let editor_id = self.check_references(conn, &mut check, user)?;
        let new = check.finish(|| self.new)?;
        Ok(ApprovedPost { new, editor_id, labels: self.labels })
    }
}

impl UpdatePost {
    /// Validate the changes to the post `before`.
    pub(super) fn validate(
        mut self,
        rules: Rules,
        before: &Post,
        check: &mut Check,
    ) -> (PostChanges, Option<SlugChange>, EditorChange) {
        let slug = check.slug("slug", std::mem::take(&mut self.slug), SLUG_MAX).map(SlugChange::from);
        let (changes, editor) = self.validate_any(rules, check);
        let kept = changes.title.as_ref().map(|_| before.slug.as_str());
        let wanted = match &slug {
            Some(SlugChange::Set(slug)) => Some(slug.as_str()),
            Some(SlugChange::Remake) => None,
            None => kept,
        };
        if let Some(slug) = wanted {
            rules.slug(check, changes.title.as_ref().unwrap_or(&before.title), slug);
        }
        (changes, slug, editor)
    }

    /// Validate the changes that can apply to any post: all except the slug.
    fn validate_any(self, rules: Rules, check: &mut Check) -> (PostChanges, EditorChange) {
        let title = check.optional("title", self.title).map(|text| rules.title(check, &text));
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
        (changes, check.clearable("editor", self.editor, USERNAME_MAX))
    }
}

impl BulkUpdatePosts {
    /// Validate the changes to each post.
    pub(super) fn validate(self, rules: Rules, check: &mut Check) -> (PostChanges, EditorChange) {
        let Self { title, content, category, rating, rank, published, editor } = self;
        let slug = Member::Absent;
        let update = UpdatePost { title, slug, content, category, rating, rank, published, editor };
        let (changes, editor) = update.validate_any(rules, check);
        if changes.title.is_some() {
            rules.same_title(check);
        }
        (changes, editor)
    }
}

fn parse_category(check: &mut Check, member: Member<String>) -> Option<&'static str> {
    let text = check.optional("category", member)?;
    let found = CATEGORIES.iter().find(|choice| choice.value == text.trim());
    if found.is_none() {
        let choices: Vec<_> = CATEGORIES.iter().map(|choice| choice.value).collect();
        let detail = format!("`category` must be one of {}.", choices.join(", "));
        check.fault(Violation::body("/category", "not_a_choice", detail).with(json!({ "choices": choices })));
    }
    found.map(|choice| choice.value)
}

fn parse_number(check: &mut Check, name: &str, member: Member<i64>) -> Option<i16> {
    check.optional(name, member).map(|number| check.number(name, number, 1, 5))
}

/// Return the id of the named user. Note a fault of the body if there is none.
pub(super) fn resolve_editor(
    conn: &mut PgConnection,
    check: &mut Check,
    editor: EditorChange,
    user: &CurrentUser,
    present: Option<i64>,
) -> Result<Option<Option<i64>>> {
    use diesel::OptionalExtension;
    let Some(name) = editor else { return Ok(None) };
    let Some(name) = name.filter(|name| !name.contains('\0')) else { return Ok(Some(None)) };
    let name = if name.eq_ignore_ascii_case("me") { user.username.clone() } else { name };
    // The current editor may remain the editor, active or not.
    let found = User::find(conn, &name, Viewer::Staff(user.id)).optional()?;
    let found = found.filter(|found| found.is_active || Some(found.id) == present);
    if found.is_none() {
        check.fault(unknown_editor());
    }
    Ok(Some(found.map(|found| found.id)))
}

/// The fault of naming a user who does not exist or is not active.
pub(super) fn unknown_editor() -> Violation {
    Violation::body("/editor", "unknown_user", "There is no active user with this name.")
}
