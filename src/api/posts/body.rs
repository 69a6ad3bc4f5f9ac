//! What clients send of posts, and how it becomes values that cannot be invalid.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::choice::{self, Chosen, ChosenLabel};
use super::rules::Rules;
use crate::api::input::{Check, Member, Object};
use crate::auth::CurrentUser;
use crate::error::{Result, Violation};
use crate::models::Viewer;
use crate::models::choices::{CATEGORIES, DEFAULT_CATEGORY, MIDDLE};
use crate::models::names::{SLUG_MAX, USERNAME_MAX};
use crate::models::post::{NewPost, Post, PostChanges, SlugChange};
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
    /// What to sort it by: labels that are there, or to be made.
    #[serde(default)]
    #[schema(value_type = Vec<ChosenLabel>, required = false, max_items = 100)]
    labels: Member<Vec<Object<ChosenLabel>>>,
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

/// What to change about many posts at once: everything but the slug, which no two share. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkUpdatePosts {
    /// The slugs stay as they are.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 256)]
    title: Member<String>,
    /// All of it; may be empty.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 200_000)]
    content: Member<String>,
    /// What they are about.
    #[serde(default)]
    #[schema(value_type = Category, required = false)]
    category: Member<String>,
    /// How good they are.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rating: Member<i64>,
    /// How important they are.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 1, maximum = 5)]
    rank: Member<i64>,
    /// Whether all may read them.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    published: Member<bool>,
    /// Username of somebody who may change them too; `null` for nobody.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 150, examples(json!(null)))]
    editor: Member<String>,
}

/// Who shall be the editor: `None` keeps, `Some(None)` is nobody.
pub(super) type EditorChange = Option<Option<String>>;

/// A post to write, valid as far as that can be told without the database.
#[derive(Clone)]
pub(super) struct Draft {
    new: Option<NewPost>,
    editor: EditorChange,
    labels: Vec<Chosen>,
}

/// A post to write, whose editor and labels are there.
pub(super) struct Approved {
    pub(super) new: NewPost,
    pub(super) editor_id: Option<i64>,
    pub(super) labels: Vec<Chosen>,
}

impl CreatePost {
    pub(super) fn validate(self, rules: Rules, check: &mut Check) -> Draft {
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
        let labels = choice::validate(labels, check);
        let new = title.map(|title| NewPost { title, slug, content, category, rating, rank, published });
        Draft { new, editor, labels }
    }
}

impl Draft {
    /// Note who and what is named and not there; the editor's id.
    pub(super) fn look_up(
        &self,
        conn: &mut PgConnection,
        check: &mut Check,
        user: &CurrentUser,
    ) -> Result<Option<i64>> {
        choice::check_labels(conn, check, &self.labels)?;
        Ok(resolve_editor(conn, check, self.editor.clone(), user, None)?.flatten())
    }

    /// The post, if nothing is wrong with it; 422 with every fault otherwise.
    pub(super) fn approve(
        self,
        conn: &mut PgConnection,
        mut check: Check,
        user: &CurrentUser,
    ) -> Result<Approved> {
        let editor_id = self.look_up(conn, &mut check, user)?;
        let new = check.finish(|| self.new)?;
        Ok(Approved { new, editor_id, labels: self.labels })
    }
}

impl UpdatePost {
    /// What it changes about the post of before.
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

    /// What it changes about whatever post, but for the slug.
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
    /// What it changes about each post.
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
