//! Orderings by any columns, and where a page begins in one.

use super::comparison::ROOT;
use super::fragment::{Alias, Bind, Fragment};
use super::lookup::Lookup;
use super::name::{Name, Subject, Unknown};
use super::predicate::Writer;
use super::table::{Field, IndexHint, Kind, Relation, Resource};

/// Maximum number of terms of an ordering.
pub const TERMS_MAX: usize = 8;

/// An ordering in which no two rows tie, since it ends with the row's id.
#[derive(Clone, Debug)]
pub struct Ordering {
    terms: Vec<Term>,
    /// Whether only staff may use it.
    pub is_private: bool,
}

/// One column of an ordering.
#[derive(Clone, Debug)]
pub struct Term {
    by: SortKey,
    is_descending: bool,
}

#[derive(Clone, Debug)]
enum SortKey {
    /// A column of the row at the end of a path to one row.
    Field(Vec<&'static Relation>, &'static Field),
    /// How well the row matches a search.
    Relevance(&'static str, String),
    /// The row's own id.
    Id(&'static str),
}

/// Why an ordering is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// The name is unknown.
    Name(String, Unknown),
    /// The name may have many values, or is a comparison.
    NotSortable(String),
    /// There are more than [`TERMS_MAX`] terms.
    TooMany,
}

/// A place in an ordered list: a row's value of each term as text, or `None` where the column is null.
pub type Place = Vec<Option<String>>;

/// What a term sorts by, as SQL.
struct Column {
    sql: Fragment,
    cast: &'static str,
    is_nullable: bool,
    is_descending: bool,
}

impl Ordering {
    /// Parse an ordering such as `-rating,title`.
    pub fn parse(resource: &'static Resource, text: &str) -> Result<Self, OrderError> {
        let mut ordering = Self { terms: Vec::new(), is_private: false };
        for text in text.split(',') {
            if text.trim_start_matches('-').is_empty() {
                return Err(OrderError::NotSortable(text.to_owned()));
            }
            let (is_descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
            let known =
                Name::parse(resource, name).map_err(|unknown| OrderError::Name(name.into(), unknown))?;
            let is_sortable = known.path.iter().all(|relation| relation.is_to_one())
                && known.lookup == Lookup::Exact
                && !name.ends_with(Lookup::Exact.name());
            ordering.is_private |= known.is_private();
            let by = match known.subject {
                Subject::Field(field, None) if is_sortable => {
                    if known.path.is_empty() && field.column == resource.id {
                        SortKey::Id(resource.id)
                    } else {
                        SortKey::Field(known.path, field)
                    }
                }
                _ => return Err(OrderError::NotSortable(name.to_owned())),
            };
            ordering.terms.push(Term { by, is_descending });
            if ordering.terms.len() > TERMS_MAX {
                return Err(OrderError::TooMany);
            }
        }
        Ok(ordering.ending_with(resource.id))
    }

    /// Return the default ordering of a resource. Its table declares it as a client would write it.
    pub fn usual(resource: &'static Resource) -> Self {
        Self::parse(resource, resource.ordering).expect("a table is sorted by fields of its own")
    }

    /// Return the ordering by relevance to a search, with the best matches first.
    pub fn by_relevance(resource: &'static Resource, document: &'static str, search: &str) -> Self {
        let terms = vec![Term { by: SortKey::Relevance(document, search.to_owned()), is_descending: true }];
        Self { terms, is_private: false }.ending_with(resource.id)
    }

    /// End the ordering with the id: nothing after it can matter, and without it rows could tie.
    fn ending_with(mut self, id: &'static str) -> Self {
        if let Some(place) = self.terms.iter().position(|term| matches!(term.by, SortKey::Id(_))) {
            self.terms.truncate(place + 1);
        } else {
            let is_descending = self.terms.last().is_some_and(|term| term.is_descending);
            self.terms.push(Term { by: SortKey::Id(id), is_descending });
        }
        self
    }

    /// Return the column of the rows themselves that the ordering sorts by first.
    pub fn leading(&self) -> Option<&'static str> {
        match &self.terms.first()?.by {
            SortKey::Field(path, field) if path.is_empty() => Some(field.column),
            _ => None,
        }
    }

    /// Whether a place belongs to this ordering: it has a value for each term, or `None` where the term may be null.
    pub fn has(&self, place: &Place) -> bool {
        let fits = |(term, value): (&Term, &Option<String>)| value.is_some() || term.is_nullable();
        place.len() == self.terms.len() && self.terms.iter().zip(place).all(fits)
    }
}

impl Term {
    /// Whether the term may be null for a row.
    fn is_nullable(&self) -> bool {
        let SortKey::Field(path, field) = &self.by else { return false };
        field.is_nullable || !path.iter().all(|relation| relation.is_certain())
    }

    /// Return the column of the term for a row that already has a name. `stands_for` may know another column with the same
    /// values.
    fn column(
        &self,
        row: Alias,
        stands_for: impl Fn(&'static str) -> Option<(Alias, &'static str)>,
    ) -> Column {
        let mut sql = Fragment::default();
        let plain = |column| stands_for(column).unwrap_or((row, column));
        match &self.by {
            SortKey::Field(_, Field { column, .. }) | SortKey::Id(column) => {
                let (row, column) = plain(column);
                sql.column(row, column)
            }
            SortKey::Relevance(document, search) => sql
                .word("ts_rank(")
                .column(row, document)
                .word(", search_query(")
                .bind(Bind::Text(search.clone()))
                .word("))"),
        };
        self.finish(sql)
    }

    /// Return the column of the term, whose value `sql` computes.
    fn finish(&self, mut sql: Fragment) -> Column {
        let is_nullable = self.is_nullable();
        let cast = match &self.by {
            SortKey::Id(_) => "bigint",
            SortKey::Relevance(..) => "real",
            SortKey::Field(_, field) => match field.kind {
                Kind::Text | Kind::Ascii | Kind::Username | Kind::Choice(_) => "text",
                Kind::Integer => "bigint",
                Kind::Time => "timestamptz",
                Kind::Boolean => "boolean",
            },
        };
        if let SortKey::Field(_, Field { kind: Kind::Ascii, .. }) = self.by {
            let mut collated = Fragment::default();
            collated.word("(").embed(&sql).word(ROOT).word(")");
            sql = collated;
        }
        if let SortKey::Field(_, Field { index_hint: IndexHint::Long, .. }) = self.by {
            let mut beginning = Fragment::default();
            beginning.word("LEFT(").embed(&sql).word(", 256)");
            sql = beginning;
        }
        // Null sorts after every time, as if the time were infinite. So one comparison finds the next page in an index of this
        // expression.
        let is_endless = is_nullable && cast == "timestamptz";
        if is_endless {
            let mut filled = Fragment::default();
            filled.word("COALESCE(").embed(&sql).word(", 'infinity')");
            sql = filled;
        }
        Column { sql, cast, is_nullable: is_nullable && !is_endless, is_descending: self.is_descending }
    }
}

/// The columns of an ordering, within a statement whose rows have names.
pub struct Columns(Vec<Column>);

impl Writer<'_> {
    /// Join the rows that an ordering refers to. `stands_for` may know other columns for those of the resource's own row.
    pub fn join_ordering(
        &self,
        sql: &mut Fragment,
        ordering: &Ordering,
        stands_for: impl Fn(&'static str) -> Option<(Alias, &'static str)>,
    ) -> Columns {
        let columns = ordering.terms.iter().map(|term| {
            let SortKey::Field(path, _) = &term.by else {
                return term.column(self.root(), &stands_for);
            };
            if path.is_empty() {
                return term.column(self.root(), &stands_for);
            }
            let row = path.iter().fold(self.root(), |near, relation| {
                let far = sql.fresh();
                sql.word(if relation.is_certain() { " INNER JOIN " } else { " LEFT JOIN " });
                self.one(sql, near, relation, far, " ON ");
                far
            });
            term.column(row, |_| None)
        });
        Columns(columns.collect())
    }

    /// Return the columns for a statement with few rows that joins nothing: each step of a path is a subquery.
    pub fn ordering(&self, ordering: &Ordering) -> Columns {
        let columns = ordering.terms.iter().map(|term| match &term.by {
            SortKey::Field(path, field) if !path.is_empty() => {
                let mut sql = Fragment::default();
                self.reach(&mut sql, self.root(), path, field.column);
                term.finish(sql)
            }
            _ => term.column(self.root(), |_| None),
        });
        Columns(columns.collect())
    }

    fn reach(&self, sql: &mut Fragment, near: Alias, path: &[&'static Relation], column: &'static str) {
        let Some((relation, rest)) = path.split_first() else {
            sql.column(near, column);
            return;
        };
        let far = sql.fresh();
        sql.word("(SELECT ");
        self.reach(sql, far, rest, column);
        sql.word(" FROM ");
        self.one(sql, near, relation, far, " WHERE ");
        sql.word(")");
    }
}

impl Columns {
    /// Write the list of `ORDER BY`.
    pub fn list(&self, sql: &mut Fragment, is_backward: bool) {
        sql.join(", ", &self.0, |sql, column| {
            sql.embed(&column.sql).word(if column.goes_down(is_backward) { " DESC" } else { " ASC" });
        });
    }

    /// Write a row's place, as an array of text.
    pub fn place(&self, sql: &mut Fragment) {
        sql.word("ARRAY[").join(", ", &self.0, |sql, column| {
            sql.word("CAST(").embed(&column.sql).word(" AS text)");
        });
        sql.word("]");
    }

    /// Write the condition that a row comes after a place, or before it.
    pub fn after(&self, sql: &mut Fragment, place: &Place, is_backward: bool) {
        let goes_down = self.0.first().is_some_and(|column| column.goes_down(is_backward));
        let is_row = |column: &Column| !column.is_nullable && column.goes_down(is_backward) == goes_down;
        if self.0.iter().all(is_row) {
            // Compared as one row value, at which an index of these columns can begin.
            sql.word("(").join(", ", &self.0, |sql, column| {
                sql.embed(&column.sql);
            });
            sql.word(if goes_down { ") < (" } else { ") > (" });
            sql.join(", ", self.0.iter().zip(place), |sql, (column, value)| {
                column.value(sql, value.as_ref());
            });
            sql.word(")");
            return;
        }
        if let (Some(first), Some(value)) = (self.0.first(), place.first())
            && !first.is_nullable
        {
            // Implied by what follows, and where an index can begin.
            sql.embed(&first.sql).word(if goes_down { " <= " } else { " >= " });
            first.value(sql, value.as_ref());
            sql.word(" AND ");
        }
        let mut pairs = self.0.iter().zip(place).peekable();
        let mut depth = 0;
        while let Some((column, value)) = pairs.next() {
            sql.word("(");
            column.after(sql, value.as_ref(), is_backward);
            if pairs.peek().is_some() {
                sql.word(" OR (");
                column.equals(sql, value.as_ref());
                sql.word(" AND ");
                depth += 1;
            }
        }
        sql.word(")");
        for _ in 0..depth {
            sql.word("))");
        }
    }
}

impl Column {
    fn goes_down(&self, is_backward: bool) -> bool {
        self.is_descending != is_backward
    }

    /// Write a value of the column, from a place. [`Ordering::has`] rejects a place without a value where there must be one.
    fn value(&self, sql: &mut Fragment, value: Option<&String>) {
        sql.word("CAST(")
            .bind(Bind::Text(value.cloned().unwrap_or_default()))
            .word(" AS ")
            .word(self.cast)
            .word(")");
    }

    /// Write the condition that the column is strictly after a value in the direction of travel. Null is greater than every
    /// value.
    fn after(&self, sql: &mut Fragment, value: Option<&String>, is_backward: bool) {
        match (value, self.goes_down(is_backward)) {
            (None, false) => {
                sql.word("FALSE");
            }
            (None, true) => {
                sql.embed(&self.sql).word(" IS NOT NULL");
            }
            (Some(_), goes_down) => {
                sql.embed(&self.sql).word(if goes_down { " < " } else { " > " });
                self.value(sql, value);
                if self.is_nullable && !goes_down {
                    sql.word(" OR ").embed(&self.sql).word(" IS NULL");
                }
            }
        }
    }

    fn equals(&self, sql: &mut Fragment, value: Option<&String>) {
        if value.is_none() {
            sql.embed(&self.sql).word(" IS NULL");
        } else {
            sql.embed(&self.sql).word(" = ");
            self.value(sql, value);
        }
    }
}
