//! The labels of posts: which post has which label, since when and why.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Record, Text, Timestamptz};
use diesel::upsert::excluded;

use super::computed;
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{labels, post_labels, posts};

/// Maximum number of labels of a post. Every representation of a post shows all of them.
pub const MOST: usize = 100;

/// A label of a post.
#[derive(Clone, Debug, Queryable)]
pub struct PostLabel {
    /// The label's slug.
    pub slug: String,
    /// The label's name.
    pub name: String,
    /// Why the post has the label, in 1 to 256 characters.
    pub reason: Option<String>,
    /// When the post got the label.
    pub labeled_at: DateTime<Utc>,
}

/// What is known about a post that has a label.
#[derive(Clone, Debug, Queryable)]
pub struct Detail {
    /// The post.
    pub post_id: i64,
    /// Why the post has the label.
    pub reason: Option<String>,
    /// When the post got the label.
    pub labeled_at: DateTime<Utc>,
}

/// A request that a post has a label.
#[derive(Clone, Debug)]
pub struct Labeling {
    /// The post.
    pub post_id: i64,
    /// The label.
    pub label_id: i64,
    /// Why the post has the label; `None` keeps the previous reason.
    pub reason: Option<Option<String>>,
}

/// What a request does to all labels of a post. The event of the request records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Other labels replace them.
    Set,
    /// None remain.
    Clear,
}

/// Announce the action for the statements that follow in the transaction. Without this, labels are added and removed.
pub fn announce(conn: &mut PgConnection, action: Action) -> QueryResult<()> {
    conn.batch_execute(match action {
        Action::Set => "SET LOCAL plaza.label_action = 'set'",
        Action::Clear => "SET LOCAL plaza.label_action = 'clear'",
    })
}

/// Label posts. A post that already has the label gets the new reason and keeps its time. The pairs must differ, and the posts
/// must be locked.
pub fn add(conn: &mut PgConnection, labelings: &[Labeling]) -> QueryResult<()> {
    let row = |labeling: &Labeling| {
        (
            post_labels::post_id.eq(labeling.post_id),
            post_labels::label_id.eq(labeling.label_id),
            post_labels::reason.eq(labeling.reason.clone().flatten()),
        )
    };
    let (reasoned, plain): (Vec<_>, Vec<_>) =
        labelings.iter().partition(|labeling| labeling.reason.is_some());
    let plain: Vec<_> = plain.into_iter().map(row).collect();
    if !plain.is_empty() {
        diesel::insert_into(post_labels::table).values(plain).on_conflict_do_nothing().execute(conn)?;
    }
    let reasoned: Vec<_> = reasoned.into_iter().map(row).collect();
    if reasoned.is_empty() {
        return Ok(());
    }
    let upsert = diesel::insert_into(post_labels::table)
        .values(reasoned)
        .on_conflict((post_labels::post_id, post_labels::label_id))
        .do_update()
        .set(post_labels::reason.eq(excluded(post_labels::reason)));
    let is_new = post_labels::reason.is_distinct_from(excluded(post_labels::reason));
    diesel::query_dsl::methods::FilterDsl::filter(upsert, is_new).execute(conn).map(drop)
}

/// Remove every label but these from a post.
pub fn keep_labels(conn: &mut PgConnection, post_id: i64, label_ids: &[i64]) -> QueryResult<()> {
    let others = post_labels::table
        .filter(post_labels::post_id.eq(post_id).and(post_labels::label_id.ne_all(label_ids)));
    diesel::delete(others).execute(conn).map(drop)
}

/// Remove the label with this slug from a post.
pub fn remove_named(conn: &mut PgConnection, post_id: i64, label: &str) -> QueryResult<()> {
    let id = labels::table.filter(labels::slug.eq(label)).select(labels::id);
    let this =
        post_labels::table.filter(post_labels::post_id.eq(post_id).and(post_labels::label_id.eq_any(id)));
    diesel::delete(this).execute(conn).map(drop)
}

/// Remove a label from these posts.
pub fn remove(conn: &mut PgConnection, label_id: i64, post_ids: &[i64]) -> QueryResult<()> {
    let these = post_labels::table
        .filter(post_labels::label_id.eq(label_id).and(post_labels::post_id.eq_any(post_ids)));
    diesel::delete(these).execute(conn).map(drop)
}

/// Return when and why these posts got a label.
pub fn details(conn: &mut PgConnection, label_id: i64, post_ids: &[i64]) -> QueryResult<Vec<Detail>> {
    post_labels::table
        .filter(post_labels::label_id.eq(label_id).and(post_labels::post_id.eq_any(post_ids)))
        .select((post_labels::post_id, post_labels::reason, post_labels::labeled_at))
        .load(conn)
}

/// Return one of these posts that has more than [`MOST`] labels, if there is one.
pub fn find_overfull(conn: &mut PgConnection, post_ids: &[i64]) -> QueryResult<Option<i64>> {
    use diesel::dsl::count_star;
    post_labels::table
        .filter(post_labels::post_id.eq_any(post_ids))
        .group_by(post_labels::post_id)
        .having(count_star().gt(i64::try_from(MOST).unwrap_or(i64::MAX)))
        .select(post_labels::post_id)
        .first(conn)
        .optional()
}

/// Return a page of a selection of one post's labels.
pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<PostLabel>> {
    selection.slice::<LabelRow, _>(conn, |conn, rows| {
        post_labels::table
            .inner_join(labels::table)
            .select((
                (labels::slug, labels::name, post_labels::reason, post_labels::labeled_at),
                rows.place(),
            ))
            .filter(rows.id_filter())
            .order(rows.order())
            .load(conn)
    })
}

/// Return all labels of a post, ordered by name.
pub fn of_post(conn: &mut PgConnection, post_id: i64) -> QueryResult<Vec<PostLabel>> {
    let rows: Vec<LabelRow> = posts::table.find(post_id).select(LabelsOfPost).first(conn)?;
    Ok(rows.into_iter().map(PostLabel::from).collect())
}

/// Count the labels of all posts of a user.
pub fn count_of_writer(conn: &mut PgConnection, writer_id: i64) -> QueryResult<i64> {
    post_labels::table
        .inner_join(posts::table)
        .filter(posts::writer_id.eq(writer_id))
        .count()
        .get_result(conn)
}

/// Count the labels of a post.
pub fn count_of_post(conn: &mut PgConnection, post_id: i64) -> QueryResult<i64> {
    post_labels::table.filter(post_labels::post_id.eq(post_id)).count().get_result(conn)
}

computed!(
    /// All labels of a post, ordered by name, as one value in a query over `posts`. So a page of posts is one statement, and no
    /// post is repeated for each of its labels.
    LabelsOfPost,
    posts::id,
    Array<Record<(Text, Text, Nullable<Text>, Timestamptz)>>,
    "ARRAY(SELECT ROW(labels.slug, labels.name, post_labels.reason, post_labels.labeled_at) \
     FROM post_labels JOIN labels ON labels.id = post_labels.label_id \
     WHERE post_labels.post_id = posts.id ORDER BY labels.name, labels.id)"
);

/// A [`PostLabel`] as PostgreSQL sends it.
pub type LabelRow = (String, String, Option<String>, DateTime<Utc>);

impl From<LabelRow> for PostLabel {
    fn from((slug, name, reason, labeled_at): LabelRow) -> Self {
        Self { slug, name, reason, labeled_at }
    }
}
