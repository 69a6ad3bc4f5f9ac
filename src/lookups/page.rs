//! Pages by keyset: where a page begins is said by the sort values of a row, so that rows which come and go between two
//! pages neither repeat nor skip another.

use diesel::expression::ValidGrouping;
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Bool;
use diesel::{AppearsOnTable, Expression, QueryResult, RunQueryDsl, SelectableExpression};

/// Rows of a page when none is asked for.
pub const DEFAULT_LIMIT: i64 = 20;
/// Most rows of a page.
pub const MAX_LIMIT: i64 = 100;

/// Which rows of an ordered list: `limit` of them after (or, backward, before) a row with this sort value and id.
#[derive(Clone, Debug)]
pub struct Keyset<V> {
    /// Most rows.
    pub limit: i64,
    /// The row next to the page, not in it; `None` begins at the end of the list.
    pub from: Option<(V, i64)>,
    /// Whether the page ends before `from`, instead of beginning after it.
    pub backward: bool,
}

/// The rows of a page, in the list's order, and whether there are more on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether a page follows.
    pub has_next: bool,
    /// Whether a page precedes.
    pub has_previous: bool,
}

impl<V> Keyset<V> {
    /// How many rows to fetch: one more than asked for tells whether there are more.
    pub fn fetch(&self) -> i64 {
        if self.limit == 0 { 0 } else { self.limit + 1 }
    }

    /// Make a page of what was fetched in the order of travel.
    pub fn slice<T>(&self, mut rows: Vec<T>) -> Slice<T> {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        if self.backward {
            rows.reverse();
            // The page that one came back from lies ahead.
            Slice { rows, has_next: true, has_previous: more }
        } else {
            Slice { rows, has_next: more, has_previous: self.from.is_some() && limit > 0 }
        }
    }
}

/// A query with its limit written into the SQL.
///
/// diesel's own `limit` binds a parameter, and PostgreSQL, which cannot plan for a limit that it does not know, then plans
/// the statement anew each time it runs: for a page of posts that took twice as long as the page itself. There are at most
/// [`MAX_LIMIT`] and one of them, so a list has a bounded number of shapes.
#[derive(Clone, Copy, Debug)]
pub struct Limited<Q> {
    query: Q,
    limit: i64,
}

impl<V> Keyset<V> {
    /// The query for [`Keyset::fetch`] rows.
    pub fn limit<Q>(&self, query: Q) -> Limited<Q> {
        Limited { query, limit: self.fetch() }
    }
}

/// Order a boxed query by a column and then by id, and begin where the keyset says. A macro, since the type of a boxed query over
/// whatever tables cannot be written down.
macro_rules! paged {
    ($query:expr, $keyset:expr, $column:expr, $id:expr, ascending) => {
        $crate::lookups::page::paged!(@ $query, $keyset, $column, $id, $keyset.backward)
    };
    ($query:expr, $keyset:expr, $column:expr, $id:expr, descending) => {
        $crate::lookups::page::paged!(@ $query, $keyset, $column, $id, !$keyset.backward)
    };
    (@ $query:expr, $keyset:expr, $column:expr, $id:expr, $goes_down:expr) => {{
        let (mut query, goes_down) = ($query, $goes_down);
        // The plain comparison of the column is implied, and is what lets an index begin at the right place.
        if let Some((value, id)) = $keyset.from.clone() {
            query = if goes_down {
                query.filter($column.le(value.clone())).filter($column.lt(value).or($id.lt(id)))
            } else {
                query.filter($column.ge(value.clone())).filter($column.gt(value).or($id.gt(id)))
            };
        }
        if goes_down {
            query.order(($column.desc(), $id.desc()))
        } else {
            query.order(($column.asc(), $id.asc()))
        }
    }};
}
pub(crate) use paged;

impl<Q: Query> Query for Limited<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> QueryId for Limited<Q> {
    type QueryId = ();
    // The limit is in the text, so the text is what a prepared statement is found by.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Limited<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_sql(&self.limit.to_string());
        Ok(())
    }
}

impl<Q> RunQueryDsl<PgConnection> for Limited<Q> {}

/// Whether a column is among what a limited query gives: diesel's `eq_any` takes queries of its own alone.
#[derive(Clone, Copy, Debug)]
pub struct IsAmong<C, Q>(C, Limited<Q>);

impl<Q> Limited<Q> {
    /// Whether it gives this column's value.
    pub fn has<C: Expression>(self, column: C) -> IsAmong<C, Q>
    where
        Q: Query<SqlType = C::SqlType>,
    {
        IsAmong(column, self)
    }
}

impl<C, Q> Expression for IsAmong<C, Q> {
    type SqlType = Bool;
}

// The query refers to no table but its own.
impl<C: AppearsOnTable<T>, Q, T> AppearsOnTable<T> for IsAmong<C, Q> {}
impl<C: SelectableExpression<T>, Q, T> SelectableExpression<T> for IsAmong<C, Q> {}

impl<C: ValidGrouping<G>, Q, G> ValidGrouping<G> for IsAmong<C, Q> {
    type IsAggregate = C::IsAggregate;
}

impl<C, Q> QueryId for IsAmong<C, Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: QueryFragment<Pg>, Q: QueryFragment<Pg>> QueryFragment<Pg> for IsAmong<C, Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" IN (");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyset(limit: i64, from: Option<i64>, backward: bool) -> Keyset<i64> {
        Keyset { limit, from: from.map(|value| (value, value)), backward }
    }

    #[test]
    fn one_row_too_many_means_another_page() {
        let slice = keyset(2, None, false).slice(vec![1, 2, 3]);
        assert_eq!(slice, Slice { rows: vec![1, 2], has_next: true, has_previous: false });
        let slice = keyset(2, Some(2), false).slice(vec![3, 4]);
        assert_eq!(slice, Slice { rows: vec![3, 4], has_next: false, has_previous: true });
    }

    #[test]
    fn backward_pages_come_in_the_lists_order() {
        let slice = keyset(2, Some(4), true).slice(vec![3, 2, 1]);
        assert_eq!(slice, Slice { rows: vec![2, 3], has_next: true, has_previous: true });
    }

    #[test]
    fn an_empty_page_points_nowhere() {
        assert_eq!(keyset(0, None, false).fetch(), 0);
        let slice = keyset(0, None, false).slice(Vec::<i64>::new());
        assert_eq!(slice, Slice { rows: vec![], has_next: false, has_previous: false });
    }
}
