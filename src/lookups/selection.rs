//! Selects rows of a list: writes the query for their ids, to which the rows themselves are then joined.
//!
//! The ids come first, in a query over the resource's own table, so that the planner finds the page in an index, or sorts narrow
//! rows. What a representation needs is then joined only to the rows of the page. Both are one statement.

use std::time::Instant;

use diesel::sql_types::Bool;

use super::condition::{Node, Test};
use super::fragment::{Alias, Bind, Fragment, Sql};
use super::order::Place;
use super::page::MAX_LIMIT;
use super::predicate::{Writer, key_of, speaks_of};
use super::request::Request;
use super::table::{Join, Kind, Reader, Relation, Resource, Rights};

/// A list that is part of another resource, such as the comments on a post.
#[derive(Clone, Debug)]
pub struct Within {
    /// The relation from the rows of the list to the row that they belong to.
    pub relation: &'static Relation,
    /// The key of the row that they belong to.
    pub key: String,
}

impl Within {
    fn bind(&self) -> Bind {
        match self.relation.target.key.kind {
            // No key is below 1, so 0 finds no row.
            Kind::Integer => Bind::Integer(self.key.parse().unwrap_or_default()),
            _ => Bind::Text(self.key.clone()),
        }
    }
}

/// The rows of a list that a reader gets.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The resource that the rows belong to.
    pub resource: &'static Resource,
    /// The reader.
    pub reader: Reader,
    /// What is asked of the rows.
    pub request: Request,
    /// The row of another resource to which the list belongs, or `None` for the whole list.
    pub within: Option<Within>,
    /// The place at which the page begins, and whether the page lies before it.
    pub from: Option<(Place, bool)>,
    /// When the last of the statements must be done.
    pub deadline: Option<Instant>,
}

impl Selection {
    /// Select what a request asks for from the whole list.
    pub fn new(resource: &'static Resource, reader: Reader, request: Request) -> Self {
        Self { resource, reader, request, within: None, from: None, deadline: None }
    }

    /// Select only the rows that belong to the row with this key, by one of their relations.
    #[must_use]
    pub fn within(self, relation: &'static Relation, key: impl Into<String>) -> Self {
        Self { within: Some(Within { relation, key: key.into() }), ..self }
    }

    /// Read the rows by the index of a link table, if the request restricts a relation to one key of that table and the table
    /// repeats the column that orders the rows. So `labels=ai` in the default order reads the posts of that label alone, however
    /// many other posts there are.
    #[must_use]
    pub fn drive_by_link_index(mut self) -> Self {
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

    /// Return a writer of conditions on the rows.
    pub fn writer(&self) -> Writer<'_> {
        Writer { resource: self.resource, reader: &self.reader, zone: self.request.zone }
    }

    /// Whether the page lies before the place at which it begins.
    pub fn is_backward(&self) -> bool {
        self.from.as_ref().is_some_and(|(_, is_backward)| *is_backward)
    }

    /// Write the query for the ids of the page in the direction of travel, each with its place if requested.
    pub fn page(&self, sql: &mut Fragment, with_place: bool) {
        let writer = self.writer();
        let (root, id) = (writer.root(), self.resource.id);
        let pairs = self.within.as_ref().and_then(|within| match within.relation.join {
            Join::Through(through) => Some((sql.fresh(), through)),
            Join::One { .. } | Join::Many { .. } => None,
        });
        // The pairs repeat what orders the rows, in an index that begins with the row that they are pairs with.
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
            columns.after(sql, place, *is_backward);
        }
        sql.word(" ORDER BY ");
        columns.list(sql, self.is_backward());
        sql.word(" LIMIT ").number(self.fetch());
        if self.request.offset > 0 {
            sql.word(" OFFSET ").bind(Bind::Integer(self.request.offset));
        }
    }

    /// Write the condition on the rows to which the reader has these rights.
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

    /// Write the condition that a row belongs to a row of another resource, if the reader may read that row.
    pub fn belongs(&self, sql: &mut Fragment, within: &Within, pairs: Option<Alias>) {
        let (writer, target) = (self.writer(), within.relation.target);
        let row = sql.fresh();
        let parent = |sql: &mut Fragment, column| {
            sql.word(" = (SELECT ")
                .column(row, column)
                .word(" FROM ")
                .word(target.table)
                .word(" AS ")
                .alias(row);
            sql.word(" WHERE ").column(row, target.key.column).word(" = ").bind(within.bind());
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

    /// Return the condition that a row is one of all that are selected, and that the reader has these rights to it. The rows are
    /// locked in one order, so that two transactions that change the same rows cannot deadlock.
    pub fn locked(&self, rights: &Rights) -> Sql<Bool> {
        let (writer, mut sql) = (self.writer(), Fragment::default());
        let (root, id) = (writer.root(), self.resource.id);
        sql.column(root, id).word(" IN (");
        self.ids(&mut sql, rights);
        sql.word(" ORDER BY ").column(root, id).word(" FOR UPDATE)").unprepared()
    }

    /// Write the query for the ids of all rows that are selected and to which the reader has these rights.
    pub fn ids(&self, sql: &mut Fragment, rights: &Rights) {
        let root = self.writer().root();
        sql.word("SELECT ").column(root, self.resource.id).word(" FROM ").word(self.resource.table);
        sql.word(" WHERE ");
        self.condition(sql, rights, None);
    }

    /// Return one more than the limit, which shows whether there are more rows. The number may be larger, so that not each of the
    /// limits that clients choose makes its own statement.
    fn fetch(&self) -> i64 {
        let most = [2, 6, 11, 21, 31, 51, MAX_LIMIT + 1];
        most.into_iter().find(|most| *most > self.request.limit).unwrap_or(self.request.limit + 1)
    }
}
