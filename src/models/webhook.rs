//! Webhooks: programs that are told of events, and what became of telling them.

use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};

use super::event::{Event, FullEvent, Published};
use super::job::JobKind;
use super::{columns, delete_some};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{deliveries, jobs, webhooks};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The first that is there.
    fn coalesce(first: Nullable<Text>, second: Text) -> Nullable<Text>;
}

/// The event that tells that a webhook was given up.
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

/// What it takes to make one.
#[derive(Insertable, Clone, Debug)]
#[diesel(table_name = webhooks)]
pub struct NewWebhook {
    /// Where events are sent to.
    pub url: String,
    /// At most 256 characters.
    pub description: Option<String>,
    /// Types of events; `*` for all.
    pub types: Vec<String>,
}

/// What may change; `None` keeps.
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

/// What an attempt needs.
#[derive(Clone, Debug)]
pub struct Errand {
    /// What became of it so far.
    pub delivery: Delivery,
    /// Whom to tell.
    pub webhook: Webhook,
    /// Of what.
    pub event: FullEvent,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// It was answered with this status, which says that all is well.
    Delivered(u16),
    /// It was not, for this reason; with this status, if there was an answer.
    Failed(Option<u16>, String),
}

impl NewWebhook {
    /// Write it.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<Webhook> {
        diesel::insert_into(webhooks::table).values(self).returning(Webhook::as_returning()).get_result(conn)
    }
}

impl Webhook {
    /// By its id.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<Self> {
        webhooks::table.find(id).select(Self::as_select()).first(conn)
    }

    /// The same under a lock, for a change.
    pub fn lock(conn: &mut PgConnection, id: i64) -> QueryResult<Self> {
        webhooks::table.find(id).select(Self::as_select()).for_update().first(conn)
    }

    /// Those of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<Self>> {
        selection.slice::<Self, _>(conn, |conn, rows| {
            let query = webhooks::table.select((Self::as_select(), rows.place()));
            query.filter(rows.are_these()).order(rows.order()).load(conn)
        })
    }

    /// Change the row; the version moves, unless nothing was asked for.
    pub fn update(&self, conn: &mut PgConnection, changes: &WebhookChanges) -> QueryResult<Self> {
        if *changes == WebhookChanges::default() {
            return Ok(self.clone());
        }
        diesel::update(self).set(changes).returning(Self::as_returning()).get_result(conn)
    }

    /// Sign with another secret from now on; until `former_until` with the one before as well.
    pub fn rotate(&self, conn: &mut PgConnection, former_until: DateTime<Utc>) -> QueryResult<Self> {
        diesel::update(self)
            .set((webhooks::generation.eq(self.generation + 1), webhooks::former_until.eq(former_until)))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Tell it again of what happens from now on.
    pub fn enable(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        diesel::update(self)
            .set((
                webhooks::disabled_at.eq(None::<DateTime<Utc>>),
                webhooks::failing_since.eq(None::<DateTime<Utc>>),
            ))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Tell it nothing more. What has not been delivered has failed. It is locked, and so are its jobs before its deliveries, as
    /// whoever makes an attempt does it.
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

    /// The same because it does not answer, with an event that says so.
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

    /// It fails from now on.
    fn fails(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        diesel::update(self)
            .set(webhooks::failing_since.eq(now))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// Delete it with its deliveries; how many they were.
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
    /// A delivery and a job for each webhook that wants to know of one of these events. One that is being disabled is waited for, so
    /// that nothing is pending for it afterwards.
    pub fn prepare(conn: &mut PgConnection, published: &[Published]) -> QueryResult<()> {
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
        .bind::<Text, _>(JobKind::Deliver.as_str())
        .bind::<Array<BigInt>, _>(active)
        .execute(conn)
        .map(drop)
    }

    /// Those of a selection, each with the type of its event.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<(Self, String)>> {
        use crate::schema::events;
        selection.slice::<(Self, String), _>(conn, |conn, rows| {
            deliveries::table
                .inner_join(events::table)
                .select(((columns::<Self>(), events::type_), rows.place()))
                .filter(rows.are_these())
                .order(rows.order())
                .load(conn)
        })
    }

    /// One of a webhook under a lock, with the type of its event.
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

    /// Have it attempted anew, and now.
    pub fn replay(&self, conn: &mut PgConnection) -> QueryResult<Self> {
        // One that was given up stands for a while, for whoever looks for the reason; another may wait for an hour.
        diesel::delete(jobs::table.filter(jobs::delivery_id.eq(self.id))).execute(conn)?;
        diesel::sql_query(
            "INSERT INTO jobs (kind, payload, subject, delivery_id)
             SELECT $1, jsonb_build_object('delivery', $2),
                 concat_ws(' ', $3, resource_type, coalesce(resource_id, 0)), $2
             FROM events_with_names WHERE id = $4",
        )
        .bind::<Text, _>(JobKind::Deliver.as_str())
        .bind::<BigInt, _>(self.id)
        .bind::<BigInt, _>(self.webhook_id)
        .bind::<BigInt, _>(self.event_id)
        .execute(conn)?;
        diesel::update(self)
            .set((deliveries::status.eq("pending"), deliveries::delivered_at.eq(None::<DateTime<Utc>>)))
            .returning(Self::as_returning())
            .get_result(conn)
    }

    /// What an attempt needs; nothing where there is none to be made any more.
    pub fn errand(conn: &mut PgConnection, id: i64) -> QueryResult<Option<Errand>> {
        let found = deliveries::table
            .inner_join(webhooks::table)
            .filter(deliveries::id.eq(id).and(deliveries::status.eq("pending")))
            .select((columns::<Self>(), columns::<Webhook>()))
            .first::<(Self, Webhook)>(conn)
            .optional()?;
        let Some((delivery, webhook)) = found else { return Ok(None) };
        let event = Event::find(conn, delivery.event_id)?;
        Ok(Some(Errand { delivery, webhook, event }))
    }

    /// Write down what came of an attempt. A webhook that has failed since before `given_up_before` is given up.
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
        // The webhook before the delivery, as whoever disables it does: neither is to wait for the other.
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

    /// Delete up to `most` deliveries of before `before` that are over; how many it were.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "deliveries", "created_at < $2 AND status <> 'pending'", most, before => Timestamptz)
    }
}
