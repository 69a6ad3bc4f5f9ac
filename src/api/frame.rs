//! The outermost layer: what applies to every request, whatever its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BodyStream, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::{FutureExt, stream};

use super::operations::template;
use super::state::AppState;
use crate::context::Context;
use crate::error::{Code, Error};

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

/// Handle what every request has: the request id, the log line, the count, HEAD as GET, the headers of every response, and a
/// problem for every error response that came without one.
pub async fn frame<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let started = Instant::now();
    let context = Context::new(request.headers());
    let (id, span) = (Arc::clone(&context.request_id), context.span.clone());
    let method = request.method().clone();
    let route = Route::of(&request);
    request.extensions_mut().insert(route.clone());
    let class = Class::of(&route.path);
    let has_credentials = request.headers().contains_key(header::AUTHORIZATION);
    // Taken now, since the response may come with another request than this one.
    let app = request.app_data::<AppState>().cloned();
    simplify(&mut request);
    let answer = async {
        let response = next.call(request).await?;
        Ok::<_, actix_web::Error>(as_problem(response, &method))
    };
    let mut response = context.scope(answer).await?;

    if method == Method::HEAD {
        response = bodiless(response);
    }
    let status = response.status();
    let headers = response.headers_mut();
    // A request id has only characters that a header may contain.
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    class.set_caching(headers, status, has_credentials);
    weaken_etag_of_compressed(headers);
    let took = started.elapsed();
    span.in_scope(|| {
        let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        tracing::info!(%method, route = route.pattern.as_deref().unwrap_or("-"), status = status.as_u16(), ms, "answered");
    });
    if let Some(app) = app {
        app.metrics.requests.answered(route.pattern, &method, status, took);
    }
    Ok(response)
}

/// Remove from a request what the inner layers need not know about.
fn simplify(request: &mut ServiceRequest) {
    if *request.method() == Method::HEAD {
        // The HTTP/1 encoder remembers that the method was HEAD, and sends only the headers.
        request.head_mut().method = Method::GET;
        // Ranges are defined for GET only (RFC 9110, section 14.2).
        request.headers_mut().remove(header::RANGE);
    }
    if refuses_identity(request.headers()) {
        // RFC 9110, section 12.5.3: an uncompressed response is better than none.
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
}

/// The route of a request, found once for all layers: matching is the most expensive step of a layer.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path as actix routes it: `%61` is already `a`, so no spelling of a path bypasses a layer.
    pub path: String,
    /// The template of the path that matched, such as `/media/{key}`; `None` if none matched.
    pub pattern: Option<String>,
}

impl Route {
    fn of(request: &ServiceRequest) -> Self {
        let path = request.match_info().as_str().to_owned();
        let pattern = request.resource_map().match_pattern(&path).map(|pattern| {
            // Most patterns are templates already.
            if pattern.contains(':') { template(&pattern) } else { pattern }
        });
        Self { path, pattern }
    }
}

/// Replace error responses that libraries write in their own format: CORS for a preflight, Swagger UI for a file that it does not
/// have.
fn as_problem<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    method: &Method,
) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    let code = match status {
        _ if is_problem => return response.map_into_left_body(),
        StatusCode::BAD_REQUEST if *method == Method::OPTIONS => Code::OriginRefused,
        StatusCode::NOT_FOUND => Code::NotFound,
        _ if status.is_server_error() => Code::InternalError,
        _ => return response.map_into_left_body(),
    };
    let (request, _) = response.into_parts();
    let problem = Error::refused(code, code.entry().meaning).to_response();
    ServiceResponse::new(request, problem).map_into_right_body()
}

/// Drop the body of a response to HEAD if its length is unknown. No client receives it, and it may have no end.
fn bodiless<B: MessageBody + 'static>(
    response: ServiceResponse<EitherBody<B>>,
) -> ServiceResponse<EitherBody<B>> {
    if response.response().body().size() != BodySize::Stream {
        return response;
    }
    let nothing = BodyStream::new(stream::empty::<Result<Bytes, actix_web::Error>>());
    response.map_body(|_, _| EitherBody::right(nothing.boxed()))
}

/// Answer a panic in a handler like any other fault of the service, instead of closing the connection.
pub async fn contain_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    // The request moves into the handler, and actix forbids a second handle on it. The outer layers need a request to go with the
    // response; CORS reads the origin from it.
    let (method, origin) = (request.method().clone(), request.headers().get(header::ORIGIN).cloned());
    // The panic hook has logged the panic itself.
    if let Ok(result) = AssertUnwindSafe(next.call(request)).catch_unwind().await {
        return result.map(ServiceResponse::map_into_left_body);
    }
    let mut stand_in = TestRequest::default().method(method);
    if let Some(origin) = origin {
        stand_in = stand_in.insert_header((header::ORIGIN, origin));
    }
    let response = Error::internal("a handler panicked").to_response();
    Ok(ServiceResponse::new(stand_in.to_http_request(), response.map_into_right_body::<B>()))
}

fn refuses_identity(headers: &HeaderMap) -> bool {
    let refuses = |coding: &str| {
        let coding: String = coding.chars().filter(|c| !c.is_whitespace()).collect();
        let (name, weight) = coding.split_once(";q=").unwrap_or((&coding, "1"));
        matches!(name, "identity" | "*") && weight.parse() == Ok(0.0)
    };
    let values = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(refuses)
}

/// The rules of caching that apply to a path.
#[derive(Clone, Copy)]
enum Class {
    /// Tokens: never cached.
    Auth,
    /// Resources: cached, but revalidated.
    Api,
    /// Files, whose responses say themselves how long they may be cached. Error responses are not cached, since the next request
    /// may succeed.
    Media,
    /// Pages, which set what they need themselves.
    Other,
}

impl Class {
    fn of(path: &str) -> Self {
        if path.starts_with("/api/v1/auth/") {
            Self::Auth
        } else if path.starts_with("/api/") {
            Self::Api
        } else if path.starts_with("/media/") {
            Self::Media
        } else {
            Self::Other
        }
    }

    fn set_caching(self, headers: &mut HeaderMap, status: StatusCode, has_credentials: bool) {
        let value = match self {
            Self::Media => {
                if status.is_client_error() || status.is_server_error() {
                    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                }
                return;
            }
            Self::Auth => "no-store",
            Self::Api if has_credentials => "private, no-cache",
            Self::Api => "no-cache",
            Self::Other => return,
        };
        // A handler may have set it, as that of the avatar's redirect does.
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
        }
        // CORS may have added its own names.
        let values = headers.get_all(header::VARY).filter_map(|value| value.to_str().ok());
        let by_accept =
            values.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("accept"));
        let vary = if by_accept {
            "Accept, Authorization, Accept-Encoding, Origin"
        } else {
            "Authorization, Accept-Encoding, Origin"
        };
        headers.insert(header::VARY, HeaderValue::from_static(vary));
    }
}

/// Weaken the tag of a compressed response. The tag was made from the uncompressed bytes, so for what is sent it is a weak one
/// (RFC 9110, section 8.8.1).
fn weaken_etag_of_compressed(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    let weak = match headers.get(header::ETAG).map(HeaderValue::as_bytes) {
        Some(tag) if tag.starts_with(b"\"") => HeaderValue::from_bytes(&[b"W/", tag].concat()).ok(),
        _ => None,
    };
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
}
