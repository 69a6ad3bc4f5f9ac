//! Webhooks: programs that are notified of events, and the outcome of each notification.

use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};

use super::event::{Event, FullEvent, PublishedEvent};
use super::job::JobKind;
use super::{columns, delete_some};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{deliveries, jobs, webhooks};

#[diesel::declare_sql_function]
extern "SQL" {
    /// Returns the first argument that is not null.
    fn coalesce(first: Nullable<Text>, second: Text) -> Nullable<Text>;
}

/// The type of the event that reports that a webhook was given up.
pub const DISABLED: &str = "webhook.disabled";

/// A row of `webhooks`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Webhook {
    pub id: i64,
    pub url: String,
    pub description: Option<String>,
    pub types: Vec<Option<String>>,
    pub generation: i32,
    pub former_until: Option<DateTime<Utc>>,
    pub failing_since: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The values for a new webhook.
#[derive(Insertable, Clone, Debug)]
#[diesel(table_name = webhooks)]
pub struct NewWebhook {
    /// The address to which events are sent.
    pub url: String,
    /// At most 256 characters.
    pub description: Option<String>,
    /// Types of events; `*` for all.
    pub types: Vec<String>,
}

/// The columns that a request may change. `None` keeps a value.
#[derive(AsChangeset, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = webhooks)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct WebhookChanges {
    pub url: Option<String>,
    pub description: Option<Option<String>>,
    pub types: Option<Vec<String>>,
}

/// A row of `deliveries`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = deliveries, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Delivery {
    pub id: i64,
    pub webhook_id: i64,
    pub event_id: i64,
    pub status: String,
    pub attempts: i32,
    pub response_status: Option<i16>,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub attempted_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Everything that an attempt needs.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    /// The delivery and its outcome so far.
    pub delivery: Delivery,
    /// The webhook to notify.
    pub webhook: Webhook,
    /// The event to notify it of.
    pub event: FullEvent,
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// The webhook returned this status, which reports success.
    Delivered(u16),
    /// The delivery failed for this reason; with this status, if there was a response.
    Failed(Option<u16>, String),
}

impl NewWebhook {
    /// Insert the row.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<Webhook> {
        diesel::insert_into(webhooks::table).values(self).returning(Webhook::as_returning()).get_result(conn)
    }
}

impl Webhook {
    /// Find a webhook by its id.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<Self> {
        webhooks::table.find(id).select(Self::as_select()).first(conn)
    }

    /// Find a webhook by its id and lock it for a change.
    pub fn lock(conn: &mut PgConnection, id: i64) -> QueryResult<Self> {
        webhooks::table.find(id).select(Self::as_select()).for_update().first(conn)
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<Self>> {
        selection.slice::<Self, _>(conn, |conn, rows| {
            let query = webhooks::table.select((Self::as_select(), rows.place()));
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Update the row, which changes its version, unless no change was requested.
    pub fn update(&self, conn: &mut PgConnection, changes: &WebhookChanges) -> QueryResult<Self> {
        if *changes == WebhookChanges::default() {
            return Ok(self.clone());
        }
        diesel::update(self).set(changes).returning(Self::as_returning()).get_result(conn)
    }

    /// Sign with another secret from now on, and until `former_until` also with the previous one.
    pub fn rotate(&self, conn: &mut PgConnection, former_until: DateTime<Utc>) -> QueryResult<Self> {
        diesel::update(self)
            .set((webhooks::generation.eq(self.generation + 1), webhooks::former_until.eq(former_until)))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Notify the webhook again of what happens from now on.
    pub fn enable(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        diesel::update(self)
            .set((
                webhooks::disabled_at.eq(None::<DateTime<Utc>>),
                webhooks::failing_since.eq(None::<DateTime<Utc>>),
            ))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Stop notifying the webhook. Deliveries that are pending fail. The caller has locked the webhook. Its jobs are locked
    /// before its deliveries, in the order in which an attempt locks them.
    pub fn disable(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        let pending = deliveries::webhook_id.eq(self.id).and(deliveries::status.eq("pending"));
        let ids = deliveries::table.filter(pending).select(deliveries::id.nullable());
        diesel::delete(jobs::table.filter(jobs::delivery_id.eq_any(ids))).execute(conn)?;
        diesel::update(deliveries::table.filter(pending))
            .set((
                deliveries::status.eq("failed"),
                deliveries::error.eq(coalesce(deliveries::error, "the webhook was disabled")),
            ))
            .execute(conn)?;
        diesel::update(self)
            .set(webhooks::disabled_at.eq(now))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Disable the webhook because it does not respond, and write an event that says so.
    pub fn give_up(&self, conn: &mut PgConnection) -> QueryResult<()> {
        self.disable(conn)?;
        diesel::sql_query(
            "INSERT INTO unpublished_events (type, resource_id, changed, data, actor_id)
             VALUES ($1, $2, ARRAY['is_active'], jsonb_build_object('url', $3, 'failing_since', json_time($4)), NULL)",
        )
        .bind::<Text, _>(DISABLED)
        .bind::<BigInt, _>(self.id)
        .bind::<Text, _>(&self.url)
        .bind::<Nullable<Timestamptz>, _>(self.failing_since)
        .execute(conn)
        .map(drop)
    }

    /// Record that the webhook fails from now on.
    fn fails(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        diesel::update(self)
            .set(webhooks::failing_since.eq(now))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Delete the webhook with its deliveries, and return their number.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        let of_it = deliveries::table.filter(deliveries::webhook_id.eq(self.id));
        let ids = of_it.select(deliveries::id.nullable());
        diesel::delete(jobs::table.filter(jobs::delivery_id.eq_any(ids))).execute(conn)?;
        let deliveries = diesel::delete(of_it).execute(conn)?;
        diesel::delete(self).execute(conn)?;
        Ok(deliveries)
    }
}

impl Delivery {
    /// Create a delivery and a job for each webhook that subscribes to one of these events. The call waits for a webhook that is
    /// being disabled, so that nothing is pending for it afterwards.
    pub fn prepare(conn: &mut PgConnection, published: &[PublishedEvent]) -> QueryResult<()> {
        let active = webhooks::table.filter(webhooks::disabled_at.is_null()).order(webhooks::id);
        let active: Vec<i64> = active.select(webhooks::id).for_key_share().load(conn)?;
        if active.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = published.iter().map(|event| event.id).collect();
        let kinds: Vec<&str> = published.iter().map(|event| event.kind.as_str()).collect();
        let subjects: Vec<&str> = published.iter().map(|event| event.subject.as_str()).collect();
        diesel::sql_query(
            "WITH told AS (
                 SELECT * FROM unnest($1, $2, $3) AS told (event_id, kind, subject)
             ), made AS (
                 INSERT INTO deliveries (webhook_id, event_id)
                 SELECT webhooks.id, event_id FROM webhooks JOIN told ON kind = ANY (types) OR '*' = ANY (types)
                 WHERE webhooks.id = ANY ($5)
                 RETURNING id, webhook_id, event_id
             )
             INSERT INTO jobs (kind, payload, subject, delivery_id)
             SELECT $4, jsonb_build_object('delivery', id), concat_ws(' ', webhook_id, subject), id
             FROM made JOIN told USING (event_id) ORDER BY event_id, id",
        )
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Array<Text>, _>(subjects)
        .bind::<Text, _>(JobKind::CallWebhook.as_str())
        .bind::<Array<BigInt>, _>(active)
        .execute(conn)
        .map(drop)
    }

    /// Return a page of a selection, with the type of each delivery's event.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<(Self, String)>> {
        use crate::schema::events;
        selection.slice::<(Self, String), _>(conn, |conn, rows| {
            deliveries::table
                .inner_join(events::table)
                .select(((columns::<Self>(), events::type_), rows.place()))
                .filter(rows.id_filter())
                .order(rows.order())
                .load(conn)
        })
    }

    /// Find a delivery of a webhook and lock it. Return it with the type of its event.
    pub fn lock(conn: &mut PgConnection, webhook_id: i64, id: i64) -> QueryResult<(Self, String)> {
        use crate::schema::events;
        let delivery = deliveries::table
            .find(id)
            .filter(deliveries::webhook_id.eq(webhook_id))
            .select(Self::as_select())
            .for_update()
            .first::<Self>(conn)?;
        let kind = events::table.find(delivery.event_id).select(events::type_).first(conn)?;
        Ok((delivery, kind))
    }

    /// Schedule another attempt, immediately.
    pub fn replay(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        // A job that was given up is kept for a while so that its reason can be looked up. A job to be retried may wait for an
        // hour.
        diesel::delete(jobs::table.filter(jobs::delivery_id.eq(self.id))).execute(conn)?;
        diesel::sql_query(
            "INSERT INTO jobs (kind, payload, subject, delivery_id)
             SELECT $1, jsonb_build_object('delivery', $2),
                 concat_ws(' ', $3, resource_type, coalesce(resource_id, 0)), $2
             FROM events_with_names WHERE id = $4",
        )
        .bind::<Text, _>(JobKind::CallWebhook.as_str())
        .bind::<BigInt, _>(self.id)
        .bind::<BigInt, _>(self.webhook_id)
        .bind::<BigInt, _>(self.event_id)
        .execute(conn)?;
        diesel::update(self)
            .set((deliveries::status.eq("pending"), deliveries::delivered_at.eq(None::<DateTime<Utc>>)))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Return what an attempt needs; `None` if no attempt is to be made any more.
    pub fn pending(conn: &mut PgConnection, id: i64) -> QueryResult<Option<PendingDelivery>> {
        let found = deliveries::table
            .inner_join(webhooks::table)
            .filter(deliveries::id.eq(id).and(deliveries::status.eq("pending")))
            .select((columns::<Self>(), columns::<Webhook>()))
            .first::<(Self, Webhook)>(conn)
            .optional()?;
        let Some((delivery, webhook)) = found else { return Ok(None) };
        let event = Event::find(conn, delivery.event_id)?;
        Ok(Some(PendingDelivery { delivery, webhook, event }))
    }

    /// Record the outcome of an attempt. A webhook that has been failing since before `given_up_before` is given up.
    pub fn attempted(
        &self,
        conn: &mut PgConnection,
        attempt: &Attempt,
        given_up_before: DateTime<Utc>,
    ) -> QueryResult<()> {
        let (status, error) = match attempt {
            Attempt::Delivered(status) => (Some(*status), None),
            Attempt::Failed(status, error) => (*status, Some(error.as_str())),
        };
        let status = status.map(i16::try_from).transpose();
        let status = status.map_err(|error| Error::SerializationError(error.into()))?;
        let attempted = (
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::attempted_at.eq(now),
            deliveries::response_status.eq(status),
            deliveries::error.eq(error),
        );
        // Lock the webhook before the delivery, in the same order as when a webhook is disabled, so that the two cannot deadlock.
        if matches!(attempt, Attempt::Delivered(_)) {
            let failing = webhooks::table.find(self.webhook_id).filter(webhooks::failing_since.is_not_null());
            diesel::update(failing).set(webhooks::failing_since.eq(None::<DateTime<Utc>>)).execute(conn)?;
            let delivered = (deliveries::status.eq("delivered"), deliveries::delivered_at.eq(now));
            return diesel::update(self).set((attempted, delivered)).execute(conn).map(drop);
        }
        let webhook = Webhook::lock(conn, self.webhook_id)?;
        let webhook = if webhook.failing_since.is_some() { webhook } else { webhook.fails(conn)? };
        diesel::update(self).set(attempted).execute(conn)?;
        if webhook.disabled_at.is_none() && webhook.failing_since.is_some_and(|since| since < given_up_before)
        {
            webhook.give_up(conn)?;
        }
        Ok(())
    }

    /// Delete up to `most` finished deliveries that were created before `before`, and return their number.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "deliveries", "created_at < $2 AND status <> 'pending'", most, before => Timestamptz)
    }
}
