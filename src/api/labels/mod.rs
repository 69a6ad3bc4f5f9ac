//! Labels, by which posts are sorted. Any user who is logged in can create labels; only staff can change them.

pub mod posts;

use actix_web::web::Json;
use actix_web::{delete, get, patch, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::idempotency::IdempotencyKey;
use super::input::{Check, Member};
use super::list::List;
use super::page::{Page, Paged};
use super::path::SlugPath;
use super::{Deleted, count};
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::{Code, Error, OnConstraint, Result};
use crate::lookups::table::Resource;
use crate::models::label::{self, FullLabel, LabelChanges, NAME_MAX, NewLabel};
use crate::models::names::LABEL_SLUG_MAX;
use crate::models::post::SlugChange;
use crate::models::resources::LABELS;
use crate::time::timestamp;
use crate::urls::Urls;

/// A label.
#[derive(Debug, Serialize, ToSchema)]
pub struct Label {
    /// Unique id, which is never reused.
    pub id: i64,
    /// Canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// Name of the label.
    #[schema(examples("Artificial Intelligence"))]
    pub name: String,
    /// Name of the label in URLs.
    #[schema(examples("ai"))]
    pub slug: String,
    /// Number of published posts that have the label.
    #[schema(minimum = 0)]
    pub post_count: i64,
    /// When the label was created.
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A page of labels.
pub type LabelPage = Page<Label>;

impl Paged for Label {
    const PAGE: &'static str = "LabelPage";
    const RESOURCE: &'static Resource = &LABELS;
}

impl Label {
    fn of(full: &FullLabel, urls: &Urls) -> Self {
        let row = &full.label;
        Self {
            id: row.id,
            url: urls.label(&row.slug),
            name: row.name.clone(),
            slug: row.slug.clone(),
            post_count: full.post_count,
            created_at: timestamp(row.created_at),
        }
    }
}

/// A new label.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLabel {
    /// Name of the label.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 128, examples("Artificial Intelligence"))]
    name: Member<String>,
    /// Name of the label in URLs; derived from `name` if left out or `null`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, pattern = "^[A-Za-z0-9_-]*$", examples("ai"))]
    slug: Member<String>,
}

/// Changes to a label. Fields that are left out keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateLabel {
    /// Name of the label. The slug stays as it is.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128)]
    name: Member<String>,
    /// Name of the label in URLs; `null` regenerates it from `name`. The former slug does not redirect.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, pattern = "^[A-Za-z0-9_-]*$", examples("ai"))]
    slug: Member<String>,
}

impl CreateLabel {
    fn validate(self) -> Result<NewLabel> {
        let mut check = Check::default();
        let name = check.required("name", self.name).map(|name| check.text("name", &name, 1, NAME_MAX));
        let slug = check.slug("slug", self.slug, LABEL_SLUG_MAX).flatten();
        check.finish(|| name.map(|name| NewLabel { name, slug }))
    }
}

impl UpdateLabel {
    fn validate(self) -> Result<(LabelChanges, Option<SlugChange>)> {
        let mut check = Check::default();
        let name = check.optional("name", self.name).map(|name| check.text("name", &name, 1, NAME_MAX));
        let slug = check.slug("slug", self.slug, LABEL_SLUG_MAX).map(SlugChange::from);
        check.finish(|| Some((LabelChanges { name, slug: None }, slug)))
    }
}

fn slug_taken() -> Error {
    Error::refused(Code::SlugTaken, Code::SlugTaken.entry().meaning)
}

fn respond(full: &FullLabel, urls: &Urls) -> Result<ResourceResponse> {
    ResourceResponse::new(full.label.version, &Label::of(full, urls))
}

/// List labels.
///
/// Open to all clients. Sorted by name by default.
#[utoipa::path(
    operation_id = "listLabels", tag = "labels", params(List<Label>), security((), ("bearer" = [])),
    responses((status = 200, description = "A page of labels", body = LabelPage), Refusals)
)]
#[get("/labels")]
pub async fn list_labels(app: AppState, list: List<Label>) -> Result<ListResponse> {
    let slice = list.read(&app.db, |conn, selection| Ok(label::Label::page(conn, selection)?)).await?;
    list.answer(slice, |full| Label::of(full, &app.urls))
}

/// Create a label.
///
/// For users who are logged in. The slug is derived from the name, with a number if it is taken. A slug that you give is used as
/// it is; 409 `slug_taken` if it is taken. Several labels may have the same name.
#[utoipa::path(
    operation_id = "createLabel", tag = "labels", security(("bearer" = [])), request_body = CreateLabel,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The label", body = Label, headers(
            ("Location" = String, description = "The label's canonical URL"),
            ("ETag" = String, description = "The label's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/labels")]
pub async fn create_label(
    app: AppState,
    user: CurrentUser,
    once: IdempotencyKey,
    body: Body<CreateLabel>,
) -> Result<ResourceResponse> {
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        request.once(conn, |conn| {
            let new = body.get()?.validate()?;
            let row = new.insert(conn)?.ok_or_else(slug_taken)?;
            let url = app.urls.label(&row.slug);
            Ok((respond(&FullLabel { label: row, post_count: 0 }, &app.urls)?.created(url), user.id))
        })
    })
    .await
}

/// Read a label.
///
/// Open to all clients. Includes the number of published posts that have the label.
#[utoipa::path(
    operation_id = "getLabel", tag = "labels", security((), ("bearer" = [])),
    params(SlugPath),
    responses((status = 200, description = "The label", body = Label), Refusals)
)]
#[get("/labels/{slug}")]
pub async fn get_label(app: AppState, slug: SlugPath) -> Result<ResourceResponse> {
    let full = app.db.run(move |conn| Ok(label::Label::find(conn, &slug.0)?)).await?;
    respond(&full, &app.urls)
}

/// Change a label.
///
/// For staff only; 403 for others. The posts that have the label show the new name. 409 `slug_taken` if another label has the
/// slug.
#[utoipa::path(
    operation_id = "updateLabel", tag = "labels", security(("bearer" = [])), request_body = UpdateLabel,
    params(SlugPath, IfMatch),
    responses((status = 200, description = "The label", body = Label), Refusals)
)]
#[patch("/labels/{slug}")]
pub async fn update_label(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
    body: Body<UpdateLabel>,
) -> Result<ResourceResponse> {
    let full = app
        .db
        .transaction(move |conn| {
            // Only staff may take the lock, for which others would wait.
            label::Label::find(conn, &slug.0)?;
            user.must_be_staff()?;
            let before = label::Label::lock(conn, &slug.0)?;
            if_match.check(before.version)?;
            let (changes, slug) = body.get()?.validate()?;
            let slug = before
                .update(conn, changes, slug.as_ref())
                .on_constraint("labels_slug_key", Code::SlugTaken)?;
            Ok(label::Label::find(conn, &slug)?)
        })
        .await?;
    respond(&full, &app.urls)
}

/// Delete a label.
///
/// For staff only; 403 for others. The posts that have the label stay, without it.
#[utoipa::path(
    operation_id = "deleteLabel", tag = "labels", security(("bearer" = [])),
    params(SlugPath, IfMatch),
    responses((status = 200, description = "Number of deleted rows, by type", body = Deleted), Refusals)
)]
#[delete("/labels/{slug}")]
pub async fn delete_label(
    app: AppState,
    user: CurrentUser,
    slug: SlugPath,
    if_match: IfMatch,
) -> Result<Json<Deleted>> {
    app.db
        .long_transaction(move |conn| {
            label::Label::find(conn, &slug.0)?;
            user.must_be_staff()?;
            let row = label::Label::lock_with_posts(conn, &slug.0, user.viewer())?;
            if_match.check(row.version)?;
            let post_labels = row.delete(conn)?;
            Ok(Json(Deleted::new([("labels", 1), ("post_labels", count(post_labels))])))
        })
        .await
}
