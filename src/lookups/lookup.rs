//! How a field can be compared: Django's lookups, and the parts of a time.

use super::table::{Field, Kind};

/// A comparison, by Django's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Django's")]
pub enum Lookup {
    Exact,
    IExact,
    Contains,
    IContains,
    StartsWith,
    IStartsWith,
    EndsWith,
    IEndsWith,
    Regex,
    IRegex,
    In,
    IsNull,
    Gt,
    Gte,
    Lt,
    Lte,
    Range,
    All,
}

/// A part of a time, in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Django's")]
pub enum Part {
    Date,
    Year,
    IsoYear,
    Month,
    Day,
    Week,
    WeekDay,
    IsoWeekDay,
    Quarter,
    Time,
    Hour,
    Minute,
    Second,
}

use Lookup as L;
use Part as P;

const TEXT: &[Lookup] = &[
    L::Exact,
    L::IExact,
    L::Contains,
    L::IContains,
    L::StartsWith,
    L::IStartsWith,
    L::EndsWith,
    L::IEndsWith,
    L::Regex,
    L::IRegex,
    L::In,
    L::IsNull,
    L::Gt,
    L::Gte,
    L::Lt,
    L::Lte,
    L::Range,
];
const ORDERED: &[Lookup] = &[L::Exact, L::In, L::Gt, L::Gte, L::Lt, L::Lte, L::Range, L::IsNull];
const BOOLEAN: &[Lookup] = &[L::Exact];
/// The lookups of a part of a time.
const OF_PART: &[Lookup] = &[L::Exact, L::Gt, L::Gte, L::Lt, L::Lte, L::In, L::Range];
/// The lookups of a relation to one row.
const TO_ONE: &[Lookup] = &[L::Exact, L::In, L::IsNull];
/// The lookups of a relation to many rows.
const TO_MANY: &[Lookup] = &[L::Exact, L::In, L::All, L::IsNull];

/// Every part of a time.
pub const PARTS: &[Part] = &[
    P::Date,
    P::Year,
    P::IsoYear,
    P::Month,
    P::Day,
    P::Week,
    P::WeekDay,
    P::IsoWeekDay,
    P::Quarter,
    P::Time,
    P::Hour,
    P::Minute,
    P::Second,
];

impl Lookup {
    /// Return the name that clients use.
    pub const fn name(self) -> &'static str {
        match self {
            L::Exact => "exact",
            L::IExact => "iexact",
            L::Contains => "contains",
            L::IContains => "icontains",
            L::StartsWith => "startswith",
            L::IStartsWith => "istartswith",
            L::EndsWith => "endswith",
            L::IEndsWith => "iendswith",
            L::Regex => "regex",
            L::IRegex => "iregex",
            L::In => "in",
            L::IsNull => "isnull",
            L::Gt => "gt",
            L::Gte => "gte",
            L::Lt => "lt",
            L::Lte => "lte",
            L::Range => "range",
            L::All => "all",
        }
    }

    /// Return the lookups of a kind of field.
    pub const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Text | Kind::Ascii | Kind::Username => TEXT,
            Kind::Integer | Kind::Choice(_) | Kind::Time => ORDERED,
            Kind::Boolean => BOOLEAN,
        }
    }

    /// Return the lookups of a part of a time.
    pub const fn of_part() -> &'static [Self] {
        OF_PART
    }

    /// Return the lookups of a relation.
    pub const fn of_relation(is_to_one: bool) -> &'static [Self] {
        if is_to_one { TO_ONE } else { TO_MANY }
    }

    /// Return the lookups of a field that the OpenAPI document lists. The others work too, but only the documentation lists them:
    /// some generators cannot handle hundreds of parameters.
    pub fn offered(field: &Field) -> Vec<Self> {
        let mut offered = match field.kind {
            Kind::Text | Kind::Ascii | Kind::Username => {
                vec![L::Exact, L::IExact, L::Contains, L::IContains, L::StartsWith, L::IStartsWith, L::In]
            }
            Kind::Integer => vec![L::Exact, L::In, L::Gt, L::Gte, L::Lt, L::Lte],
            Kind::Choice(_) => vec![L::Exact, L::In],
            Kind::Time => vec![L::Gt, L::Gte, L::Lt, L::Lte, L::Range],
            Kind::Boolean => vec![L::Exact],
        };
        if field.is_nullable {
            offered.push(L::IsNull);
        }
        offered
    }
}

impl Part {
    /// Return the name that clients use.
    pub const fn name(self) -> &'static str {
        match self {
            P::Date => "date",
            P::Year => "year",
            P::IsoYear => "iso_year",
            P::Month => "month",
            P::Day => "day",
            P::Week => "week",
            P::WeekDay => "week_day",
            P::IsoWeekDay => "iso_week_day",
            P::Quarter => "quarter",
            P::Time => "time",
            P::Hour => "hour",
            P::Minute => "minute",
            P::Second => "second",
        }
    }
}
