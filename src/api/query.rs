//! Query strings, parsed so that a fault names the parameter. The gate has already checked that every name is known.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::error::{Code, Error, Result, Violation};

/// The query string as `T`. 400 `invalid_query`, which names the parameter, if one does not parse.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        ready(
            serde_path_to_error::deserialize(deserializer)
                .map(Self)
                .map_err(|error| unparsable(error.path().to_string(), &error.inner().to_string())),
        )
    }
}

/// 400 for a parameter that does not parse. It is always a boolean or a number, and serde would report it in the terms of Rust.
fn unparsable(name: String, words: &str) -> Error {
    let expected = if words.contains("`true` or `false`") { "`true` or `false`" } else { "a whole number" };
    let detail = format!("`{name}` must be {expected}.");
    invalid(name, detail)
}

/// 400 for a parameter whose value cannot be used.
pub fn invalid(name: impl Into<String>, detail: impl Into<String>) -> Error {
    Error::violation(Code::InvalidQuery, Violation::parameter(name, "invalid_parameter", detail.into()))
}
