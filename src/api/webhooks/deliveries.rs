//! What became of telling a webhook of events.

use actix_web::web::Data;
use actix_web::{get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::conditional::{Listed, Versioned};
use crate::api::document::Refusals;
use crate::api::idempotency::Once;
use crate::api::list::List;
use crate::api::page::{Page, Paged};
use crate::api::path::{DeliveryId, Id};
use crate::api::timestamp;
use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::Result;
use crate::lookups::table::Resource;
use crate::models::resources::{DELIVERIES, WEBHOOK_OF_DELIVERY};
use crate::models::webhook;

/// That a webhook is told of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// Never used twice.
    pub id: i64,
    /// Of which event.
    pub event: EventRef,
    /// `pending`, `delivered` or `failed`.
    #[schema(examples("delivered"))]
    pub status: String,
    /// How often it was tried.
    #[schema(minimum = 0)]
    pub attempts: i32,
    /// What the last answer was, if there was one.
    #[schema(required, examples(200))]
    pub response_status: Option<i16>,
    /// Why the last attempt failed.
    #[schema(required, examples("timed out"))]
    pub error: Option<String>,
    /// When the event was published.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was tried last.
    #[schema(required, format = DateTime)]
    pub attempted_at: Option<String>,
    /// When it succeeded.
    #[schema(required, format = DateTime)]
    pub delivered_at: Option<String>,
}

/// An event where a delivery mentions one.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRef {
    /// Its id.
    pub id: i64,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(examples("post.created"))]
    pub kind: String,
}

/// A page of them.
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
/// Staff. The last one first.
#[utoipa::path(
    operation_id = "listDeliveries", tag = "webhooks", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The webhook's id"), List<Delivery>),
    responses((status = 200, description = "A page of deliveries", body = DeliveryPage), Refusals)
)]
#[get("/webhooks/{id}/deliveries")]
pub async fn list_deliveries(
    user: CurrentUser,
    id: Id,
    list: List<Delivery>,
    db: Data<Db>,
) -> Result<Listed> {
    user.must_be_staff()?;
    let list = list.within(&WEBHOOK_OF_DELIVERY, &id.0.to_string());
    let slice = list
        .read(&db, move |conn, selection| {
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
/// Staff. It is tried at once, as if it were new, with the same `webhook-id`.
#[utoipa::path(
    operation_id = "replayDelivery", tag = "webhooks", security(("bearer" = [])),
    params(
        ("id" = i64, Path, description = "The webhook's id"),
        ("delivery" = i64, Path, description = "The delivery's id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$",
            description = "Sent again with the same key, it is done once")
    ),
    responses(
        (status = 202, description = "The delivery, which is pending", body = Delivery, headers(
            ("Idempotency-Replayed" = String, description = "`true` on the answer to a repeat"))),
        Refusals
    )
)]
#[post("/webhooks/{id}/deliveries/{delivery}/replay")]
pub async fn replay_delivery(
    user: CurrentUser,
    id: Id,
    delivery: DeliveryId,
    once: Once,
    db: Data<Db>,
) -> Result<Versioned> {
    user.must_be_staff()?;
    let request = once.of(Vec::new);
    db.transaction(move |conn| {
        request.once(conn, |conn| {
            let (row, kind) = webhook::Delivery::lock(conn, id.0, delivery.0)?;
            let row = row.replay(conn)?;
            // What moves with each attempt.
            let version = row.attempts.into();
            Ok((Versioned::new(version, &Delivery::of(&(row, kind)))?.accepted(), user.id))
        })
    })
    .await
}
