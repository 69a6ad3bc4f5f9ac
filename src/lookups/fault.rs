//! The faults of a query string.

use serde_json::{Value, json};

use super::condition::ConditionError;
use super::filter::Condition;
use super::name::Unknown;
use super::value::ValueError;

/// One fault of a query string.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The parameter.
    pub parameter: String,
    /// The code of the rule that is broken.
    pub code: &'static str,
    /// An explanation for people.
    pub detail: String,
    /// The values of the rule, such as a maximum.
    pub params: Value,
}

/// Why a query string is rejected.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It asks for something that requires authentication.
    Anonymous,
    /// It has faults.
    Faults(Vec<Fault>),
    /// It asks for something that only staff may ask.
    Forbidden,
}

impl Fault {
    /// Create a fault by this rule.
    pub fn new(parameter: &str, code: &'static str, detail: impl Into<String>, params: Value) -> Self {
        Self { parameter: parameter.to_owned(), code, detail: detail.into(), params }
    }

    /// Create the fault of a parameter's value.
    pub fn refused(parameter: &str, refused: ValueError) -> Self {
        let ValueError { code, detail, params } = refused;
        Self::new(parameter, code, format!("`{parameter}` {detail}"), params)
    }
}

/// Return the fault of a condition in a filter, with its position.
pub fn in_filter(condition: &Condition, faulty: ConditionError) -> Fault {
    let name = &condition.name;
    let (at, code, detail, mut params) = match faulty {
        ConditionError::Name(unknown) => {
            let detail = format!("there is no condition `{name}`{}", hint(&unknown));
            (condition.name_at, "unknown_field", detail, json!({ "nearest": unknown.nearest }))
        }
        ConditionError::Value(ValueError { code, detail, params }) => {
            (condition.value_at, code, format!("`{name}` {detail}"), params)
        }
        ConditionError::PartOverRelation => {
            let detail = format!("`{name}` can be used only in `filter`.");
            (condition.name_at, "unknown_field", detail, json!({}))
        }
    };
    params["position"] = at.into();
    Fault::new("filter", code, format!("`filter`, character {}: {detail}", at + 1), params)
}

/// Return a sentence that says what may have been meant.
pub fn hint(unknown: &Unknown) -> String {
    match &unknown.nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!(": {}.", unknown.detail),
    }
}
