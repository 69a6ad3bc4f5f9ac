//! Events: what has changed. The database writes them, whatever makes the change. This module publishes and reads them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Text};
use serde_json::Value;

use super::{Viewer, columns, delete_some};
use crate::lookups::fragment::{Bind, Fragment};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{publication, unpublished_events, users};

/// The view, for which diesel's tool generates no schema.
mod view {
    diesel::table! {
        events_with_names (id) {
            id -> Int8,
            #[sql_name = "type"]
            kind -> Text,
            created_at -> Timestamptz,
            resource_type -> Text,
            resource_id -> Nullable<Int8>,
            resource_key -> Nullable<Text>,
            changed -> Array<Text>,
            data -> Nullable<Jsonb>,
            actor_id -> Nullable<Int8>,
            author_id -> Nullable<Int8>,
            host_id -> Nullable<Int8>,
        }
    }
}
use view::events_with_names;

diesel::allow_tables_to_appear_in_same_query!(events_with_names, users);

/// Every type of event.
pub const TYPES: [&str; 18] = [
    "user.created",
    "user.updated",
    "user.deleted",
    "profile.updated",
    "avatar.updated",
    "post.created",
    "post.updated",
    "post.published",
    "post.deleted",
    "post.labels_changed",
    "comment.created",
    "comment.updated",
    "comment.deleted",
    "label.created",
    "label.updated",
    "label.deleted",
    "media.deleted",
    "webhook.disabled",
];

/// A published event.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = events_with_names, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Event {
    pub id: i64,
    pub kind: String,
    pub created_at: DateTime<Utc>,
    pub resource_type: String,
    pub resource_id: Option<i64>,
    pub resource_key: Option<String>,
    pub changed: Vec<String>,
    pub data: Option<Value>,
    pub author_id: Option<i64>,
    pub host_id: Option<i64>,
}

/// An event with its actor.
#[derive(Clone, Debug, Queryable)]
pub struct FullEvent {
    /// The event.
    pub event: Event,
    /// The username of the actor, if a user caused the event and still exists.
    pub actor: Option<String>,
}

/// An event that has just been published.
#[derive(Clone, Debug, Queryable)]
pub struct PublishedEvent {
    /// The public id.
    pub id: i64,
    /// The type, for example `post.created`.
    pub kind: String,
    /// The resource that the event is about. Events with the same subject must stay in order.
    pub subject: String,
}

/// Moves up to a number of changes (the first value) to the events, after a position (the second value). A change whose row is
/// locked by another transaction stays, and so do the other changes of its resource.
///
/// PostgreSQL cannot estimate how many changes are waiting. If its plan expects a full batch, a join reads every post to find the
/// writers of a few. So the statement looks up what belongs to a change for each change. One plan then suits every batch and is
/// cached: planning takes half a millisecond, as long as publishing twenty changes.
const PUBLISH: [&str; 3] = [
    "
    WITH first AS MATERIALIZED (
        SELECT id FROM unpublished_events ORDER BY id LIMIT 1
    ), free AS MATERIALIZED (
        SELECT id, split_part(type, '.', 1) AS resource_type, resource_id
        FROM unpublished_events WHERE id >= (SELECT id FROM first) ORDER BY id LIMIT ",
    " FOR UPDATE SKIP LOCKED
    ), locked AS MATERIALIZED (
        SELECT split_part(type, '.', 1) AS resource_type, resource_id
        FROM unpublished_events
        WHERE id >= (SELECT id FROM first) AND id < (SELECT max(id) FROM free) AND id NOT IN (SELECT id FROM free)
    ), taken AS (
        DELETE FROM unpublished_events WHERE id = ANY (ARRAY(
            SELECT id FROM free WHERE (resource_type, coalesce(resource_id, 0)) NOT IN (
                SELECT resource_type, coalesce(resource_id, 0) FROM locked)))
        RETURNING *
    )
    INSERT INTO events (id, type, created_at, resource_id, resource_key, changed, data, actor_id, user_id, author_id, host_id)
    SELECT ",
    " + row_number() OVER (ORDER BY taken.id, place), kind, taken.created_at, resource_id, resource_key, changed,
        data, actor_id, user_id, author_id, (SELECT writer_id FROM posts WHERE posts.id = about_post_id)
    FROM taken
    CROSS JOIN unnest(ARRAY[type, also]) WITH ORDINALITY AS kinds (kind, place)
    WHERE kind IS NOT NULL
    RETURNING id, type AS kind, concat_ws(' ', split_part(type, '.', 1), coalesce(resource_id, 0)) AS subject",
];

/// The number of events.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct EventCount {
    /// All events that were ever written.
    #[diesel(sql_type = BigInt)]
    pub written: i64,
    /// The events that have not been published yet.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// How long the oldest unpublished event has waited, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest: f64,
}

/// The single query for events with their actors. It adds the position of each event in a list if that is requested.
macro_rules! full_events {
    () => {
        full_events!(@ (columns::<Event>(), users::username.nullable()))
    };
    ($place:expr) => {
        full_events!(@ ((columns::<Event>(), users::username.nullable()), $place))
    };
    (@ $columns:expr) => {
        events_with_names::table
            .left_join(users::table.on(events_with_names::actor_id.eq(users::id.nullable())))
            .select($columns)
    };
}

impl Event {
    /// Whether the viewer may read the event: staff read all events, other users those about their own posts and comments.
    pub fn is_readable_by(&self, viewer: Viewer) -> bool {
        viewer.is_staff()
            || viewer.id().is_some_and(|id| self.author_id == Some(id) || self.host_id == Some(id))
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullEvent>> {
        selection.slice::<FullEvent, _>(conn, |conn, rows| {
            full_events!(rows.place()).filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Find an event by its public id, without checking who may read it.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<FullEvent> {
        full_events!().filter(events_with_names::id.eq(id)).first(conn)
    }

    /// Return the events with these public ids that still exist, in the order of the ids, without checking who may read them.
    pub fn of_ids(conn: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<FullEvent>> {
        full_events!().filter(events_with_names::id.eq_any(ids)).order(events_with_names::id).load(conn)
    }

    /// Return the first `most` events that the viewer may read, after one position and up to another.
    pub fn between(
        conn: &mut PgConnection,
        viewer: Viewer,
        (after, up_to): (i64, i64),
        most: i64,
    ) -> QueryResult<Vec<FullEvent>> {
        let span = events_with_names::id.gt(after).and(events_with_names::id.le(up_to));
        let these = full_events!().filter(span).order(events_with_names::id).limit(most);
        match viewer {
            Viewer::Staff(_) => these.load(conn),
            Viewer::Member(id) => {
                let is_theirs = events_with_names::author_id.eq(id).or(events_with_names::host_id.eq(id));
                these.filter(is_theirs).load(conn)
            }
            Viewer::Anonymous => Ok(Vec::new()),
        }
    }

    /// Return the position of the last published event.
    pub fn last_position(conn: &mut PgConnection) -> QueryResult<i64> {
        publication::table.select(publication::last_position).first(conn)
    }

    /// Count the events.
    pub fn count(conn: &mut PgConnection) -> QueryResult<EventCount> {
        diesel::sql_query(
            "SELECT last_position + count(id) + count(also) AS written, count(id) + count(also) AS waiting,
                 coalesce(extract(epoch FROM now() - min(created_at)), 0)::double precision AS oldest
             FROM publication LEFT JOIN unpublished_events ON true GROUP BY last_position",
        )
        .get_result(conn)
    }

    /// Whether there are events that have not been published yet.
    pub fn are_waiting(conn: &mut PgConnection) -> QueryResult<bool> {
        // This reads the index, which skips deleted rows. The table itself begins with them until it is vacuumed.
        let first = unpublished_events::table.select(unpublished_events::id).order(unpublished_events::id);
        first.first::<i64>(conn).optional().map(|first| first.is_some())
    }

    /// Publish up to `most` changes in the order in which they were written, and return the events in that order. Return `None`
    /// if another transaction is publishing. All nodes are notified.
    ///
    /// A change that is being erased is left for later, together with the changes of its resource that follow: waiting for it
    /// would mean waiting until the erasure ends.
    pub fn publish(conn: &mut PgConnection, most: i64) -> QueryResult<Option<Vec<PublishedEvent>>> {
        // A lock is a write, for which a commit has to wait.
        if !Self::are_waiting(conn)? {
            return Ok(Some(Vec::new()));
        }
        let last: Option<i64> = publication::table
            .select(publication::last_position)
            .for_update()
            .skip_locked()
            .first(conn)
            .optional()?;
        let Some(last) = last else { return Ok(None) };
        let [free, taken, told] = PUBLISH;
        let mut publish = Fragment::default();
        publish.word(free).bind(Bind::Integer(most)).word(taken).bind(Bind::Integer(last)).word(told);
        let mut published: Vec<PublishedEvent> = publish.typed::<(BigInt, Text, Text)>().load(conn)?;
        published.sort_by_key(|event| event.id);
        if let Some(event) = published.last() {
            diesel::update(publication::table).set(publication::last_position.eq(event.id)).execute(conn)?;
            diesel::sql_query("SELECT pg_notify(channel(), 'events ' || $1)")
                .bind::<BigInt, _>(event.id)
                .execute(conn)?;
        }
        Ok(Some(published))
    }

    /// Record that files are no longer available.
    pub fn of_deleted_files(conn: &mut PgConnection, keys: &[String]) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO unpublished_events (type, data) VALUES ('media.deleted', jsonb_build_object('files', $1))",
        )
        .bind::<Array<Text>, _>(keys)
        .execute(conn)
        .map(drop)
    }

    /// Delete up to `most` published events that were written before `before`, and return their number.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "events", "created_at < $2", most, before => diesel::sql_types::Timestamptz)
    }
}
