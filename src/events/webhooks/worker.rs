//! Makes the attempts at deliveries.

use chrono::{TimeDelta, Utc};

use super::client::{Delivery, DeliveryError};
use super::signature::{Secrets, WebhookSecret};
use super::target;
use crate::events::job::{Job, JobContext, Queue};
use crate::events::json::Event;
use crate::events::outcome::{Failure, Outcome};
use crate::models::job_payload::CallWebhook;
use crate::models::webhook::{self, Attempt, PendingDelivery, Webhook};

impl Job for CallWebhook {
    /// With the delays of the dispatcher, they take about twenty hours.
    const ATTEMPTS: i32 = 30;
    const QUEUE: Queue = Queue::Deliveries;

    /// Make one attempt. Its outcome is recorded in any case.
    async fn run(self, context: &JobContext) -> Outcome {
        let pending =
            context.db.run(move |conn| Ok(webhook::Delivery::pending(conn, self.delivery)?)).await?;
        // The delivery was made, given up or deleted in the meantime.
        let Some(pending) = pending else { return Ok(()) };
        let answer = call(context, &pending).await;
        let attempt = match &answer {
            Ok(status) => Attempt::Delivered(*status),
            Err(error) => Attempt::Failed(error.status(), error.to_string()),
        };
        // A webhook that asks never to be called again is given up immediately, whatever the clocks of nodes and database say.
        let is_gone = answer.as_ref().is_err_and(DeliveryError::is_gone);
        let given_up_before =
            Utc::now() + if is_gone { TimeDelta::days(1) } else { -context.webhook_patience };
        let write = move |conn: &mut diesel::PgConnection| {
            Ok(pending.delivery.attempted(conn, &attempt, given_up_before)?)
        };
        context.db.transaction(write).await?;
        answer.map(drop).map_err(|error| Failure::Transient(error.to_string()))
    }
}

async fn call(context: &JobContext, pending: &PendingDelivery) -> Result<u16, DeliveryError> {
    let unsent = |error: &dyn std::fmt::Display| DeliveryError::Unsent(error.to_string());
    let event = Event::of(&pending.event, &context.urls);
    let body = serde_json::to_vec(&event).map_err(|error| unsent(&error))?;
    // Whether the URL may be called is decided when it is called.
    let url = target::parse(&pending.webhook.url, true).map_err(|error| unsent(&error))?;
    let id = format!("evt_{}", event.id);
    let secrets = secrets_of(&context.webhook_secrets, &pending.webhook);
    let delivered = context.webhook_client.deliver(Delivery { url, id, body: body.into(), secrets }).await?;
    Ok(delivered.status)
}

/// Return the secrets that sign for a webhook at the moment: the present one and, for a while after a rotation, the former.
fn secrets_of(secrets: &Secrets, webhook: &Webhook) -> Vec<WebhookSecret> {
    let present = i64::from(webhook.generation);
    let is_former_valid = webhook.former_until.is_some_and(|until| until > Utc::now());
    let mut all = vec![secrets.secret(webhook.id, present)];
    all.extend(is_former_valid.then(|| secrets.secret(webhook.id, present - 1)));
    all
}
