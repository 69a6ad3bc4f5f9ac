//! The rows of a page, as a query over the resource's table needs them: which rows, in what order, and the place of each.

use diesel::sql_types::{Array, Bool, Nullable, Text, Untyped};

use super::fragment::{Bind, Fragment, Sql};
use super::selection::{Selection, Within};
use super::table::{Join, Relation};

/// The rows of a selection's page, and one more row, which shows whether there are others.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    selection: &'a Selection,
    ids: Ids,
}

/// How the ids of the rows are given.
#[derive(Clone, Debug)]
enum Ids {
    /// By the query that finds them.
    Query(Fragment),
    /// As a list, in the order in which they were found.
    Found(Vec<i64>),
}

impl Selection {
    /// Return the rows of the page, to be found in the statement that reads them.
    pub fn rows(&self) -> Rows<'_> {
        let mut query = Fragment::default();
        self.page(&mut query, false);
        Rows { selection: self, ids: Ids::Query(query) }
    }

    /// Return the rows of the page whose ids have been found.
    pub fn found(&self, ids: Vec<i64>) -> Rows<'_> {
        Rows { selection: self, ids: Ids::Found(ids) }
    }
}

impl Rows<'_> {
    /// Return the query that finds the rows, if they have not been found yet.
    pub fn query(&self) -> Option<&Fragment> {
        match &self.ids {
            Ids::Query(query) => Some(query),
            Ids::Found(_) => None,
        }
    }

    /// Return the condition that a row is one of these.
    pub fn id_filter(&self) -> Sql<Bool> {
        let mut sql = Fragment::default();
        sql.column(self.selection.writer().root(), self.selection.resource.id);
        match &self.ids {
            Ids::Found(ids) => sql.word(" = ANY (").bind(Bind::Integers(ids.clone())),
            Ids::Query(query) => sql.word(" IN (").embed(query),
        };
        sql.word(")");
        // The column that ends the ordering of a list within another row may be unique only within that row.
        if let Some(within @ Within { relation: Relation { join: Join::One { .. }, .. }, .. }) =
            &self.selection.within
        {
            sql.word(" AND ");
            self.selection.belongs(&mut sql, within, None);
        }
        sql.typed()
    }

    /// Return the list of `ORDER BY`, in the direction of travel.
    pub fn order(&self) -> Sql<Untyped> {
        let (writer, mut sql) = (self.selection.writer(), Fragment::default());
        match &self.ids {
            Ids::Found(ids) => {
                sql.word("array_position(").bind(Bind::Integers(ids.clone())).word(", ");
                sql.column(writer.root(), self.selection.resource.id).word(")");
            }
            Ids::Query(_) => {
                let ordering = &self.selection.request.ordering;
                writer.ordering(ordering).list(&mut sql, self.selection.is_backward());
            }
        }
        sql.typed()
    }

    /// Return each row's place; if the rows have been found already, its id.
    pub fn place(&self) -> Sql<Array<Nullable<Text>>> {
        let (writer, mut sql) = (self.selection.writer(), Fragment::default());
        match &self.ids {
            Ids::Found(_) => {
                sql.word("ARRAY[CAST(").column(writer.root(), self.selection.resource.id).word(" AS text)]");
            }
            Ids::Query(_) => writer.ordering(&self.selection.request.ordering).place(&mut sql),
        }
        sql.typed()
    }
}
