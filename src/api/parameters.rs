//! The parameters that several operations share, as the OpenAPI document describes them. Those of lists are generated from the
//! same tables as everything else that is documented about lists.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{KnownFormat, Object, Required, Schema, SchemaFormat, Type};

use super::conditional::IfMatch;
use super::idempotency::IdempotencyKey;
use super::list::{BulkSelection, List};
use super::page::Paged;
use super::path::{DeliveryId, Id, LabelPath, SlugPath, UsernamePath};
use crate::lookups::filter::FILTER_MAX;
use crate::lookups::lookup::Lookup;
use crate::lookups::name::{Name, SEPARATOR};
use crate::lookups::page::{DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET};
use crate::lookups::request::SEARCH_MAX;
use crate::lookups::table::{Field, Kind, Resource};
use crate::lookups::value::{LIST_MAX, PATTERN_MAX, TEXT_MAX};

impl<T: Paged> IntoParams for List<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        of_pages(T::RESOURCE).into_iter().chain(of_rows(T::RESOURCE)).collect()
    }
}

impl<T: Paged> IntoParams for BulkSelection<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Must be `true` without a condition; selects all rows that you may change or delete.";
        let all = in_query("all", about, Object::builder().schema_type(Type::Boolean));
        [all].into_iter().chain(of_rows(T::RESOURCE)).collect()
    }
}

impl IntoParams for UsernamePath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![in_path("username", "The username, in any case, or `me`.", text())]
    }
}

impl IntoParams for SlugPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![in_path("slug", "The slug in the URL of the post or label.", text())]
    }
}

impl IntoParams for LabelPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![in_path("label", "Slug of the label.", text())]
    }
}

impl IntoParams for Id {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![in_path("id", "Id of the resource.", id())]
    }
}

impl IntoParams for DeliveryId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![in_path("delivery", "Id of the delivery.", id())]
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Apply the change only if the resource still has this ETag; otherwise 412.";
        vec![in_header("If-Match", about, text())]
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Makes the request safe to retry: repeats with the same key run once.";
        let key = text().min_length(Some(1)).max_length(Some(128)).pattern(Some("^[!-~]+$"));
        vec![in_header("Idempotency-Key", about, key)]
    }
}

fn text() -> ObjectBuilder {
    Object::builder().schema_type(Type::String)
}

fn id() -> ObjectBuilder {
    Object::builder().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}

fn in_path(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Path, Required::True, name, about, schema)
}

fn in_header(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Header, Required::False, name, about, schema)
}

fn in_query(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Query, Required::False, name, about, schema)
}

/// Return the parameters that select a page of a list.
fn of_pages(resource: &Resource) -> Vec<Parameter> {
    let whole = |max: i64, default: i64| {
        let object =
            Object::builder().schema_type(Type::Integer).format(Some(SchemaFormat::Custom("int64".into())));
        object.minimum(Some(0)).maximum(Some(max)).default(Some(default.into()))
    };
    let text = |max| Object::builder().schema_type(Type::String).min_length(Some(1)).max_length(Some(max));
    let counts = text(16).enum_values(Some(["exact", "estimated"]));
    let ordering = format!(
        "Comma-separated fields to sort by, descending with `-` before the field; `{}` by default. `id` comes last.",
        resource.ordering
    );
    vec![
        in_query(
            "limit",
            "Maximum number of results on the page. 0 returns none.",
            whole(MAX_LIMIT, DEFAULT_LIMIT),
        ),
        in_query(
            "cursor",
            "Start of the page: the `next_cursor` or `previous_cursor` of another page of the same list.",
            text(16_384),
        ),
        in_query(
            "offset",
            "Number of results to skip before the page, as an alternative to `cursor`.",
            whole(MAX_OFFSET, 0),
        ),
        in_query(
            "count",
            "How to fill `count`: `exact` counts every row, `estimated` may return an estimate of the database.",
            counts,
        ),
        in_query("ordering", &ordering, text(1000)),
    ]
}

/// Return the parameters that select rows.
fn of_rows(resource: &'static Resource) -> Vec<Parameter> {
    let text = |max| Object::builder().schema_type(Type::String).min_length(Some(1)).max_length(Some(max));
    let first = resource.fields.first().map(|field| (field.name, two_of(field)));
    let (name, values) = first.unwrap_or_default();
    let filter = format!(
        "Conditions as one expression, such as `{name}__in:[{values}] and not ({name}__isnull:true)`."
    );
    let mut parameters = vec![
        in_query("filter", &filter, text(FILTER_MAX)),
        in_query(
            "tz",
            "IANA name of the time zone for times without an offset and for parts of times. Default: UTC.",
            text(64),
        ),
    ];
    if resource.document.is_some() {
        let about = "Words to search for, as in a web search: `\"a phrase\"`, `or`, `-not`; `beginn*` matches any ending.";
        parameters.push(in_query("search", about, text(SEARCH_MAX)));
    }
    for field in resource.fields {
        for lookup in Lookup::offered(field) {
            let name = match lookup {
                Lookup::Exact => field.name.to_owned(),
                lookup => [field.name, lookup.name()].join(SEPARATOR),
            };
            parameters.push(condition(&name, field, lookup));
        }
    }
    for name in resource.offered {
        let known = Name::parse(resource, name).expect("every offered name means something");
        let field = known.field().expect("every offered name is a field's");
        parameters.push(condition(name, field, known.lookup));
    }
    parameters
}

fn condition(name: &str, field: &Field, lookup: Lookup) -> Parameter {
    let staff = if field.is_private { " Staff only." } else { "" };
    let about = format!("{}{staff}", describe(lookup));
    let schema = match lookup {
        // Not an array: generated clients send the items of an array one by one, whatever the document says, and each item would
        // be a separate condition.
        Lookup::In | Lookup::All | Lookup::Range => {
            let list = Object::builder().schema_type(Type::String).max_length(Some(LIST_MAX));
            let list = list.examples([two_of(field)]);
            if lookup == Lookup::In { list } else { list.min_length(Some(1)) }
        }
        Lookup::IsNull => Object::builder().schema_type(Type::Boolean),
        lookup => value(field, lookup),
    };
    in_query(name, &about, schema)
}

/// Describe the values that a lookup finds.
fn describe(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Exact => "Equal to this.",
        Lookup::IExact => "Equal to this, ignoring case.",
        Lookup::Contains => "Contains this text.",
        Lookup::IContains => "Contains this text, ignoring case.",
        Lookup::StartsWith => "Starts with this text.",
        Lookup::IStartsWith => "Starts with this text, ignoring case.",
        Lookup::EndsWith => "Ends with this text.",
        Lookup::IEndsWith => "Ends with this text, ignoring case.",
        Lookup::Regex => "Matches this PostgreSQL regular expression.",
        Lookup::IRegex => "Matches this PostgreSQL regular expression, ignoring case.",
        Lookup::In => "Equal to one of these comma-separated values.",
        Lookup::All => "Has all of these comma-separated values.",
        Lookup::Range => "Between these two comma-separated values, both included.",
        Lookup::IsNull => "Whether there is no value.",
        Lookup::Gt => "Greater than this value.",
        Lookup::Gte => "Greater than or equal to this value.",
        Lookup::Lt => "Less than this value.",
        Lookup::Lte => "Less than or equal to this value.",
    }
}

/// Return two example values of a field, separated by a comma.
fn two_of(field: &Field) -> String {
    match field.kind {
        Kind::Text | Kind::Ascii => "one,another".into(),
        Kind::Username => "ana,bob".into(),
        Kind::Integer => "4,5".into(),
        Kind::Choice(choices) => choices.iter().take(2).copied().collect::<Vec<_>>().join(","),
        Kind::Time => "2026-01-01T00:00:00Z,2026-01-31T23:59:59Z".into(),
        Kind::Boolean => "true,false".into(),
    }
}

/// Return the schema of one value of a field.
fn value(field: &Field, lookup: Lookup) -> ObjectBuilder {
    let object = Object::builder();
    let of_format = |kind, format: &str| {
        Object::builder().schema_type(kind).format(Some(SchemaFormat::Custom(format.to_owned())))
    };
    match field.kind {
        Kind::Text | Kind::Ascii | Kind::Username => {
            let is_pattern = matches!(lookup, Lookup::Regex | Lookup::IRegex);
            let max = if is_pattern { PATTERN_MAX } else { TEXT_MAX };
            object.schema_type(Type::String).max_length(Some(max))
        }
        Kind::Integer => of_format(Type::Integer, "int64"),
        Kind::Choice(choices) => object.schema_type(Type::String).enum_values(Some(choices.iter().copied())),
        Kind::Time => of_format(Type::String, "date-time"),
        Kind::Boolean => object.schema_type(Type::Boolean),
    }
}

fn parameter(
    place: ParameterIn,
    required: Required,
    name: &str,
    about: &str,
    schema: ObjectBuilder,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(Schema::Object(schema.build())))
        .build()
}
