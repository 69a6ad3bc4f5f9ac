//! Pages of a list: the query parameters, and the links between them.

use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::urls::Urls;
use crate::error::{Code, Error, Result, Violation};
use crate::lookups::cursor::{Cursor, Cursors};
use crate::lookups::page::{DEFAULT_LIMIT, Keyset, MAX_LIMIT, Slice};

/// Which page of a list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Most results of the page. 0 gives none.
    #[param(minimum = 0, maximum = 100, default = 20)]
    limit: Option<i64>,
    /// Where the page begins: the `next_cursor` or `previous_cursor` of another page of the same list.
    #[param(min_length = 1, max_length = 4096)]
    cursor: Option<String>,
}

/// The links of a page, ready for its envelope.
#[derive(Debug)]
pub struct Links {
    /// URL of the page that follows.
    pub next: Option<String>,
    /// URL of the page before.
    pub previous: Option<String>,
    /// The cursor in `next`.
    pub next_cursor: Option<String>,
    /// The cursor in `previous`.
    pub previous_cursor: Option<String>,
}

impl PageQuery {
    /// The rows to fetch. `list` names the list and its ordering; `value` reads a cursor's sort value.
    pub fn keyset<V>(
        &self,
        cursors: &Cursors,
        list: &str,
        value: impl FnOnce(&serde_json::Value) -> Option<V>,
    ) -> Result<Keyset<V>> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(0..=MAX_LIMIT).contains(&limit) {
            let violation = Violation::parameter("limit", "out_of_range", "`limit` goes from 0 to 100.")
                .with(json!({ "min": 0, "max": MAX_LIMIT }));
            return Err(Error::violation(Code::InvalidQuery, violation));
        }
        let Some(text) = &self.cursor else { return Ok(Keyset { limit, from: None, backward: false }) };
        let cursor = cursors.open(list, text);
        let from = cursor.as_ref().and_then(|cursor| Some((value(cursor.values.first()?)?, cursor.id)));
        match (cursor, from) {
            (Some(cursor), Some(from)) => Ok(Keyset { limit, from: Some(from), backward: cursor.backward }),
            _ => Err(Error::violation(
                Code::InvalidQuery,
                Violation::parameter(
                    "cursor",
                    "invalid_cursor",
                    "The cursor is not one of this list's pages.",
                ),
            )),
        }
    }

    /// The neighbours of a page. `key` tells a row's sort value and id.
    pub fn links<T>(
        &self,
        cursors: &Cursors,
        urls: &Urls,
        path: &str,
        list: &str,
        slice: &Slice<T>,
        key: impl Fn(&T) -> (serde_json::Value, i64),
    ) -> Links {
        let cursor = |row: Option<&T>, backward| {
            row.map(|row| {
                let (value, id) = key(row);
                cursors.seal(list, &Cursor { values: vec![value], id, backward })
            })
        };
        let next_cursor = cursor(slice.rows.last().filter(|_| slice.has_next), false);
        let previous_cursor = cursor(slice.rows.first().filter(|_| slice.has_previous), true);
        let url = |cursor: &Option<String>| {
            cursor.as_ref().map(|cursor| {
                let limit = self.limit.map(|limit| format!("limit={limit}&")).unwrap_or_default();
                urls.path(&format!("{path}?{limit}cursor={cursor}"))
            })
        };
        Links { next: url(&next_cursor), previous: url(&previous_cursor), next_cursor, previous_cursor }
    }
}

impl Links {
    /// The values of the `Link` header (RFC 8288).
    pub fn header(&self) -> Vec<String> {
        let link =
            |url: &Option<String>, relation| url.as_ref().map(|url| format!("<{url}>; rel=\"{relation}\""));
        [link(&self.next, "next"), link(&self.previous, "prev")].into_iter().flatten().collect()
    }
}

/// A cursor's sort value that is text.
pub fn text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A cursor's sort value that is a time, in microseconds since 1970.
pub fn time(value: &serde_json::Value) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(value.as_i64()?)
}
