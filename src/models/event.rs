//! Events: what has changed. The database writes them, whatever makes the change; here they are published and read.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Text};
use serde_json::Value;

use super::{Viewer, columns, delete_some};
use crate::lookups::fragment::{Bind, Fragment};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{publication, unpublished_events, users};

/// The view, of which diesel's tool writes no schema.
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

/// An event with who did it.
#[derive(Clone, Debug, Queryable)]
pub struct FullEvent {
    /// The event.
    pub event: Event,
    /// The user's name, if it was a user's doing who is still there.
    pub actor: Option<String>,
}

/// An event that has just been published.
#[derive(Clone, Debug, Queryable)]
pub struct Published {
    /// Its public id.
    pub id: i64,
    /// Such as `post.created`.
    pub kind: String,
    /// What it is about: of those with the same one the order matters.
    pub subject: String,
}

/// Moves so many changes, the first value, to the events after a position, the second. What somebody holds a lock on stays, with what
/// is left of its resource.
///
/// How many wait is nothing that PostgreSQL could know: where it reckons with a full batch, a join reads every post for the writers of
/// a few. So what belongs to a change is looked up for each. Then one plan is good for every batch, and it is kept: it takes half a
/// millisecond to make, as publishing twenty does.
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

/// How many events there are.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct EventCount {
    /// All that were ever written.
    #[diesel(sql_type = BigInt)]
    pub written: i64,
    /// Those that nobody has published yet.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// How long the oldest of those has waited, in seconds.
    #[diesel(sql_type = Double)]
    pub oldest: f64,
}

/// The one query for events with their actors; with the place of each in a list where that is asked for.
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
    /// Whether the viewer may read it: staff all, others what is about their own posts and comments.
    pub fn is_readable_by(&self, viewer: Viewer) -> bool {
        viewer.is_staff()
            || viewer.id().is_some_and(|id| self.author_id == Some(id) || self.host_id == Some(id))
    }

    /// Those of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullEvent>> {
        selection.slice::<FullEvent, _>(conn, |conn, rows| {
            full_events!(rows.place()).filter(rows.are_these()).order(rows.order()).load(conn)
        })
    }

    /// By its public id, whoever may read it.
    pub fn find(conn: &mut PgConnection, id: i64) -> QueryResult<FullEvent> {
        full_events!().filter(events_with_names::id.eq(id)).first(conn)
    }

    /// Those of these public ids that are still there, in their order, whoever may read them.
    pub fn of_ids(conn: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<FullEvent>> {
        full_events!().filter(events_with_names::id.eq_any(ids)).order(events_with_names::id).load(conn)
    }

    /// The first `most` that the viewer may read, after one position and up to another.
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

    /// The position of the last one that is published.
    pub fn last_position(conn: &mut PgConnection) -> QueryResult<i64> {
        publication::table.select(publication::last_position).first(conn)
    }

    /// How many there are.
    pub fn count(conn: &mut PgConnection) -> QueryResult<EventCount> {
        diesel::sql_query(
            "SELECT last_position + count(id) + count(also) AS written, count(id) + count(also) AS waiting,
                 coalesce(extract(epoch FROM now() - min(created_at)), 0)::double precision AS oldest
             FROM publication LEFT JOIN unpublished_events ON true GROUP BY last_position",
        )
        .get_result(conn)
    }

    /// Whether there are any that nobody has published yet.
    pub fn are_waiting(conn: &mut PgConnection) -> QueryResult<bool> {
        // By the index, which knows what has gone; the table begins with it until it is vacuumed.
        let first = unpublished_events::table.select(unpublished_events::id).order(unpublished_events::id);
        first.first::<i64>(conn).optional().map(|first| first.is_some())
    }

    /// Publish up to `most` changes in the order in which they were written; the events that it were, in that order. Nothing where
    /// somebody else is about to. All nodes are told.
    ///
    /// One that is being erased is left to a later time, with those after it of its resource: it would have to be waited for until
    /// the erasure ends.
    pub fn publish(conn: &mut PgConnection, most: i64) -> QueryResult<Option<Vec<Published>>> {
        // A lock is a write, which a commit has to wait for.
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
        let mut published: Vec<Published> = publish.typed::<(BigInt, Text, Text)>().load(conn)?;
        published.sort_by_key(|event| event.id);
        if let Some(event) = published.last() {
            diesel::update(publication::table).set(publication::last_position.eq(event.id)).execute(conn)?;
            diesel::sql_query("SELECT pg_notify(channel(), 'events ' || $1)")
                .bind::<BigInt, _>(event.id)
                .execute(conn)?;
        }
        Ok(Some(published))
    }

    /// Write that files are not to be had any more.
    pub fn of_deleted_files(conn: &mut PgConnection, keys: &[String]) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO unpublished_events (type, data) VALUES ('media.deleted', jsonb_build_object('files', $1))",
        )
        .bind::<Array<Text>, _>(keys)
        .execute(conn)
        .map(drop)
    }

    /// Delete up to `most` events that were published and written before `before`; how many it were.
    pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "events", "created_at < $2", most, before => diesel::sql_types::Timestamptz)
    }
}
