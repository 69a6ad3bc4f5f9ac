//! The gate of the API. It identifies the caller, and checks that the query string has only parameters that the operation knows.
//!
//! Both are decided from the OpenAPI document, before any handler runs. So a handler cannot forget to be strict, and the order of
//! errors (401 before 400) does not depend on the order in which actix polls a handler's extractors.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde_json::json;

use super::body;
use super::frame::Route;
use super::operations::Operation;
use super::state::AppState;
use crate::auth::{Caller, CurrentUser};
use crate::context;
use crate::error::{Code, Error, Result, Violation};
use crate::lookups::name::nearest;

/// Let a request pass, or answer it with an error response.
pub async fn gate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let is_api = request.extensions().get::<Route>().is_none_or(|route| route.path.starts_with("/api/"));
    if !is_api {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    match admit(&request).await {
        Ok(caller) => {
            let actor = caller.as_ref().map(|user| user.id);
            request.extensions_mut().insert(Caller(caller));
            context::acting_as(actor, next.call(request)).await.map(ServiceResponse::map_into_left_body)
        }
        Err(error) => {
            let (request, mut payload) = request.into_parts();
            body::drain(&mut payload, &error).await;
            Ok(ServiceResponse::new(request, error.to_response()).map_into_right_body())
        }
    }
}

async fn admit(request: &ServiceRequest) -> Result<Option<Arc<CurrentUser>>> {
    let app = AppState::of(request.request())?;
    let route = request.extensions().get::<Route>().cloned();
    let pattern = route.as_ref().and_then(|route| route.pattern.as_deref());
    let operation = pattern.and_then(|pattern| app.operations.find(pattern, request.method()));
    let caller = match bearer(request.request())? {
        Some(token) => Some(app.auth.cache.identify(token).await?),
        None => None,
    };
    if let Some(operation) = operation {
        if operation.needs_token && caller.is_none() {
            return Err(Error::refused(Code::AuthenticationRequired, "Send an access token."));
        }
        check_query(request.query_string(), operation)?;
    }
    Ok(caller)
}

/// Return the token of `Authorization: Bearer …`, if there is one. Any other content of that header is 401, and so are two of
/// these headers.
pub fn bearer(request: &HttpRequest) -> Result<Option<&str>> {
    let invalid = || {
        Error::refused(
            Code::AccessTokenInvalid,
            "Send exactly one header `Authorization: Bearer <access token>`.",
        )
    };
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(invalid());
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    Ok(Some(token))
}

/// Check the query string, and report every fault in one response: unknown names, names that are given twice, bytes that are not
/// text.
fn check_query(query: &str, operation: &Operation) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    let mut violations = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            let name = decode(name).unwrap_or_default();
            violations.push(Violation::parameter(
                name,
                "invalid_parameter",
                "The parameter must be valid UTF-8.",
            ));
            continue;
        };
        if value.contains('\0') || name.contains('\0') {
            violations.push(Violation::parameter(name, "null_character", "Text must not contain U+0000."));
        } else if operation.takes_conditions {
            // Any field may be named, and more than once.
        } else if !operation.parameters.contains(&name) {
            violations.push(unknown(&name, &operation.parameters));
        } else if seen.contains(&name) {
            violations.push(Violation::parameter(
                name,
                "duplicate_parameter",
                "The parameter must not occur more than once.",
            ));
        } else {
            seen.push(name);
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(Error::violations(Code::InvalidQuery, violations)) }
}

/// Decode `application/x-www-form-urlencoded` strictly: `None` for broken escapes and for bytes that are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn unknown(name: &str, known: &[String]) -> Violation {
    let nearest = nearest(name, known.iter().map(String::as_str));
    let detail = match (nearest, known) {
        (Some(nearest), _) => format!("There is no parameter `{name}`; did you mean `{nearest}`?"),
        (None, []) => format!("There is no parameter `{name}`; this operation has no parameters."),
        (None, known) => format!("There is no parameter `{name}`; you can use only {}.", known.join(", ")),
    };
    Violation::parameter(name, "unknown_parameter", detail).with(json!({ "nearest": nearest }))
}

/// Answer a request that matches no route: 405 with `Allow` if the path exists, otherwise 404. An attribute route of actix
/// answers a wrong method with the default service, which is this one.
pub async fn no_route(request: HttpRequest) -> Result<HttpResponse> {
    let app = AppState::of(&request)?;
    let route = request.extensions().get::<Route>().cloned();
    let allowed =
        route.and_then(|route| Some(app.operations.methods(route.pattern.as_deref()?))).unwrap_or_default();
    if allowed.is_empty() {
        return Err(Error::refused(Code::NotFound, "There is no resource at this path."));
    }
    let allow = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let error = Error::refused(Code::MethodNotAllowed, format!("This path supports only {allow}."));
    Err(match HeaderValue::from_str(&allow) {
        Ok(allow) => error.header(header::ALLOW, allow),
        Err(_) => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: &str) -> Vec<(String, String)> {
        let operation = Operation {
            needs_token: false,
            parameters: vec!["limit".into(), "cursor".into()],
            takes_conditions: false,
        };
        match check_query(query, &operation) {
            Err(Error::Refused(refusal)) => refusal
                .violations
                .into_iter()
                .map(|v| (v.parameter.unwrap_or_default(), v.code.into_owned()))
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_query_string_says_only_what_the_operation_knows() {
        assert_eq!(faults("limit=3&cursor=x"), []);
        assert_eq!(faults(""), []);
        assert_eq!(faults("limitt=3"), [("limitt".into(), "unknown_parameter".into())]);
        assert_eq!(faults("limit=3&limit=4"), [("limit".into(), "duplicate_parameter".into())]);
        assert_eq!(faults("cursor=%zz"), [("cursor".into(), "invalid_parameter".into())]);
        assert_eq!(faults("cursor=%ff"), [("cursor".into(), "invalid_parameter".into())]);
        assert_eq!(faults("cursor=%00"), [("cursor".into(), "null_character".into())]);
        assert_eq!(faults("a=1&b=2").len(), 2);
    }
}
