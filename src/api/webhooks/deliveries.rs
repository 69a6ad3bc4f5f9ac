//! Deliveries: how the notification of a webhook about an event went.

use actix_web::{get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::conditional::{ListResponse, ResourceResponse};
use crate::api::document::Refusals;
use crate::api::idempotency::IdempotencyKey;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::{DeliveryId, Id};
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::lookups::table::Resource;
use crate::models::resources::{DELIVERIES, WEBHOOK_OF_DELIVERY};
use crate::models::webhook;
use crate::time::timestamp;

/// The notification of a webhook about an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// Unique id, which is never reused.
    pub id: i64,
    /// Event that is delivered.
    pub event: EventRef,
    /// State of the delivery: `pending`, `delivered` or `failed`.
    #[schema(examples("delivered"))]
    pub status: String,
    /// Number of attempts so far.
    #[schema(minimum = 0)]
    pub attempts: i32,
    /// HTTP status of the last response; `null` if there was none.
    #[schema(required, examples(200))]
    pub response_status: Option<i16>,
    /// Why the last attempt failed; `null` if it did not.
    #[schema(required, examples("timed out"))]
    pub error: Option<String>,
    /// When the event was published.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the last attempt was made; `null` if there was none.
    #[schema(required, format = DateTime)]
    pub attempted_at: Option<String>,
    /// When the delivery succeeded; `null` if it has not.
    #[schema(required, format = DateTime)]
    pub delivered_at: Option<String>,
}

/// An event that a delivery refers to.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRef {
    /// Id of the event.
    pub id: i64,
    /// Type of the event.
    #[serde(rename = "type")]
    #[schema(examples("post.created"))]
    pub kind: String,
}

/// A page of deliveries.
pub type DeliveryPage = Page<Delivery>;

impl Paged for Delivery {
    const PAGE: &'static str = "DeliveryPage";
    const RESOURCE: &'static Resource = &DELIVERIES;
}

impl Delivery {
    fn of((row, kind): &(webhook::Delivery, String)) -> Self {
        Self {
            id: row.id,
            event: EventRef { id: row.event_id, kind: kind.clone() },
            status: row.status.clone(),
            attempts: row.attempts,
            response_status: row.response_status,
            error: row.error.clone(),
            created_at: timestamp(row.created_at),
            attempted_at: row.attempted_at.map(timestamp),
            delivered_at: row.delivered_at.map(timestamp),
        }
    }
}

/// List a webhook's deliveries.
///
/// For staff only; 403 for others. Latest first by default.
#[utoipa::path(
    operation_id = "listDeliveries", tag = "webhooks", security(("bearer" = [])),
    params(Id, List<Delivery>),
    responses((status = 200, description = "A page of deliveries", body = DeliveryPage), Refusals)
)]
#[get("/webhooks/{id}/deliveries")]
pub async fn list_deliveries(
    app: AppState,
    user: CurrentUser,
    id: Id,
    list: List<Delivery>,
) -> Result<ListResponse> {
    user.must_be_staff()?;
    let list = list.within(&WEBHOOK_OF_DELIVERY, &id.0.to_string());
    let slice = list
        .read(&app.db, move |conn, selection| {
            let slice = webhook::Delivery::page(conn, selection)?;
            if slice.rows.is_empty() {
                webhook::Webhook::find(conn, id.0)?;
            }
            Ok(slice)
        })
        .await?;
    list.answer(slice, Delivery::of)
}

/// Deliver an event again.
///
/// For staff only; 403 for others. The next attempt is made immediately, as for a new delivery, with the same `webhook-id`.
#[utoipa::path(
    operation_id = "replayDelivery", tag = "webhooks", security(("bearer" = [])),
    params(Id, DeliveryId, IdempotencyKey),
    responses(
        (status = 202, description = "The delivery, which is pending", body = Delivery, headers(
            ("Idempotency-Replayed" = String, description = "`true` if this is the answer to a repeat"))),
        Refusals
    )
)]
#[post("/webhooks/{id}/deliveries/{delivery}/replay")]
pub async fn replay_delivery(
    app: AppState,
    user: CurrentUser,
    id: Id,
    delivery: DeliveryId,
    once: IdempotencyKey,
) -> Result<ResourceResponse> {
    user.must_be_staff()?;
    let request = once.of(Vec::new);
    app.db
        .transaction(move |conn| {
            request.once(conn, |conn| {
                let (row, kind) = webhook::Delivery::lock(conn, id.0, delivery.0)?;
                let row = row.replay(conn)?;
                // The number of attempts serves as the version, since it changes with each attempt.
                let version = row.attempts.into();
                Ok((ResourceResponse::new(version, &Delivery::of(&(row, kind)))?.accepted(), user.id))
            })
        })
        .await
}
