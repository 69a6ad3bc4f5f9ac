//! Webhooks: programs that are notified of events, as Standard Webhooks defines it. For staff only.

mod body;
pub mod deliveries;

use actix_web::web::Json;
use actix_web::{delete, get, patch, post};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Body;
use super::conditional::{IfMatch, ListResponse, ResourceResponse};
use super::document::Refusals;
use super::idempotency::IdempotencyKey;
use super::list::List;
use super::page::{Page, Paged};
use super::path::Id;
use super::{Deleted, count};
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::events::webhooks::signature::Secrets;
use crate::lookups::table::Resource;
use crate::models::resources::WEBHOOKS;
use crate::models::webhook;
use crate::time::timestamp;
use body::{CreateWebhook, UpdateWebhook};

/// How long deliveries are also signed with the previous secret after a rotation.
const ROTATION: TimeDelta = TimeDelta::hours(24);

/// A program that is notified of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    /// Unique id, which is never reused.
    pub id: i64,
    /// URL to which events are sent.
    #[schema(format = "uri", examples("https://example.com/hooks"))]
    pub url: String,
    /// Purpose of the webhook.
    #[schema(required)]
    pub description: Option<String>,
    /// Types of events that are sent; `*` stands for all types.
    #[schema(examples("post.created"))]
    pub types: Vec<String>,
    /// Whether events are sent to the webhook.
    pub is_active: bool,
    /// Since when no delivery has succeeded; `null` if the last one succeeded.
    #[schema(required, format = DateTime)]
    pub failing_since: Option<String>,
    /// When the webhook was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the webhook last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Secret with which to verify signatures. Shown only when the webhook is created and when the secret is rotated; otherwise
    /// `null`.
    #[schema(required, examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    pub secret: Option<String>,
}

/// A page of webhooks.
pub type WebhookPage = Page<Webhook>;

impl Paged for Webhook {
    const PAGE: &'static str = "WebhookPage";
    const RESOURCE: &'static Resource = &WEBHOOKS;
}

impl Webhook {
    fn of(row: &webhook::Webhook, secret: Option<String>) -> Self {
        Self {
            id: row.id,
            url: row.url.clone(),
            description: row.description.clone(),
            types: row.types.iter().flatten().cloned().collect(),
            is_active: row.disabled_at.is_none(),
            failing_since: row.failing_since.map(timestamp),
            created_at: timestamp(row.created_at),
            updated_at: timestamp(row.updated_at),
            secret,
        }
    }
}

fn respond(row: &webhook::Webhook, secrets: Option<&Secrets>) -> Result<ResourceResponse> {
    let secret = secrets.map(|secrets| secrets.secret(row.id, i64::from(row.generation)).reveal());
    ResourceResponse::new(row.version, &Webhook::of(row, secret))
}

/// Create a webhook.
///
/// For staff only; 403 for others. The webhook is notified of events that happen from now on. Only this response shows the
/// secret; a repeat with the same `Idempotency-Key` does not show it again.
#[utoipa::path(
    operation_id = "createWebhook", tag = "webhooks", security(("bearer" = [])), request_body = CreateWebhook,
    params(IdempotencyKey),
    responses(
        (status = 201, description = "The webhook with its secret", body = Webhook, headers(
            ("Location" = String, description = "The webhook's canonical URL"),
            ("ETag" = String, description = "The webhook's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/webhooks")]
pub async fn create_webhook(
    app: AppState,
    user: CurrentUser,
    once: IdempotencyKey,
    body: Body<CreateWebhook>,
) -> Result<ResourceResponse> {
    user.must_be_staff()?;
    let request = once.of(|| body.canonical());
    app.transaction(move |app, conn| {
        let mut made = None;
        // The kept answer has no secret, since the secret is not stored in the database.
        let kept = request.once(conn, |conn| {
            let row = body.get()?.validate(app.allows_private_webhooks)?.insert(conn)?;
            let answer = respond(&row, None)?.created(app.urls.webhook(row.id));
            made = Some(row);
            Ok((answer, user.id))
        })?;
        match made {
            Some(row) => Ok(respond(&row, Some(&app.webhook_secrets))?.created(app.urls.webhook(row.id))),
            None => Ok(kept),
        }
    })
    .await
}

/// List webhooks.
///
/// For staff only; 403 for others.
#[utoipa::path(
    operation_id = "listWebhooks", tag = "webhooks", security(("bearer" = [])), params(List<Webhook>),
    responses((status = 200, description = "A page of webhooks", body = WebhookPage), Refusals)
)]
#[get("/webhooks")]
pub async fn list_webhooks(app: AppState, user: CurrentUser, list: List<Webhook>) -> Result<ListResponse> {
    user.must_be_staff()?;
    let slice = list.read(&app.db, |conn, selection| Ok(webhook::Webhook::page(conn, selection)?)).await?;
    list.answer(slice, |row| Webhook::of(row, None))
}

/// Read a webhook.
///
/// For staff only; 403 for others.
#[utoipa::path(
    operation_id = "getWebhook", tag = "webhooks", security(("bearer" = [])),
    params(Id),
    responses((status = 200, description = "The webhook", body = Webhook), Refusals)
)]
#[get("/webhooks/{id}")]
pub async fn get_webhook(app: AppState, user: CurrentUser, id: Id) -> Result<ResourceResponse> {
    user.must_be_staff()?;
    let row = app.db.run(move |conn| Ok(webhook::Webhook::find(conn, id.0)?)).await?;
    respond(&row, None)
}

/// Change a webhook.
///
/// For staff only; 403 for others. A webhook that you deactivate is no longer notified, and its pending deliveries fail. A
/// webhook that you activate again is notified of events that happen from then on.
#[utoipa::path(
    operation_id = "updateWebhook", tag = "webhooks", security(("bearer" = [])), request_body = UpdateWebhook,
    params(Id, IfMatch),
    responses((status = 200, description = "The webhook", body = Webhook), Refusals)
)]
#[patch("/webhooks/{id}")]
pub async fn update_webhook(
    app: AppState,
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
    body: Body<UpdateWebhook>,
) -> Result<ResourceResponse> {
    user.must_be_staff()?;
    let row = app
        .transaction(move |app, conn| {
            let before = webhook::Webhook::lock(conn, id.0)?;
            if_match.check(before.version)?;
            let (changes, is_active) = body.get()?.validate(app.allows_private_webhooks)?;
            let row = before.update(conn, &changes)?;
            Ok(match is_active {
                Some(true) if row.disabled_at.is_some() => row.enable(conn)?,
                Some(false) if row.disabled_at.is_none() => row.disable(conn)?,
                _ => row,
            })
        })
        .await?;
    respond(&row, None)
}

/// Delete a webhook.
///
/// For staff only; 403 for others. Cascades to the webhook's deliveries.
#[utoipa::path(
    operation_id = "deleteWebhook", tag = "webhooks", security(("bearer" = [])),
    params(Id, IfMatch),
    responses((status = 200, description = "Number of deleted rows, by type", body = Deleted), Refusals)
)]
#[delete("/webhooks/{id}")]
pub async fn delete_webhook(
    app: AppState,
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
) -> Result<Json<Deleted>> {
    user.must_be_staff()?;
    app.db
        .long_transaction(move |conn| {
            let row = webhook::Webhook::lock(conn, id.0)?;
            if_match.check(row.version)?;
            let deliveries = row.delete(conn)?;
            Ok(Json(Deleted::new([("webhooks", 1), ("deliveries", count(deliveries))])))
        })
        .await
}

/// Rotate a webhook's secret.
///
/// For staff only; 403 for others. For 24 hours, deliveries are signed with both secrets, the new one first. Only this response
/// shows the new secret; a repeat with the same `Idempotency-Key` does not show it again.
#[utoipa::path(
    operation_id = "rotateWebhookSecret", tag = "webhooks", security(("bearer" = [])),
    params(Id, IfMatch, IdempotencyKey),
    responses(
        (status = 200, description = "The webhook with its new secret", body = Webhook, headers(
            ("ETag" = String, description = "The webhook's version"),
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/webhooks/{id}/rotate-secret")]
pub async fn rotate_webhook_secret(
    app: AppState,
    user: CurrentUser,
    id: Id,
    if_match: IfMatch,
    once: IdempotencyKey,
) -> Result<ResourceResponse> {
    user.must_be_staff()?;
    let until: DateTime<Utc> = Utc::now() + ROTATION;
    let request = once.of(Vec::new);
    app.transaction(move |app, conn| {
        let mut rotated = None;
        let kept = request.once(conn, |conn| {
            let row = webhook::Webhook::lock(conn, id.0)?;
            if_match.check(row.version)?;
            let row = row.rotate(conn, until)?;
            let answer = respond(&row, None)?;
            rotated = Some(row);
            Ok((answer, user.id))
        })?;
        rotated.map_or(Ok(kept), |row| respond(&row, Some(&app.webhook_secrets)))
    })
    .await
}
