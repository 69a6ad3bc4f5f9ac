//! Makes the attempts at deliveries.

use std::sync::Arc;

use actix_web::web::Data;
use chrono::{TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Delivery, DeliveryError};
use super::signature::{Secrets, WebhookSecret};
use super::target;
use crate::db::Db;
use crate::error::Error;
use crate::events::outcome::{Failure, Outcome, read};
use crate::models::event::FullEvent;
use crate::models::webhook::{self, Attempt, PendingDelivery, Webhook};

/// Formats an event as its readers get it. Only the code that answers requests knows how.
pub type Show = Box<dyn Fn(&FullEvent) -> Result<Vec<u8>, Error> + Send + Sync>;

/// Makes the deliveries that jobs ask for.
pub struct WebhookWorker {
    /// The database that holds deliveries and events.
    pub db: Data<Db>,
    /// Sends the requests.
    pub client: Client,
    /// Derives the secrets that sign them.
    pub secrets: Secrets,
    /// Formats an event as clients get it: as JSON.
    pub show: Show,
    /// How long a webhook may fail before it is given up.
    pub patience: TimeDelta,
}

#[derive(Deserialize)]
struct Asked {
    delivery: i64,
}

impl WebhookWorker {
    /// Return the secrets that sign for a webhook at the moment: the present one and, for a while after a rotation, the former.
    fn secrets_of(&self, webhook: &Webhook) -> Vec<WebhookSecret> {
        let present = i64::from(webhook.generation);
        let is_former_good = webhook.former_until.is_some_and(|until| until > Utc::now());
        let mut all = vec![self.secrets.secret(webhook.id, present)];
        all.extend(is_former_good.then(|| self.secrets.secret(webhook.id, present - 1)));
        all
    }

    /// Make one attempt. Its outcome is recorded in any case.
    pub async fn deliver(self: Arc<Self>, payload: Value) -> Outcome {
        let Asked { delivery } = read(payload)?;
        let pending = self.db.run(move |conn| Ok(webhook::Delivery::pending(conn, delivery)?)).await?;
        // The delivery was made, given up or deleted in the meantime.
        let Some(pending) = pending else { return Ok(()) };
        let answer = self.call(&pending).await;
        let attempt = match &answer {
            Ok(status) => Attempt::Delivered(*status),
            Err(error) => Attempt::Failed(error.status(), error.to_string()),
        };
        // A webhook that asks never to be called again is given up immediately, whatever the clocks of nodes and database say.
        let is_gone = answer.as_ref().is_err_and(DeliveryError::is_gone);
        let given_up_before = Utc::now() + if is_gone { TimeDelta::days(1) } else { -self.patience };
        let write = move |conn: &mut diesel::PgConnection| {
            Ok(pending.delivery.attempted(conn, &attempt, given_up_before)?)
        };
        self.db.transaction(write).await?;
        answer.map(drop).map_err(|error| Failure::Transient(error.to_string()))
    }

    async fn call(&self, pending: &PendingDelivery) -> Result<u16, DeliveryError> {
        let unsent = |error: &dyn std::fmt::Display| DeliveryError::Unsent(error.to_string());
        let body = (self.show)(&pending.event).map_err(|error| unsent(&error))?;
        // Whether the URL may be called is decided when it is called.
        let url = target::parse(&pending.webhook.url, true).map_err(|error| unsent(&error))?;
        let id = format!("evt_{}", pending.event.event.id);
        let secrets = self.secrets_of(&pending.webhook);
        let delivered = self.client.deliver(Delivery { url, id, body: body.into(), secrets }).await?;
        Ok(delivered.status)
    }
}
