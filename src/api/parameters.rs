//! The query parameters of lists in the OpenAPI document, from the same tables as everything else that is said of them.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{Object, Required, Schema, SchemaFormat, Type};

use super::list::{Chosen, List};
use super::page::Paged;
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

impl<T: Paged> IntoParams for Chosen<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Whether all are meant, where no condition says which.";
        let all = parameter("all", about, Object::builder().schema_type(Type::Boolean));
        [all].into_iter().chain(of_rows(T::RESOURCE)).collect()
    }
}

/// Those that say which page of a list.
fn of_pages(resource: &Resource) -> Vec<Parameter> {
    let whole = |max: i64, default: i64| {
        let object =
            Object::builder().schema_type(Type::Integer).format(Some(SchemaFormat::Custom("int64".into())));
        object.minimum(Some(0)).maximum(Some(max)).default(Some(default.into()))
    };
    let text = |max| Object::builder().schema_type(Type::String).min_length(Some(1)).max_length(Some(max));
    let counts = text(16).enum_values(Some(["exact", "estimated"]));
    let ordering = format!(
        "Fields with commas between them, each with `-` before it to go down; `{}` where none is given. `id` ends it.",
        resource.ordering
    );
    vec![
        parameter("limit", "Most results of the page. 0 gives none.", whole(MAX_LIMIT, DEFAULT_LIMIT)),
        parameter(
            "cursor",
            "Where the page begins: the `next_cursor` or `previous_cursor` of another page of the same list.",
            text(16_384),
        ),
        parameter(
            "offset",
            "Results to leave out before the page, instead of `cursor`.",
            whole(MAX_OFFSET, 0),
        ),
        parameter("count", "Fill `count`: to the row, or as the database expects.", counts),
        parameter("ordering", &ordering, text(1000)),
    ]
}

/// Those that say which rows.
fn of_rows(resource: &'static Resource) -> Vec<Parameter> {
    let text = |max| Object::builder().schema_type(Type::String).min_length(Some(1)).max_length(Some(max));
    let first = resource.fields.first().map(|field| (field.name, two_of(field)));
    let (name, values) = first.unwrap_or_default();
    let filter = format!(
        "Any conditions as one expression, such as `{name}__in:[{values}] and not ({name}__isnull:true)`."
    );
    let mut parameters = vec![
        parameter("filter", &filter, text(FILTER_MAX)),
        parameter(
            "tz",
            "Time zone, by its IANA name, of times without one and of parts of times. UTC by default.",
            text(64),
        ),
    ];
    if resource.document.is_some() {
        let about = "Words to look for, as in a web search: `\"a phrase\"`, `or`, `-not`; `beginn*` finds what begins so.";
        parameters.push(parameter("search", about, text(SEARCH_MAX)));
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
    let about = format!("{}{staff}", said(lookup));
    let schema = match lookup {
        // Not an array: generators send its items one by one, whatever the document says, and each would be a condition.
        Lookup::In | Lookup::All | Lookup::Range => {
            let list = Object::builder().schema_type(Type::String).max_length(Some(LIST_MAX));
            let list = list.examples([two_of(field)]);
            if lookup == Lookup::In { list } else { list.min_length(Some(1)) }
        }
        Lookup::IsNull => Object::builder().schema_type(Type::Boolean),
        lookup => value(field, lookup),
    };
    parameter(name, &about, schema)
}

/// What a lookup finds.
fn said(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Exact => "Equal to this.",
        Lookup::IExact => "Equal to this, whatever the case.",
        Lookup::Contains => "Containing this.",
        Lookup::IContains => "Containing this, whatever the case.",
        Lookup::StartsWith => "Beginning with this.",
        Lookup::IStartsWith => "Beginning with this, whatever the case.",
        Lookup::EndsWith => "Ending with this.",
        Lookup::IEndsWith => "Ending with this, whatever the case.",
        Lookup::Regex => "Matching this regular expression of PostgreSQL.",
        Lookup::IRegex => "Matching this regular expression of PostgreSQL, whatever the case.",
        Lookup::In => "One of these, with commas between them.",
        Lookup::All => "Every one of these, with commas between them.",
        Lookup::Range => "From the first to the second, both included, with a comma between them.",
        Lookup::IsNull => "Whether there is none.",
        Lookup::Gt => "After this.",
        Lookup::Gte => "This, or after it.",
        Lookup::Lt => "Before this.",
        Lookup::Lte => "This, or before it.",
    }
}

/// Two values of a field, as a list has them.
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

/// One value of a field.
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

fn parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(Schema::Object(schema.build())))
        .build()
}
