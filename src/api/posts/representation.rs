//! The representations of posts that clients receive.

use serde::Serialize;
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::labels::PostLabel;
use crate::api::page::{Page, Paged};
use crate::api::pictures::{Picture, UserRef};
use crate::lookups::table::Resource;
use crate::models::choices::{category_label, rating_label};
use crate::models::post::FullPost;
use crate::models::resources::POSTS;
use crate::time::timestamp;
use crate::urls::Urls;

/// A post.
#[derive(Debug, Serialize)]
pub struct Post {
    /// The fields of every representation of a post.
    #[serde(flatten)]
    pub common: PostCommon,
    /// The whole content.
    pub content: String,
}

/// A post in a list.
#[derive(Debug, Serialize)]
pub struct PostSummary {
    /// The fields of every representation of a post.
    #[serde(flatten)]
    pub common: PostCommon,
    /// The first 300 characters of the content.
    pub excerpt: String,
}

/// The fields of every representation of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostCommon {
    /// Unique id, which is never reused.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Title of the post.
    #[schema(examples("Hello, world"))]
    pub title: String,
    /// Name of the post in URLs.
    #[schema(examples("hello-world"))]
    pub slug: String,
    /// Category of the post.
    #[schema(examples("SOC"))]
    pub category: String,
    /// Human-readable label of `category`.
    #[schema(examples("Society"))]
    pub category_display: String,
    /// How good the post is, from 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: i16,
    /// Human-readable label of `rating`.
    #[schema(examples("Average"))]
    pub rating_display: String,
    /// How important the post is, from 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rank: i16,
    /// Whether all clients may read the post.
    pub published: bool,
    /// When the post was first published; `null` until then.
    #[schema(required, format = DateTime)]
    pub published_at: Option<String>,
    /// User who wrote the post.
    pub writer: UserRef,
    /// Second user who may change the post; `null` if there is none.
    #[schema(required)]
    pub editor: Option<UserRef>,
    /// Picture that is shown with the post: the uploaded one, or else the default.
    pub cover: Picture,
    /// Labels of the post, sorted by name.
    pub labels: Vec<PostLabel>,
    /// Number of comments on the post.
    #[schema(minimum = 0)]
    pub comment_count: i64,
    /// When the post was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the post last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// Return the schema of the common fields with one more field. From `flatten`, the derive makes an `allOf`, which generators turn
/// into inheritance or cannot handle.
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
        common_with("A post.", "content", "The whole content.")
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

/// A page of posts.
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
    /// Represent a post with its whole content.
    pub fn of(full: FullPost, urls: &Urls) -> Self {
        Self { common: PostCommon::of(&full, urls), content: full.content }
    }
}

impl PostSummary {
    /// Represent a post as a list shows it.
    pub fn of(full: &FullPost, urls: &Urls) -> Self {
        Self { common: PostCommon::of(full, urls), excerpt: full.content.clone() }
    }
}
