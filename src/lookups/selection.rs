//! Which rows of a list: the query for their ids, from which the rows themselves are joined.
//!
//! The ids come first, in a query over the resource's own table, so that the planner finds the page in an index, or sorts narrow
//! rows; what a representation needs is then joined to those of the page alone. Both are one statement.

use std::time::Instant;

use chrono_tz::Tz;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Bool, Json, Nullable, Text, Untyped};
use diesel::{Connection, QueryResult, RunQueryDsl};
use serde_json::Value;

use super::condition::{Node, Test};
use super::fragment::{Alias, Bind, Fragment, Sql};
use super::order::Place;
use super::page::{MAX_LIMIT, Slice};
use super::predicate::{Writer, key_of, speaks_of};
use super::request::{Count, Request};
use super::table::{Join, Reader, Relation, Resource, Rights};

/// What a count by estimate may cost, in the planner's units (about a page read each), for the rows to be counted after all.
const CHEAP: f64 = 5_000.0;

/// Rows that an estimate counts rather than guesses, where a guess could tell too much.
const COUNTED: i64 = 10_000;

/// A list that is part of another resource, such as the comments on a post.
#[derive(Clone, Debug)]
pub struct Within {
    /// From the rows of the list.
    pub relation: &'static Relation,
    /// The key of the row that they belong to.
    pub key: String,
}

/// Which rows of a list somebody gets.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of what.
    pub resource: &'static Resource,
    /// For whom.
    pub reader: Reader,
    /// What is asked of them.
    pub request: Request,
    /// The whole list, or part of another resource's.
    pub within: Option<Within>,
    /// The place that the page begins at, and whether it lies before that.
    pub from: Option<(Place, bool)>,
    /// When the last of its statements must be done.
    pub deadline: Option<Instant>,
    /// The rows of the page, once they are found.
    pinned: Option<Vec<i64>>,
}

impl Selection {
    /// Of the whole list, what a request asks for.
    pub fn new(resource: &'static Resource, reader: Reader, request: Request) -> Self {
        Self { resource, reader, request, within: None, from: None, deadline: None, pinned: None }
    }

    /// Only the rows that belong to the one with this key, by a relation of theirs.
    #[must_use]
    pub fn within(self, relation: &'static Relation, key: impl Into<String>) -> Self {
        Self { within: Some(Within { relation, key: key.into() }), ..self }
    }

    /// The same, led by the index of a table of pairs where one of its keys is all that is asked of a relation, and what orders the rows
    /// is repeated there: `labels=ai` in the default order is the list of that label's posts, and however few they are, they are
    /// found without a walk over all the others.
    #[must_use]
    pub fn led(mut self) -> Self {
        let Node::All(nodes) = &mut self.request.node else { return self };
        let lead = nodes.iter().enumerate().find_map(|(place, node)| {
            let Node::Test(Test { path, .. }) = node else { return None };
            let [relation] = path.as_slice() else { return None };
            let Join::Through(through) = relation.join else { return None };
            let column = self.request.ordering.leading()?;
            let is_repeated = through.repeats.iter().any(|(near, _)| *near == column);
            let is_alone = nodes.iter().filter(|other| speaks_of(other, path)).count() == 1;
            match key_of(node, path) {
                Some(Bind::Text(key)) if is_repeated && is_alone => Some((place, *relation, key.clone())),
                _ => None,
            }
        });
        match lead {
            Some((place, relation, key)) if self.within.is_none() => {
                nodes.remove(place);
                self.within(relation, key)
            }
            _ => self,
        }
    }

    fn writer(&self) -> Writer<'_> {
        Writer { resource: self.resource, reader: &self.reader, zone: self.request.zone }
    }

    fn is_backward(&self) -> bool {
        self.from.as_ref().is_some_and(|(_, is_backward)| *is_backward)
    }

    /// Whether it takes several statements that may each take long: then they share the time of one.
    pub fn is_heavy(&self) -> bool {
        self.request.count.is_some() || !self.request.patterns.is_empty() || self.request.zone != Tz::UTC
    }

    /// Give the next statement of the transaction no more time than is left.
    fn hurry(&self, conn: &mut PgConnection) -> QueryResult<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        conn.batch_execute(&format!("SET LOCAL statement_timeout = {left}"))
    }

    /// That a row is one of the page.
    pub fn rows(&self) -> Sql<Bool> {
        let mut sql = Fragment::default();
        sql.column(self.writer().root(), self.resource.id);
        if let Some(ids) = &self.pinned {
            sql.word(" = ANY (").bind(Bind::Integers(ids.clone()));
        } else {
            sql.word(" IN (");
            self.page(&mut sql, false);
        }
        sql.word(")");
        // What ends the ordering of a list within another row may be no more than unique there.
        if let Some(within @ Within { relation: Relation { join: Join::One { .. }, .. }, .. }) = &self.within
        {
            sql.word(" AND ");
            self.belongs(&mut sql, within, None);
        }
        sql.typed()
    }

    /// The ids of the page, in the direction of travel, each with its place if that is wanted.
    fn page(&self, sql: &mut Fragment, with_place: bool) {
        let writer = self.writer();
        let (root, id) = (writer.root(), self.resource.id);
        let pairs = self.within.as_ref().and_then(|within| match within.relation.join {
            Join::Through(through) => Some((sql.fresh(), through)),
            Join::One { .. } | Join::Many { .. } => None,
        });
        // The pairs repeat what orders the rows, in an index that begins with what they are pairs with.
        let stands_for = |column: &'static str| {
            let (pairs, through) = pairs?;
            if column == id {
                return Some((pairs, through.near));
            }
            let (_, own) = through.repeats.iter().find(|(far, _)| *far == column)?;
            Some((pairs, *own))
        };
        let mut tables = Fragment::default();
        sql.lend_rows(&mut tables);
        tables.word(self.resource.table);
        if let Some((pairs, through)) = pairs {
            tables.word(" INNER JOIN ").word(through.table).word(" AS ").alias(pairs).word(" ON ");
            tables.column(pairs, through.near).word(" = ").column(root, id);
        }
        let columns = writer.join_ordering(&mut tables, &self.request.ordering, stands_for);
        tables.lend_rows(sql);
        sql.word("SELECT ").column(root, id);
        if with_place {
            sql.word(", ");
            columns.place(sql);
        }
        sql.word(" FROM ").embed(&tables).word(" WHERE ");
        self.condition(sql, &self.resource.readable, pairs.map(|(pairs, _)| pairs));
        if let Some((place, is_backward)) = &self.from {
            sql.word(" AND ");
            columns.beyond(sql, place, *is_backward);
        }
        sql.word(" ORDER BY ");
        columns.list(sql, self.is_backward());
        sql.word(" LIMIT ").number(self.fetch());
        if self.request.offset > 0 {
            sql.word(" OFFSET ").bind(Bind::Integer(self.request.offset));
        }
    }

    /// What must be so of a row to which somebody has these rights.
    fn condition(&self, sql: &mut Fragment, rights: &Rights, pairs: Option<Alias>) {
        let writer = self.writer();
        writer.may(sql, writer.root(), rights);
        if let Some(within) = &self.within {
            sql.word(" AND ");
            self.belongs(sql, within, pairs);
        }
        if let (Some(search), Some(document)) = (&self.request.search, self.resource.document) {
            sql.word(" AND ").column(writer.root(), document).word(" @@ search_query(");
            sql.bind(Bind::Text(search.clone())).word(")");
        }
        if !matches!(&self.request.node, Node::All(nodes) if nodes.is_empty()) {
            sql.word(" AND ");
            writer.condition(sql, &self.request.node);
        }
    }

    /// That a row is one of those that another resource's row has, if that one may be read.
    fn belongs(&self, sql: &mut Fragment, within: &Within, pairs: Option<Alias>) {
        let (writer, target) = (self.writer(), within.relation.target);
        let row = sql.fresh();
        let parent = |sql: &mut Fragment, column| {
            sql.word(" = (SELECT ")
                .column(row, column)
                .word(" FROM ")
                .word(target.table)
                .word(" AS ")
                .alias(row);
            sql.word(" WHERE ")
                .column(row, target.key.column)
                .word(" = ")
                .bind(Bind::Text(within.key.clone()));
            sql.word(" AND ");
            writer.may(sql, row, &target.readable);
            sql.word(")");
        };
        match (&within.relation.join, pairs) {
            (Join::Through(through), Some(pairs)) => {
                sql.column(pairs, through.far);
                parent(sql, target.id);
            }
            (Join::One { near, far, .. } | Join::Many { near, far }, _) => {
                sql.column(writer.root(), near);
                parent(sql, far);
            }
            (Join::Through(through), None) => {
                let link = sql.fresh();
                sql.word("EXISTS (SELECT FROM ").word(through.table).word(" AS ").alias(link).word(" WHERE ");
                sql.column(link, through.near).word(" = ").column(writer.root(), "id").word(" AND ");
                sql.column(link, through.far);
                parent(sql, target.id);
                sql.word(")");
            }
        }
    }

    /// The list that `ORDER BY` takes, for the rows of the page in the direction of travel.
    pub fn order(&self) -> Sql<Untyped> {
        let (writer, mut sql) = (self.writer(), Fragment::default());
        if let Some(ids) = &self.pinned {
            sql.word("array_position(").bind(Bind::Integers(ids.clone())).word(", ");
            sql.column(writer.root(), self.resource.id).word(")");
        } else {
            writer.ordering(&self.request.ordering).list(&mut sql, self.is_backward());
        }
        sql.typed()
    }

    /// A row's place; of rows that are found already, their ids.
    pub fn place(&self) -> Sql<Array<Nullable<Text>>> {
        let (writer, mut sql) = (self.writer(), Fragment::default());
        if self.pinned.is_some() {
            sql.word("ARRAY[CAST(").column(writer.root(), self.resource.id).word(" AS text)]");
        } else {
            writer.ordering(&self.request.ordering).place(&mut sql);
        }
        sql.typed()
    }

    /// That a row is one of all that are selected, and to which somebody has these rights: locked in one order, so that two
    /// who change the same rows do not wait for each other in a circle.
    pub fn locked(&self, rights: &Rights) -> Sql<Bool> {
        let (writer, mut sql) = (self.writer(), Fragment::default());
        let (root, id) = (writer.root(), self.resource.id);
        sql.column(root, id).word(" IN (");
        self.ids(&mut sql, rights);
        sql.word(" ORDER BY ").column(root, id).word(" FOR UPDATE)").unprepared()
    }

    /// The ids of all that are selected and to which somebody has these rights.
    pub fn ids(&self, sql: &mut Fragment, rights: &Rights) {
        let root = self.writer().root();
        sql.word("SELECT ").column(root, self.resource.id).word(" FROM ").word(self.resource.table);
        sql.word(" WHERE ");
        self.condition(sql, rights, None);
    }

    /// One more than asked for, which tells whether there are more. Or some more, so that the limits that clients think of do not
    /// make a statement of its own each.
    fn fetch(&self) -> i64 {
        let most = [2, 6, 11, 21, 31, 51, MAX_LIMIT + 1];
        most.into_iter().find(|most| *most > self.request.limit).unwrap_or(self.request.limit + 1)
    }

    /// Whether the database's server knows the time zone, too: its list may be older than the program's.
    pub fn knows_zone(&self, conn: &mut PgConnection) -> QueryResult<bool> {
        if self.request.zone == Tz::UTC {
            return Ok(true);
        }
        let mut sql = Fragment::default();
        sql.word("SELECT now() AT TIME ZONE ").bind(Bind::Text(self.request.zone.name().into()));
        match sql.word(" IS NOT NULL").typed::<Bool>().get_result::<bool>(conn) {
            Ok(_) => Ok(true),
            Err(Error::DatabaseError(_, info)) if info.message().starts_with("time zone \"") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The first regular expression that the database does not take, by its parameter, and what it has against that.
    pub fn complaint(&self, conn: &mut PgConnection) -> QueryResult<Option<(&str, String)>> {
        let patterns = &self.request.patterns;
        self.hurry(conn)?;
        if patterns.is_empty() || complaint(conn, patterns.iter().map(|(_, pattern)| pattern))?.is_none() {
            return Ok(None);
        }
        for (parameter, pattern) in patterns {
            if let Some(complaint) = complaint(conn, [pattern])? {
                return Ok(Some((parameter, complaint)));
            }
        }
        Ok(None)
    }

    /// The page: `load` gives the rows that [`Selection::rows`] names, in the order of [`Selection::order`], each with its place.
    ///
    /// A page is one statement where that is prepared. Where it is planned for its values, the ids are found first and the rest
    /// is read by them: to plan the query for the ids takes a fraction of the time that the whole takes, and the rest is prepared.
    pub fn slice<R, T: From<R>>(
        &self,
        conn: &mut PgConnection,
        load: impl FnOnce(&mut PgConnection, &Self) -> QueryResult<Vec<(R, Place)>>,
    ) -> QueryResult<Slice<T>> {
        let count = self.count(conn)?;
        self.hurry(conn)?;
        if self.request.limit == 0 {
            return Ok(self.cut(Vec::<(R, Place)>::new(), 0, count));
        }
        let mut sql = Fragment::default();
        self.page(&mut sql, false);
        if self.is_prepared(&sql) {
            let rows = load(conn, self)?;
            let fetched = rows.len();
            return Ok(self.cut(rows, fetched, count));
        }
        let mut sql = Fragment::default();
        self.page(&mut sql, true);
        let found: Vec<(i64, Place)> = sql.unprepared::<(BigInt, Array<Nullable<Text>>)>().load(conn)?;
        if found.is_empty() {
            return Ok(self.cut(Vec::<(R, Place)>::new(), 0, count));
        }
        let pinned = Some(found.iter().map(|(id, _)| *id).collect());
        let rows = load(conn, &Self { pinned, ..self.clone() })?;
        let place_of = |id: &Place| {
            let id: i64 = id.first()?.as_ref()?.parse().ok()?;
            found.iter().find(|(found, _)| *found == id).map(|(_, place)| place.clone())
        };
        let rows = rows.into_iter().filter_map(|(row, id)| Some((row, place_of(&id)?)));
        Ok(self.cut(rows.collect(), found.len(), count))
    }

    /// Whether a statement is prepared. Not where the best plan depends on what is looked for, as it does with patterns and words:
    /// a plan for any of them would read every row for a rare one.
    fn is_prepared(&self, sql: &Fragment) -> bool {
        self.request.search.is_none()
            && !self.request.node.is_of_patterns()
            && sql.is_admitted(self.request.is_plain)
    }

    /// Make a page of what was fetched in the order of travel.
    fn cut<R, T: From<R>>(&self, mut rows: Vec<(R, Place)>, fetched: usize, count: Option<i64>) -> Slice<T> {
        let limit = usize::try_from(self.request.limit).unwrap_or(0);
        let more = fetched > limit;
        rows.truncate(limit);
        let (has_next, has_previous) = if self.is_backward() {
            rows.reverse();
            // The page that one came back from lies ahead.
            (true, more)
        } else {
            (more, self.from.is_some() || self.request.offset > 0)
        };
        let place = |row: Option<&(R, Place)>, is_there: bool| {
            row.filter(|_| is_there).map(|(_, place)| place.clone())
        };
        Slice {
            next: place(rows.last(), has_next),
            previous: place(rows.first(), has_previous),
            rows: rows.into_iter().map(|(row, _)| T::from(row)).collect(),
            count,
        }
    }

    fn count(&self, conn: &mut PgConnection) -> QueryResult<Option<i64>> {
        let Some(count) = self.request.count else { return Ok(None) };
        self.hurry(conn)?;
        if count == Count::Exact {
            return self.count_up_to(conn, None).map(Some);
        }
        // The planner's statistics are of all rows. What it makes of conditions on text would tell of texts that the reader may not
        // read, so of few rows those are counted that are there.
        if !self.reader.is_staff && !self.request.is_plain {
            let counted = self.count_up_to(conn, Some(COUNTED))?;
            if counted < COUNTED {
                return Ok(Some(counted));
            }
        }
        let mut sql = Fragment::default();
        sql.word("EXPLAIN (FORMAT JSON) ");
        self.ids(&mut sql, &self.resource.readable);
        let plan: Value = sql.unprepared::<Json>().get_result(conn)?;
        let plan = &plan[0]["Plan"];
        if plan["Total Cost"].as_f64().is_none_or(|cost| cost < CHEAP) {
            return self.count_up_to(conn, None).map(Some);
        }
        Ok(plan["Plan Rows"].as_i64())
    }

    fn count_up_to(&self, conn: &mut PgConnection, most: Option<i64>) -> QueryResult<i64> {
        let mut sql = Fragment::default();
        sql.word("SELECT count(*) FROM (");
        self.ids(&mut sql, &self.resource.readable);
        if let Some(most) = most {
            sql.word(" LIMIT ").number(most);
        }
        sql.word(") AS selected").unprepared::<BigInt>().get_result(conn)
    }
}

/// What the database has against one of these regular expressions. All in one statement, so that together they take no longer than one
/// may.
fn complaint<'p>(
    conn: &mut PgConnection,
    patterns: impl IntoIterator<Item = &'p String>,
) -> QueryResult<Option<String>> {
    let patterns = patterns.into_iter().cloned().collect();
    let mut sql = Fragment::default();
    sql.word("SELECT count(*) FILTER (WHERE '' ~ pattern) FROM unnest(").bind(Bind::Texts(patterns));
    sql.word(") AS pattern");
    let query = sql.typed::<BigInt>();
    // A savepoint, since the transaction goes on.
    match conn.transaction(|conn| query.get_result::<i64>(conn)) {
        Ok(_) => Ok(None),
        Err(Error::DatabaseError(_, info)) if info.message().starts_with("invalid regular expression") => {
            Ok(Some(info.message().to_owned()))
        }
        Err(error) => Err(error),
    }
}
