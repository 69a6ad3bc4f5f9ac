//! What a selection asks of the database: whether it accepts what only it can check, how many rows there are, and a page of them.

use std::time::Instant;

use chrono_tz::Tz;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Bool, Json, Nullable, Text};
use diesel::{Connection, QueryResult, RunQueryDsl};
use serde_json::Value;

use super::fragment::{Bind, Fragment};
use super::order::Place;
use super::page::Slice;
use super::request::Count;
use super::rows::Rows;
use super::selection::Selection;

/// The cost in the planner's units (about a page read each) below which the rows are counted although an estimate was requested.
const CHEAP: f64 = 5_000.0;

/// Number of rows up to which an estimate counts instead of guessing, if a guess could reveal too much.
const COUNTED: i64 = 10_000;

impl Selection {
    /// Whether the selection takes several statements that may each take long. They then share the time of one.
    pub fn is_heavy(&self) -> bool {
        self.request.count.is_some() || !self.request.patterns.is_empty() || self.request.zone != Tz::UTC
    }

    /// Give the next statement of the transaction no more time than is left.
    fn limit_statement_time(&self, conn: &mut PgConnection) -> QueryResult<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        conn.batch_execute(&format!("SET LOCAL statement_timeout = {left}"))
    }

    /// Whether the database server knows the time zone, too: its list may be older than the program's.
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

    /// Return the first regular expression that the database does not accept: its parameter, and what the database says about it.
    pub fn complaint(&self, conn: &mut PgConnection) -> QueryResult<Option<(&str, String)>> {
        let patterns = &self.request.patterns;
        self.limit_statement_time(conn)?;
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

    /// Return the page: `load` returns the rows in their order, each with its place.
    ///
    /// A page is one statement if that is prepared. If it is planned for its values, the ids are found first and the rest is read
    /// by them: planning the query for the ids takes a fraction of the time that planning the whole takes, and the rest is
    /// prepared.
    pub fn slice<R, T: From<R>>(
        &self,
        conn: &mut PgConnection,
        load: impl FnOnce(&mut PgConnection, &Rows<'_>) -> QueryResult<Vec<(R, Place)>>,
    ) -> QueryResult<Slice<T>> {
        let count = self.count(conn)?;
        self.limit_statement_time(conn)?;
        if self.request.limit == 0 {
            return Ok(self.cut(Vec::<(R, Place)>::new(), 0, count));
        }
        let page = self.rows();
        if page.query().is_some_and(|query| self.is_prepared(query)) {
            let rows = load(conn, &page)?;
            let fetched = rows.len();
            return Ok(self.cut(rows, fetched, count));
        }
        let mut sql = Fragment::default();
        self.page(&mut sql, true);
        let found: Vec<(i64, Place)> = sql.unprepared::<(BigInt, Array<Nullable<Text>>)>().load(conn)?;
        if found.is_empty() {
            return Ok(self.cut(Vec::<(R, Place)>::new(), 0, count));
        }
        let rows = load(conn, &self.found(found.iter().map(|(id, _)| *id).collect()))?;
        let place_of = |id: &Place| {
            let id: i64 = id.first()?.as_ref()?.parse().ok()?;
            found.iter().find(|(found, _)| *found == id).map(|(_, place)| place.clone())
        };
        let unasked =
            || Error::DeserializationError("the query returned a row that was not requested".into());
        let placed = |(row, id): (R, Place)| Ok((row, place_of(&id).ok_or_else(unasked)?));
        let rows = rows.into_iter().map(placed).collect::<QueryResult<_>>()?;
        Ok(self.cut(rows, found.len(), count))
    }

    /// Whether a statement is prepared. It is not if the best plan depends on what is searched for, as with patterns and words: a
    /// plan for any of them would read every row for a rare one.
    fn is_prepared(&self, sql: &Fragment) -> bool {
        self.request.search.is_none()
            && !self.request.node.is_of_patterns()
            && sql.is_admitted(self.request.is_plain)
    }

    /// Make a page of the rows that were fetched in the direction of travel.
    fn cut<R, T: From<R>>(&self, mut rows: Vec<(R, Place)>, fetched: usize, count: Option<i64>) -> Slice<T> {
        // A limit that is negative or too large was rejected when the request was read.
        let limit = usize::try_from(self.request.limit).unwrap_or(0);
        let more = fetched > limit;
        rows.truncate(limit);
        let (has_next, has_previous) = if self.is_backward() {
            rows.reverse();
            // The page that the client came back from lies ahead.
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
        self.limit_statement_time(conn)?;
        if count == Count::Exact {
            return self.count_up_to(conn, None).map(Some);
        }
        // The planner's statistics cover all rows. What the planner makes of conditions on text would reveal something about
        // texts that the reader may not read, so if there are few rows, they are counted.
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

/// Return the database's objection to one of these regular expressions, if it has one. All are checked in one statement, so that
/// together they take no longer than one statement may.
fn complaint<'p>(
    conn: &mut PgConnection,
    patterns: impl IntoIterator<Item = &'p String>,
) -> QueryResult<Option<String>> {
    let patterns = patterns.into_iter().cloned().collect();
    let mut sql = Fragment::default();
    sql.word("SELECT count(*) FILTER (WHERE '' ~ pattern) FROM unnest(").bind(Bind::Texts(patterns));
    sql.word(") AS pattern");
    let query = sql.typed::<BigInt>();
    // In a savepoint, since the transaction continues.
    match conn.transaction(|conn| query.get_result::<i64>(conn)) {
        Ok(_) => Ok(None),
        Err(Error::DatabaseError(_, info)) if info.message().starts_with("invalid regular expression") => {
            Ok(Some(info.message().to_owned()))
        }
        Err(error) => Err(error),
    }
}
