//! What is wrong with a query string.

use serde_json::{Value, json};

use super::condition::Faulty;
use super::filter::Condition;
use super::name::Unknown;
use super::value::Refused;

/// One thing that is wrong with a query string.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which parameter.
    pub parameter: String,
    /// Which rule.
    pub code: &'static str,
    /// The same for people.
    pub detail: String,
    /// The rule's numbers.
    pub params: Value,
}

/// Why a query string is not answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It asks what only those may who are known.
    Anonymous,
    /// It cannot be read.
    Faults(Vec<Fault>),
    /// It asks what only staff may.
    Forbidden,
}

impl Fault {
    /// By this rule.
    pub fn new(parameter: &str, code: &'static str, detail: impl Into<String>, params: Value) -> Self {
        Self { parameter: parameter.to_owned(), code, detail: detail.into(), params }
    }

    /// Of a value.
    pub fn refused(parameter: &str, refused: Refused) -> Self {
        let Refused { code, detail, params } = refused;
        Self::new(parameter, code, format!("`{parameter}`: {detail}"), params)
    }
}

/// What is wrong with a condition of a filter, with its place.
pub fn in_filter(condition: &Condition, faulty: Faulty) -> Fault {
    let name = &condition.name;
    let (at, code, detail, mut params) = match faulty {
        Faulty::Name(unknown) => {
            let detail = format!("there is no condition `{name}`.{}", hint(&unknown));
            (condition.name_at, "unknown_field", detail, json!({ "nearest": unknown.nearest }))
        }
        Faulty::Value(Refused { code, detail, params }) => {
            (condition.value_at, code, format!("`{name}`: {detail}"), params)
        }
        Faulty::PartOverRelation => {
            let detail = format!("`{name}` is asked for in a filter only.");
            (condition.name_at, "unknown_field", detail, json!({}))
        }
    };
    params["position"] = at.into();
    Fault::new("filter", code, format!("`filter`, character {}: {detail}", at + 1), params)
}

/// What may have been meant, as a sentence.
pub fn hint(unknown: &Unknown) -> String {
    match &unknown.nearest {
        Some(nearest) => format!(" Did you mean `{nearest}`?"),
        None => format!(" In other words, {}.", unknown.detail),
    }
}
