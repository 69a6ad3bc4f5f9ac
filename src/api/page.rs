//! Pages of a list, and the links between them.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{Array, SchemaType};
use utoipa::openapi::{Object, Ref, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::lookups::table::Resource;

/// A resource that comes in pages.
pub trait Paged: Serialize + ToSchema {
    /// What the document calls a page of it.
    const PAGE: &'static str;
    /// What can be asked of a list of it.
    const RESOURCE: &'static Resource;
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// In the list's order.
    pub results: Vec<T>,
    /// URL of the page that follows.
    pub next: Option<String>,
    /// URL of the page before.
    pub previous: Option<String>,
    /// The same page's cursor.
    pub next_cursor: Option<String>,
    /// The same page's cursor.
    pub previous_cursor: Option<String>,
    /// How many there are in all, where somebody asked.
    pub count: Option<i64>,
}

impl<T> Page<T> {
    /// The values of the `Link` header (RFC 8288).
    pub fn links(&self) -> Vec<String> {
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
