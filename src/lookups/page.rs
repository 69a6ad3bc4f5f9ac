//! Pages of a list.

use super::order::Place;

/// Rows of a page when none is asked for.
pub const DEFAULT_LIMIT: i64 = 20;
/// Most rows of a page.
pub const MAX_LIMIT: i64 = 100;
/// Most rows that can be left out before a page; what lies beyond is come to by cursor.
pub const MAX_OFFSET: i64 = 10_000;

/// The rows of a page, in the list's order, and where its neighbours begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The place of the last row, if a page follows.
    pub next: Option<Place>,
    /// The place of the first row, if a page precedes.
    pub previous: Option<Place>,
    /// How many there are in all, if that was asked for.
    pub count: Option<i64>,
}
