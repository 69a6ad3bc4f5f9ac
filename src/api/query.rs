//! Query strings, parsed so that a fault names the parameter. The gate has already checked that every name is known.

use crate::error::{Code, Error, Violation};

/// 400 for a parameter whose value cannot be used.
pub fn invalid(name: impl Into<String>, detail: impl Into<String>) -> Error {
    Error::violation(Code::InvalidQuery, Violation::parameter(name, "invalid_parameter", detail.into()))
}
