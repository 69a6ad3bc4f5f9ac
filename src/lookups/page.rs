//! Pages of a list.

use super::order::Place;

/// Number of rows of a page if no limit is requested.
pub const DEFAULT_LIMIT: i64 = 20;
/// Maximum number of rows of a page.
pub const MAX_LIMIT: i64 = 100;
/// Maximum number of rows that can be skipped before a page. Rows beyond it are reached by cursor.
pub const MAX_OFFSET: i64 = 10_000;

/// The rows of a page, in the list's order, and where the neighbouring pages begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The place of the last row, if a page follows.
    pub next: Option<Place>,
    /// The place of the first row, if a page precedes.
    pub previous: Option<Place>,
    /// The total number of rows, if it was requested.
    pub count: Option<i64>,
}
