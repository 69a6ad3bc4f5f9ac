//! Reads a query string: a selection of rows, or everything that is wrong with it.

use chrono_tz::Tz;
use serde_json::json;

use super::condition::{self, ConditionError, Node, Raw};
use super::fault::{self, Fault, Refusal, hint};
use super::filter::Expression;
use super::name::{SEPARATOR, Unknown, nearest};
use super::order::{self, Ordering, TERMS_MAX};
use super::page::{DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET};
use super::table::{Reader, Resource};
use super::value::{self, NEEDS_USER, ValueError, Values};

/// Maximum number of conditions of a request.
pub const CONDITIONS_MAX: usize = 32;
/// The prefix of the name of a condition that must not hold.
pub const EXCLUDE: &str = "exclude__";
/// Maximum length of a search text, in characters.
pub const SEARCH_MAX: usize = 256;

/// The parameters of a list, apart from conditions.
const OF_LISTS: &[&str] = &["limit", "cursor", "offset", "count", "ordering", "filter", "tz"];
/// The parameters of a bulk change, apart from conditions.
const OF_BULK: &[&str] = &["all", "filter", "tz"];
const SEARCH: &str = "search";

/// What a query string is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// To return a page of a list.
    List,
    /// To change all rows that it selects.
    Bulk,
}

/// How the total number of rows is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly.
    Exact,
    /// As the planner estimates it, in a time that does not depend on the number.
    Estimated,
}

/// What a query string asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The condition that the rows must meet.
    pub node: Node,
    /// The words to search for.
    pub search: Option<String>,
    /// The order of the rows.
    pub ordering: Ordering,
    /// The time zone of parts of times.
    pub zone: Tz,
    /// Maximum number of rows.
    pub limit: i64,
    /// Number of rows to skip.
    pub offset: i64,
    /// Whether to count the rows, and how.
    pub count: Option<Count>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Regular expressions that the database must accept, each with its parameter.
    pub patterns: Vec<(String, String)>,
    /// Whether the request says nothing but the place of a page.
    pub is_plain: bool,
    /// Everything that a cursor depends on, whatever the order of the parameters.
    pub identity: String,
}

/// Reads a query string parameter by parameter, and collects what is wrong.
struct Parser<'a> {
    resource: &'static Resource,
    reader: &'a Reader,
    purpose: RequestKind,
    zone: Tz,
    request: Request,
    conditions: Vec<Node>,
    number: usize,
    seen: Vec<&'a str>,
    means_all: bool,
    is_private: bool,
    needs_user: bool,
    faults: Vec<Fault>,
}

impl Request {
    /// Return the request for all of a list.
    pub fn whole(resource: &'static Resource) -> Self {
        Self {
            node: Node::All(Vec::new()),
            search: None,
            ordering: Ordering::usual(resource),
            zone: Tz::UTC,
            limit: DEFAULT_LIMIT,
            offset: 0,
            count: None,
            cursor: None,
            patterns: Vec::new(),
            is_plain: true,
            identity: String::new(),
        }
    }

    /// Read the parameters of a query string.
    pub fn parse(
        resource: &'static Resource,
        parameters: &[(String, String)],
        reader: &Reader,
        purpose: RequestKind,
    ) -> Result<Self, Refusal> {
        let mut parser = Parser {
            resource,
            reader,
            purpose,
            zone: Tz::UTC,
            request: Self { is_plain: false, identity: identity(parameters), ..Self::whole(resource) },
            conditions: Vec::new(),
            number: 0,
            seen: Vec::new(),
            means_all: false,
            is_private: false,
            needs_user: false,
            faults: Vec::new(),
        };
        // Times are read in the time zone, so the time zone comes first.
        let (zones, others): (Vec<_>, Vec<_>) = parameters.iter().partition(|(name, _)| name == "tz");
        for (name, value) in zones.into_iter().chain(others) {
            parser.parameter(name, value);
        }
        parser.finish()
    }
}

/// Return the parameters that determine which rows there are, and in which order.
fn identity(parameters: &[(String, String)]) -> String {
    let mut parameters: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor" | "offset" | "count"))
        .collect();
    parameters.sort();
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

impl<'a> Parser<'a> {
    fn controls(&self) -> impl Iterator<Item = &'static str> {
        let own = match self.purpose {
            RequestKind::List => OF_LISTS,
            RequestKind::Bulk => OF_BULK,
        };
        own.iter().copied().chain(self.resource.document.map(|_| SEARCH))
    }

    fn values(&self) -> Values<'a> {
        Values { zone: self.zone, caller: self.reader.user.as_ref().map(|(_, name)| name.as_str()) }
    }

    fn parameter(&mut self, name: &'a str, value: &str) {
        if !self.controls().any(|control| control == name) {
            return self.condition(name, value);
        }
        if self.seen.contains(&name) {
            let fault = Fault::new(
                name,
                "duplicate_parameter",
                format!("`{name}` must not occur more than once."),
                json!({}),
            );
            return self.faults.push(fault);
        }
        self.seen.push(name);
        if let Err(refused) = self.control(name, value) {
            self.faults.push(Fault::refused(name, refused));
        }
    }

    fn control(&mut self, name: &str, text: &str) -> Result<(), ValueError> {
        match name {
            "limit" => self.request.limit = number(text, MAX_LIMIT)?,
            "offset" => self.request.offset = number(text, MAX_OFFSET)?,
            "cursor" => self.request.cursor = Some(text.to_owned()),
            "count" => {
                let count = value::choice(text, &["exact", "estimated"])?;
                self.request.count = Some(if count == "exact" { Count::Exact } else { Count::Estimated });
            }
            "tz" => self.zone = value::zone(text)?,
            "all" => self.means_all = value::boolean(text)?,
            SEARCH => {
                value::checked(text, SEARCH_MAX)?;
                if text.trim().is_empty() {
                    return Err(ValueError::new("must contain at least one word."));
                }
                self.request.search = Some(text.to_owned());
            }
            "ordering" => self.ordering(text),
            _ => self.filter(text),
        }
        Ok(())
    }

    fn ordering(&mut self, text: &str) {
        let fault = match Ordering::parse(self.resource, text) {
            Ok(ordering) => {
                self.is_private |= ordering.is_private;
                self.request.ordering = ordering;
                return;
            }
            Err(order::OrderError::Name(name, unknown)) => {
                let hint = hint(&unknown);
                let detail = format!("`ordering`: there is no field `{name}`{hint}");
                Fault::new("ordering", "unknown_field", detail, json!({ "nearest": unknown.nearest }))
            }
            Err(order::OrderError::NotSortable(name)) => {
                let detail = format!(
                    "`ordering`: the list cannot be sorted by `{name}`. Use its own fields or those of to-one relations."
                );
                Fault::new("ordering", "not_sortable", detail, json!({}))
            }
            Err(order::OrderError::TooMany) => {
                let detail = format!("`ordering` must have at most {TERMS_MAX} fields.");
                Fault::new("ordering", "too_many", detail, json!({ "max": TERMS_MAX }))
            }
        };
        self.faults.push(fault);
    }

    fn condition(&mut self, name: &str, value: &str) {
        let (is_excluded, field) = name.strip_prefix(EXCLUDE).map_or((false, name), |field| (true, field));
        let raw = Raw::One(value.to_owned());
        match condition::read(self.resource, field, &raw, self.values(), false) {
            Ok(read) => {
                let node = self.take(name, read);
                self.conditions.push(if is_excluded { Node::Not(Box::new(node)) } else { node });
            }
            Err(ConditionError::Value(ValueError { code: NEEDS_USER, .. })) => self.needs_user = true,
            Err(faulty) => {
                let fault = self.fault(name, field, faulty);
                self.faults.push(fault);
            }
        }
    }

    /// Count a condition, and record what it requires of the reader and of the database.
    fn take(&mut self, parameter: &str, read: condition::ParsedCondition) -> Node {
        self.number += 1;
        if self.number == CONDITIONS_MAX + 1 {
            let detail = format!("A request must have at most {CONDITIONS_MAX} conditions.");
            self.faults.push(Fault::new(parameter, "too_many", detail, json!({ "max": CONDITIONS_MAX })));
        }
        self.is_private |= read.is_private;
        self.request.patterns.extend(read.pattern.map(|pattern| (parameter.to_owned(), pattern)));
        read.node
    }

    fn fault(&self, parameter: &str, field: &str, faulty: ConditionError) -> Fault {
        match faulty {
            ConditionError::Name(unknown) => {
                let prefix = parameter.strip_suffix(field).unwrap_or_default();
                let unknown = if prefix.is_empty() { self.or_control(field, unknown) } else { unknown };
                let nearest = unknown.nearest.as_ref().map(|nearest| format!("{prefix}{nearest}"));
                let detail = match &nearest {
                    Some(nearest) => {
                        format!("There is no parameter `{parameter}`; did you mean `{nearest}`?")
                    }
                    None => format!("There is no parameter `{parameter}`: {}.", unknown.detail),
                };
                Fault::new(parameter, "unknown_parameter", detail, json!({ "nearest": nearest }))
            }
            ConditionError::Value(refused) => Fault::refused(parameter, refused),
            ConditionError::PartOverRelation => {
                let detail = format!(
                    "`{parameter}` compares a part of a time over a relation. Use it in `filter`, as in `{field}:…`."
                );
                Fault::new(parameter, "unknown_parameter", detail, json!({ "nearest": "filter" }))
            }
        }
    }

    /// Return the error for a name that may have been meant as a parameter instead of a condition.
    fn or_control(&self, name: &str, unknown: Unknown) -> Unknown {
        if name.contains(SEPARATOR) {
            return unknown;
        }
        let known = self.resource.fields.iter().map(|field| field.name);
        let known = known.chain(self.resource.relations.iter().map(|relation| relation.name));
        let nearest = nearest(name, known.chain(self.controls())).map(str::to_owned);
        Unknown { nearest, ..unknown }
    }

    fn filter(&mut self, text: &str) {
        match Expression::parse(text) {
            Ok(expression) => {
                let node = self.expression(&expression);
                // A separate group, as a second call of Django's `filter()` is.
                self.conditions.push(Node::Anew(Box::new(node)));
            }
            Err(error) => {
                let detail = format!("`filter`, character {}: {}", error.at + 1, error.detail);
                self.faults.push(Fault::new(
                    "filter",
                    "invalid_filter",
                    detail,
                    json!({ "position": error.at }),
                ));
            }
        }
    }

    fn expression(&mut self, expression: &Expression) -> Node {
        let condition = match expression {
            Expression::All(parts) => {
                return Node::All(parts.iter().map(|part| self.expression(part)).collect());
            }
            Expression::Any(parts) => {
                return Node::Any(parts.iter().map(|part| self.expression(part)).collect());
            }
            Expression::Not(inner) => return Node::Not(Box::new(self.expression(inner))),
            Expression::Condition(condition) => condition,
        };
        match condition::read(self.resource, &condition.name, &condition.value, self.values(), true) {
            Ok(read) => return self.take("filter", read),
            Err(ConditionError::Value(ValueError { code: NEEDS_USER, .. })) => self.needs_user = true,
            Err(faulty) => self.faults.push(fault::in_filter(condition, faulty)),
        }
        // Never used: the request is rejected.
        Node::All(Vec::new())
    }

    fn finish(mut self) -> Result<Request, Refusal> {
        if self.request.cursor.is_some() && self.request.offset > 0 {
            let detail = "`cursor` and `offset` must not be used together.";
            self.faults.push(Fault::new("offset", "invalid_parameter", detail, json!({})));
        }
        let has_conditions = !self.conditions.is_empty() || self.request.search.is_some();
        let is_unsaid = !has_conditions && !self.means_all && self.faults.is_empty();
        if self.purpose == RequestKind::Bulk && is_unsaid {
            let detail = "Select the rows with at least one condition, or with `all=true`.";
            self.faults.push(Fault::new("all", "required", detail, json!({})));
        }
        if (self.is_private || self.needs_user) && self.reader.user.is_none() {
            return Err(Refusal::Anonymous);
        }
        if !self.faults.is_empty() {
            return Err(Refusal::Faults(self.faults));
        }
        if self.is_private && !self.reader.is_staff {
            return Err(Refusal::Forbidden);
        }
        let mut request = self.request;
        if let (Some(search), Some(document), false) =
            (&request.search, self.resource.document, self.seen.contains(&"ordering"))
        {
            request.ordering = Ordering::by_relevance(self.resource, document, search);
        }
        request.is_plain = !has_conditions && !self.seen.contains(&"ordering");
        Ok(Request { node: Node::All(self.conditions), zone: self.zone, ..request })
    }
}

fn number(text: &str, max: i64) -> Result<i64, ValueError> {
    let number = value::integer(text)?;
    if (0..=max).contains(&number) {
        return Ok(number);
    }
    Err(ValueError::by("out_of_range", format!("must be from 0 to {max}."), json!({ "min": 0, "max": max })))
}
