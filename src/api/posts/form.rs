//! The creation of a post with its cover, in one form.

use actix_web::post;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::{Category, CreatePost};
use super::{Post, write};
use crate::api::body;
use crate::api::conditional::ResourceResponse;
use crate::api::document::Refusals;
use crate::api::idempotency::IdempotencyKey;
use crate::api::input::Check;
use crate::api::run_to_completion;
use crate::api::state::AppState;
use crate::api::upload::{Text, Upload, missing};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::media::variants::PicturePurpose;

/// A new post with its cover.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document knows it; the upload is read as a stream")]
pub struct CreatePostForm {
    /// A JPEG, PNG, WebP or GIF of at most 10 MiB and 40 megapixels.
    #[schema(format = Binary)]
    cover: String,
    /// Title of the post.
    #[schema(min_length = 1, max_length = 256, examples("Hello, world"))]
    title: String,
    /// Name of the post in URLs; derived from the title if left out or empty.
    #[schema(required = false, max_length = 256, pattern = "^[A-Za-z0-9_-]*$", examples("hello-world"))]
    slug: String,
    /// The whole content; may be empty.
    #[schema(required = false, max_length = 200_000)]
    content: String,
    /// Category of the post; society by default.
    #[schema(required = false)]
    category: Category,
    /// How good the post is, from 1 to 5.
    #[schema(required = false, minimum = 1, maximum = 5)]
    rating: i16,
    /// How important the post is, from 1 to 5.
    #[schema(required = false, minimum = 1, maximum = 5)]
    rank: i16,
    /// Whether all clients may read the post.
    #[schema(required = false)]
    published: bool,
    /// Username of a second user who may change the post; empty for none.
    #[schema(required = false, max_length = 150)]
    editor: String,
    /// Comma-separated slugs of labels, or the JSON that `createPost` accepts.
    #[schema(required = false, examples("ai,tech"))]
    labels: String,
}

fn type_of(part: &str) -> Text {
    match part {
        "rating" | "rank" => Text::Number,
        "published" => Text::Truth,
        _ => Text::Plain,
    }
}

/// Convert labels to the form that `createPost` accepts. A value that is neither JSON nor a list of slugs stays a text, which the
/// validation then rejects.
fn listed(text: &Value) -> Value {
    let text = text.as_str().unwrap_or_default().trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.into());
    }
    let slugs = text.split(',').map(str::trim).filter(|slug| !slug.is_empty());
    slugs.map(|slug| json!({ "slug": slug })).collect()
}

/// Create a post with a cover.
///
/// For users who are logged in. Takes a form with the fields of `createPost` as text parts, and one file part, `cover`. Creates
/// both or neither: if the post or the picture is rejected, neither is stored. The text is validated before the picture is
/// decoded. The rules for the picture are those of `uploadAvatar`.
#[utoipa::path(
    operation_id = "createPostWithCover", tag = "posts", security(("bearer" = [])),
    request_body(content = CreatePostForm, content_type = "multipart/form-data"),
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The post", body = Post, headers(
            ("Location" = String, description = "The post's canonical URL"), ("ETag" = String, description = "The post's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/forms/posts")]
pub async fn create_post_with_cover(
    app: AppState,
    user: CurrentUser,
    once: IdempotencyKey,
    upload: Upload,
) -> Result<ResourceResponse> {
    let request = once.of(|| upload.canonical());
    if let Some(answer) = request.answer(&app.db).await? {
        return Ok(answer);
    }
    let mut form = upload.form("cover", type_of)?;
    let mut check = Check::default();
    if let Some(labels) = form.texts.get_mut("labels") {
        *labels = listed(labels);
    }
    let texts = serde_json::to_vec(&form.texts).map_err(Error::internal)?;
    let draft = body::parse::<CreatePost>(&texts)?.validate(app.rules, &mut check);
    if form.file.is_none() {
        check.fault(missing("cover"));
    }
    let (seen, caller) = (draft.clone(), user.clone());
    let check = app
        .db
        .run(move |conn| {
            let mut check = check.clone();
            seen.check_references(conn, &mut check, &caller)?;
            Ok(check)
        })
        .await?;
    let file = check.finish(|| form.file)?;
    run_to_completion(async move {
        let stored = app.media.store_picture(file, "/cover", PicturePurpose::Cover).await?;
        let record = stored.record();
        let written = app.transaction(move |app, conn| {
            request.once(conn, |conn| {
                // The editor or a label may have been deleted a moment ago.
                let approved = draft.approve(conn, Check::default(), &user)?;
                let key = record.insert(conn)?;
                write(conn, &user, &approved, Some(key), &app.urls)
            })
        });
        let written = written.await;
        stored.settle(written.as_ref().is_ok_and(|answer| !answer.is_replayed())).await;
        written
    })
    .await
}
