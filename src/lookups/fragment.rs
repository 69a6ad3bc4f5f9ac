//! SQL as pieces: text that is part of this program, and values, which are always bound.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::expression::{TypedExpressionType, ValidGrouping, is_aggregate};
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Date, Text, Time, Timestamptz};
use diesel::{AppearsOnTable, Expression, QueryResult, RunQueryDsl, SelectableExpression};

/// Maximum number of statements of the query language that a connection keeps prepared. diesel prepares all statements or none,
/// and clients can write millions of different conditions: the statements beyond this number are sent unprepared, and planned
/// each time.
const MOST_SHAPES: usize = 256;

/// How many of these are reserved for statements without conditions, so that clients' conditions do not displace the plain pages.
const PLAIN_SHAPES: usize = 128;

/// A value as the database receives it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Bind {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Instant(DateTime<Utc>),
    Date(NaiveDate),
    Time(NaiveTime),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Booleans(Vec<bool>),
    Instants(Vec<DateTime<Utc>>),
    Dates(Vec<NaiveDate>),
    Times(Vec<NaiveTime>),
}

/// The name of a row within a statement: its table, or its number among the rows that the statement goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alias {
    /// The table's own name.
    Table(&'static str),
    /// `t1`, `t2`, …
    Numbered(u16),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Word(&'static str),
    Alias(Alias),
    Number(i64),
    Bind(Bind),
}

/// SQL under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fragment {
    pieces: Vec<Piece>,
    rows: u16,
}

impl Fragment {
    /// Append text that is part of this program.
    pub fn word(&mut self, word: &'static str) -> &mut Self {
        self.pieces.push(Piece::Word(word));
        self
    }

    /// Append a number that belongs to the text, such as a limit.
    pub fn number(&mut self, number: i64) -> &mut Self {
        self.pieces.push(Piece::Number(number));
        self
    }

    /// Append a value.
    pub fn bind(&mut self, value: Bind) -> &mut Self {
        self.pieces.push(Piece::Bind(value));
        self
    }

    /// Append a row's name.
    pub fn alias(&mut self, alias: Alias) -> &mut Self {
        self.pieces.push(Piece::Alias(alias));
        self
    }

    /// Append a column of a row.
    pub fn column(&mut self, alias: Alias, column: &'static str) -> &mut Self {
        self.alias(alias).word(".").word(column)
    }

    /// Return a name that no row of this statement has yet.
    pub fn fresh(&mut self) -> Alias {
        self.rows += 1;
        Alias::Numbered(self.rows)
    }

    /// Have another fragment continue the numbers of row names, so that no name is given twice. Call this on the other fragment
    /// to continue here after the names that it gave.
    pub fn lend_rows(&self, other: &mut Self) {
        other.rows = self.rows;
    }

    /// Append another fragment. Its row names must continue those of this one, or be used only within it.
    pub fn embed(&mut self, other: &Self) -> &mut Self {
        self.pieces.extend_from_slice(&other.pieces);
        self
    }

    /// Append items with a separator between them.
    pub fn join<T>(
        &mut self,
        between: &'static str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                self.word(between);
            }
            write(self, item);
        }
        self
    }

    /// Take what has been written so far, as an expression or a query of this SQL type.
    pub fn typed<T>(&mut self) -> Sql<T> {
        Sql { pieces: std::mem::take(&mut self.pieces).into(), is_prepared: true, kind: PhantomData }
    }

    /// Take what has been written so far, for a statement that is planned each time it runs.
    pub fn unprepared<T>(&mut self) -> Sql<T> {
        Sql { is_prepared: false, ..self.typed() }
    }

    /// Whether a statement that contains this may be prepared. `is_plain` says that it contains no client's conditions.
    pub fn is_admitted(&self, is_plain: bool) -> bool {
        SHAPES.lock().unwrap_or_else(PoisonError::into_inner).admit(self, is_plain)
    }
}

/// The statements that are prepared. There is one set for the process, so that none of its connections has more.
static SHAPES: LazyLock<Mutex<Shapes>> = LazyLock::new(Mutex::default);

#[derive(Debug, Default)]
struct Shapes {
    plain: HashSet<u64>,
    others: HashSet<u64>,
}

impl Shapes {
    fn admit(&mut self, fragment: &Fragment, is_plain: bool) -> bool {
        let (known, most) = if is_plain {
            (&mut self.plain, PLAIN_SHAPES)
        } else {
            (&mut self.others, MOST_SHAPES - PLAIN_SHAPES)
        };
        let shape = fragment.shape();
        known.contains(&shape) || (known.len() < most && known.insert(shape))
    }
}

impl Fragment {
    /// Return a hash of the text, in which values do not count.
    fn shape(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for piece in &self.pieces {
            std::mem::discriminant(piece).hash(&mut hasher);
            match piece {
                Piece::Word(word) => word.hash(&mut hasher),
                Piece::Alias(alias) => alias.hash(&mut hasher),
                Piece::Number(number) => number.hash(&mut hasher),
                Piece::Bind(value) => std::mem::discriminant(value).hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

/// SQL that diesel runs: an expression of type `T`, or a query of rows of that type.
#[derive(Clone, Debug)]
pub struct Sql<T> {
    pieces: Arc<[Piece]>,
    is_prepared: bool,
    kind: PhantomData<T>,
}

impl<T> QueryFragment<Pg> for Sql<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.is_prepared {
            out.unsafe_to_cache_prepared();
        }
        for piece in self.pieces.iter() {
            match piece {
                Piece::Word(word) => out.push_sql(word),
                Piece::Alias(Alias::Table(table)) => out.push_sql(table),
                Piece::Alias(Alias::Numbered(number)) => {
                    out.push_sql("t");
                    out.push_sql(&number.to_string());
                }
                Piece::Number(number) => out.push_sql(&number.to_string()),
                Piece::Bind(value) => value.walk_ast(out.reborrow())?,
            }
        }
        Ok(())
    }
}

impl Bind {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Self::Text(value) => out.push_bind_param::<Text, _>(value),
            Self::Integer(value) => out.push_bind_param::<BigInt, _>(value),
            Self::Boolean(value) => out.push_bind_param::<Bool, _>(value),
            Self::Instant(value) => out.push_bind_param::<Timestamptz, _>(value),
            Self::Date(value) => out.push_bind_param::<Date, _>(value),
            Self::Time(value) => out.push_bind_param::<Time, _>(value),
            Self::Texts(values) => out.push_bind_param::<Array<Text>, _>(values),
            Self::Integers(values) => out.push_bind_param::<Array<BigInt>, _>(values),
            Self::Booleans(values) => out.push_bind_param::<Array<Bool>, _>(values),
            Self::Instants(values) => out.push_bind_param::<Array<Timestamptz>, _>(values),
            Self::Dates(values) => out.push_bind_param::<Array<Date>, _>(values),
            Self::Times(values) => out.push_bind_param::<Array<Time>, _>(values),
        }
    }
}

impl<T> QueryId for Sql<T> {
    type QueryId = ();
    // Only the text distinguishes one from another.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: TypedExpressionType> Expression for Sql<T> {
    type SqlType = T;
}

// The code that writes the SQL must know which tables it refers to.
impl<T, Q> AppearsOnTable<Q> for Sql<T> where Self: Expression {}
impl<T, Q> SelectableExpression<Q> for Sql<T> where Self: Expression {}

impl<T, G> ValidGrouping<G> for Sql<T> {
    type IsAggregate = is_aggregate::Never;
}

impl<T> Query for Sql<T> {
    type SqlType = T;
}

impl<T> RunQueryDsl<PgConnection> for Sql<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(word: &'static str, value: i64) -> Fragment {
        let mut fragment = Fragment::default();
        fragment.word(word).bind(Bind::Integer(value));
        fragment
    }

    #[test]
    fn a_bounded_number_of_shapes_is_prepared() {
        let mut shapes = Shapes::default();
        let admitted = (0..1000)
            .filter(|number| {
                let mut fragment = Fragment::default();
                shapes.admit(fragment.number(*number), false)
            })
            .count();
        assert_eq!(admitted, MOST_SHAPES - PLAIN_SHAPES);
        // Values do not change a shape, an admitted shape stays admitted, and plain pages still find room.
        assert!(!shapes.admit(&shape("one", 1), false));
        assert!(shapes.admit(&shape("one", 1), true));
        assert!(shapes.admit(&shape("one", 2), true));
        let mut first = Fragment::default();
        assert!(shapes.admit(first.number(0), false));
    }

    #[test]
    fn values_are_bound() {
        let mut fragment = Fragment::default();
        let row = fragment.fresh();
        fragment.word("SELECT ").column(row, "title").word(" = ").bind(Bind::Text("'; DROP TABLE".into()));
        let sql = diesel::debug_query::<Pg, _>(&fragment.typed::<Bool>()).to_string();
        assert_eq!(sql, "SELECT t1.title = $1 -- binds: [\"'; DROP TABLE\"]");
    }
}
