//! How posts look to clients.

use serde::Serialize;
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::labels::PostLabel;
use crate::api::page::{Page, Paged};
use crate::api::pictures::{Picture, UserRef};
use crate::api::timestamp;
use crate::api::urls::Urls;
use crate::lookups::table::Resource;
use crate::models::choices::{category_label, rating_label};
use crate::models::post::FullPost;
use crate::models::resources::POSTS;

/// A post.
#[derive(Debug, Serialize)]
pub struct Post {
    /// What every representation of a post has.
    #[serde(flatten)]
    pub common: PostCommon,
    /// All of it.
    pub content: String,
}

/// A post in a list.
#[derive(Debug, Serialize)]
pub struct PostSummary {
    /// What every representation of a post has.
    #[serde(flatten)]
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
    /// What is shown with it.
    pub cover: Picture,
    /// What it is sorted by, by name.
    pub labels: Vec<PostLabel>,
    /// How many comments are about it.
    #[schema(minimum = 0)]
    pub comment_count: i64,
    /// When it was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// The schema of the common members with one more. What the derive makes of `flatten` is an `allOf`, which generators turn
/// into inheritance or give up on.
fn common_with(description: &str, name: &str, text: &str) -> RefOr<Schema> {
    let mut schema = PostCommon::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description = Some(description.to_owned());
        let member = Object::builder().schema_type(Type::String).description(Some(text)).build();
        object.properties.insert(name.to_owned(), member.into());
        object.required.push(name.to_owned());
    }
    schema
}

impl PartialSchema for Post {
    fn schema() -> RefOr<Schema> {
        common_with("A post.", "content", "All of it.")
    }
}

impl ToSchema for Post {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        PostCommon::schemas(schemas);
    }
}

impl PartialSchema for PostSummary {
    fn schema() -> RefOr<Schema> {
        common_with("A post in a list.", "excerpt", "The first 300 characters of the content.")
    }
}

impl ToSchema for PostSummary {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        PostCommon::schemas(schemas);
    }
}

/// A page of them.
pub type PostPage = Page<PostSummary>;

impl Paged for PostSummary {
    const PAGE: &'static str = "PostPage";
    const RESOURCE: &'static Resource = &POSTS;
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
            cover: Picture::cover(urls, full.cover.as_ref()),
            labels: full.labels.iter().cloned().map(PostLabel::from).collect(),
            comment_count: full.comment_count,
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
        }
    }
}

impl Post {
    /// The whole of it.
    pub fn of(full: FullPost, urls: &Urls) -> Self {
        Self { common: PostCommon::of(&full, urls), content: full.content }
    }
}

impl PostSummary {
    /// As much as a list shows.
    pub fn of(full: &FullPost, urls: &Urls) -> Self {
        Self { common: PostCommon::of(full, urls), excerpt: full.content.clone() }
    }
}
