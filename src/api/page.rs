//! Pages of a list, and the links between them.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{Array, SchemaType};
use utoipa::openapi::{Object, Ref, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::lookups::table::Resource;

/// A resource whose lists are divided into pages.
pub trait Paged: Serialize + ToSchema {
    /// The name of a page of the resource in the OpenAPI document.
    const PAGE: &'static str;
    /// The fields and relations by which a list of the resource can be queried.
    const RESOURCE: &'static Resource;
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// The results, in the order of the list.
    pub results: Vec<T>,
    /// URL of the next page.
    pub next: Option<String>,
    /// URL of the previous page.
    pub previous: Option<String>,
    /// Cursor of the next page.
    pub next_cursor: Option<String>,
    /// Cursor of the previous page.
    pub previous_cursor: Option<String>,
    /// Total number of results, if the request asks for it.
    pub count: Option<i64>,
}

impl<T> Page<T> {
    /// Return the values of the `Link` header (RFC 8288).
    pub fn links(&self) -> Vec<String> {
        let link =
            |url: &Option<String>, relation| url.as_ref().map(|url| format!("<{url}>; rel=\"{relation}\""));
        [link(&self.next, "next"), link(&self.previous, "prev")].into_iter().flatten().collect()
    }
}

/// Written by hand, since the derive would inline the items of a generic type, and generators would not have a name for them.
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
            .property("next", nullable(Type::String, "URL of the next page.", Some("uri")))
            .property("previous", nullable(Type::String, "URL of the previous page.", Some("uri")))
            .property("next_cursor", nullable(Type::String, "Cursor of the next page.", None))
            .property("previous_cursor", nullable(Type::String, "Cursor of the previous page.", None))
            .property(
                "count",
                nullable(
                    Type::Integer,
                    "Total number of results; `null` unless the request has `count`.",
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
