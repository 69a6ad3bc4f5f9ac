//! Pages of a list: the query parameters, and the links between them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Array, SchemaType};
use utoipa::openapi::{Object, Ref, RefOr, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::conditional::Listed;
use super::urls::{self, Urls};
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

/// A list: where it is, and what places its rows. Everything that a cursor must belong to.
#[derive(Debug)]
pub struct List {
    path: Cow<'static, str>,
    ordering: &'static str,
    filter: String,
}

/// A resource that comes in pages.
pub trait Paged: Serialize + ToSchema {
    /// What the document calls a page of it.
    const PAGE: &'static str;
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    results: Vec<T>,
    next: Option<String>,
    previous: Option<String>,
    next_cursor: Option<String>,
    previous_cursor: Option<String>,
    count: Option<i64>,
}

impl PageQuery {
    /// The rows to fetch. `value` reads a cursor's sort value.
    pub fn keyset<V>(
        &self,
        cursors: &Cursors,
        list: &List,
        value: impl FnOnce(&Value) -> Option<V>,
    ) -> Result<Keyset<V>> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(0..=MAX_LIMIT).contains(&limit) {
            let violation = Violation::parameter("limit", "out_of_range", "`limit` goes from 0 to 100.")
                .with(json!({ "min": 0, "max": MAX_LIMIT }));
            return Err(Error::violation(Code::InvalidQuery, violation));
        }
        let Some(text) = &self.cursor else { return Ok(Keyset { limit, from: None, backward: false }) };
        let cursor = cursors.open(&list.identity(), text);
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

    /// The answer: `show` makes a row's representation, `key` tells its sort value and id.
    pub fn page<R, T: Paged>(
        &self,
        cursors: &Cursors,
        urls: &Urls,
        list: &List,
        slice: Slice<R>,
        key: impl Fn(&R) -> (Value, i64),
        show: impl Fn(&R) -> T,
    ) -> Result<Listed> {
        let cursor = |row: Option<&R>, backward| {
            row.map(|row| {
                let (value, id) = key(row);
                cursors.seal(&list.identity(), &Cursor { values: vec![value], id, backward })
            })
        };
        let next_cursor = cursor(slice.rows.last().filter(|_| slice.has_next), false);
        let previous_cursor = cursor(slice.rows.first().filter(|_| slice.has_previous), true);
        let url = |cursor: &Option<String>| {
            cursor.as_ref().map(|cursor| {
                let limit = self.limit.map(|limit| format!("limit={limit}&")).unwrap_or_default();
                let filter = if list.filter.is_empty() { String::new() } else { format!("{}&", list.filter) };
                urls.path(&format!("{}?{filter}{limit}cursor={cursor}", list.path))
            })
        };
        let page = Page {
            results: slice.rows.iter().map(show).collect(),
            next: url(&next_cursor),
            previous: url(&previous_cursor),
            next_cursor,
            previous_cursor,
            count: None,
        };
        Listed::new(&page, page.links())
    }
}

impl List {
    /// The list at this path, whole, in this ordering.
    pub const fn new(path: &'static str, ordering: &'static str) -> Self {
        Self { path: Cow::Borrowed(path), ordering, filter: String::new() }
    }

    /// The list below a resource, such as a post's comments: `parent` and `name` are segments of its path.
    pub fn below(collection: &str, parent: &str, name: &str, ordering: &'static str) -> Self {
        let path = format!("/api/v1/{collection}/{}/{name}", urls::segment(parent));
        Self { path: Cow::Owned(path), ordering, filter: String::new() }
    }

    /// Only the rows that these query parameters leave; a page's links go on with them, and its cursors are good for them alone.
    #[must_use]
    pub fn filtered<'a>(self, parameters: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let filter = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        Self { filter, ..self }
    }

    fn identity(&self) -> String {
        format!("{} by {} of {}", self.path, self.ordering, self.filter)
    }
}

impl<T> Page<T> {
    /// The values of the `Link` header (RFC 8288).
    fn links(&self) -> Vec<String> {
        let link =
            |url: &Option<String>, relation| url.as_ref().map(|url| format!("<{url}>; rel=\"{relation}\""));
        [link(&self.next, "next"), link(&self.previous, "prev")].into_iter().flatten().collect()
    }
}

/// Written by hand, since the derive would inline the items of a generic type, and generators would name them after nothing.
impl<T: Paged> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let nullable = |kind, description: &str, format: Option<&str>| {
            Object::builder()
                .schema_type(SchemaType::from_iter([kind, Type::Null]))
                .format(format.map(|format| SchemaFormat::Custom(format.to_owned())))
                .description(Some(description))
        };
        let results = Array::builder()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("In the list's order."));
        Object::builder()
            .description(Some("A page of a list."))
            .property("results", results)
            .property("next", nullable(Type::String, "URL of the page that follows.", Some("uri")))
            .property("previous", nullable(Type::String, "URL of the page before.", Some("uri")))
            .property("next_cursor", nullable(Type::String, "Cursor of the page that follows.", None))
            .property("previous_cursor", nullable(Type::String, "Cursor of the page before.", None))
            .property(
                "count",
                nullable(
                    Type::Integer,
                    "How many there are in all; `null` where nobody asked.",
                    Some("int64"),
                ),
            )
            .required("results")
            .required("next")
            .required("previous")
            .required("next_cursor")
            .required("previous_cursor")
            .required("count")
            .into()
    }
}

impl<T: Paged> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        T::PAGE.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// A cursor's sort value that is text.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A cursor's sort value that is a time, in microseconds since 1970.
pub fn time(value: &Value) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp_micros(value.as_i64()?)
}
