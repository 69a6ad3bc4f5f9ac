//! Conditional requests (RFC 9110, section 13): entity tags of resources and lists, `If-None-Match`, `If-Match`.
//!
//! The tag of a resource is `"<version>-<digest>"`: the version of its row and a digest of the representation. Reads compare the
//! whole tag. Writes compare only the version, so that a new comment does not make an editor's save fail.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use bytes::Bytes;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Code, Error, Result, Violation};
use crate::models::idempotency_key::KeptAnswer;

/// Marks a response that repeats an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The representation of one row, serialised once, with its entity tag.
pub struct ResourceResponse {
    status: StatusCode,
    version: i64,
    bytes: Vec<u8>,
    location: Option<String>,
    is_replayed: bool,
}

impl ResourceResponse {
    /// Answer 200 with the representation of a row of this version.
    pub fn new(version: i64, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
        Ok(Self { status: StatusCode::OK, version, bytes, location: None, is_replayed: false })
    }

    /// Answer 201 with `Location`.
    #[must_use]
    pub fn created(self, location: String) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..self }
    }

    /// Answer 202.
    #[must_use]
    pub fn accepted(self) -> Self {
        Self { status: StatusCode::ACCEPTED, ..self }
    }

    /// Whether this is the answer to an earlier request.
    pub fn is_replayed(&self) -> bool {
        self.is_replayed
    }

    /// Return the answer in the form in which it is kept for a repeat of the request.
    pub fn keep(&self, digest: Vec<u8>) -> Result<KeptAnswer> {
        Ok(KeptAnswer {
            digest,
            status: i16::try_from(self.status.as_u16()).map_err(Error::internal)?,
            version: Some(self.version),
            location: self.location.clone(),
            body: self.bytes.clone(),
        })
    }

    /// Answer with a kept answer again.
    pub fn replay(kept: KeptAnswer) -> Result<Self> {
        let status = u16::try_from(kept.status).map_err(Error::internal)?;
        Ok(Self {
            status: StatusCode::from_u16(status).map_err(Error::internal)?,
            version: kept.version.ok_or_else(|| Error::internal("a stored response has no version"))?,
            bytes: kept.body,
            location: kept.location,
            is_replayed: true,
        })
    }
}

impl Responder for ResourceResponse {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let tag = format!("\"{}-{:032x}\"", self.version, xxh3_128(&self.bytes));
        if let Some(not_modified) = not_modified(request, &tag) {
            return not_modified;
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::ETAG, tag)).content_type("application/json");
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        if self.is_replayed {
            response.insert_header((REPLAYED, "true"));
        }
        response.body(self.bytes)
    }
}

/// A list, with a weak entity tag of its bytes and links to the neighbouring pages.
pub struct ListResponse {
    bytes: Bytes,
    links: Vec<String>,
}

impl ListResponse {
    /// Answer 200 with the list. `links` are the values of the `Link` header.
    pub fn new(body: &impl Serialize, links: Vec<String>) -> Result<Self> {
        // A page of posts with their covers is larger, so the buffer grows once or twice for it. Most other pages are smaller.
        let mut bytes = Vec::with_capacity(16 << 10);
        serde_json::to_writer(&mut bytes, body).map_err(Error::internal)?;
        Ok(Self { bytes: bytes.into(), links })
    }

    /// Answer 200 with JSON that has already been encoded.
    pub fn of_bytes(bytes: Bytes) -> Self {
        Self { bytes, links: Vec::new() }
    }
}

impl Responder for ListResponse {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let tag = format!("W/\"{:032x}\"", xxh3_128(&self.bytes));
        if let Some(not_modified) = not_modified(request, &tag) {
            return not_modified;
        }
        let mut response = HttpResponse::Ok();
        response.insert_header((header::ETAG, tag)).content_type("application/json");
        if !self.links.is_empty() {
            response.insert_header((header::LINK, self.links.join(", ")));
        }
        response.body(self.bytes)
    }
}

fn not_modified(request: &HttpRequest, tag: &str) -> Option<HttpResponse> {
    let matches =
        request.method() == Method::GET && matches_any(request.headers(), &header::IF_NONE_MATCH, tag);
    matches.then(|| HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish())
}

/// Whether a header such as `If-None-Match` names this tag, by weak comparison.
pub fn matches_any(headers: &HeaderMap, name: &HeaderName, tag: &str) -> bool {
    let opaque = opaque(tag);
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(tags)
        .any(|candidate| candidate == "*" || is_suffixed(self::opaque(candidate), opaque))
}

/// Whether this is the tag, possibly with a suffix: proxies that compress append to it, Apache `-gzip`, others `;br`.
fn is_suffixed(candidate: &str, tag: &str) -> bool {
    candidate.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ';', '+']))
}

fn tags(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|tag| !tag.is_empty())
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

/// The `If-Match` header of a request.
#[derive(Clone, Debug)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// 412 unless the row's current version is among those that the header names. Call this while the row is locked.
    pub fn check(&self, version: i64) -> Result<()> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let present = version.to_string();
        let matches = |tag: &String| tag == "*" || opaque(tag).split('-').next() == Some(present.as_str());
        if tags.iter().any(matches) {
            Ok(())
        } else {
            Err(Error::refused(Code::PreconditionFailed, "The resource has changed since you read it."))
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(header::IF_MATCH).peekable();
        if values.peek().is_none() {
            return ready(Ok(Self(None)));
        }
        let tags: Option<Vec<String>> = values
            .map(|value| value.to_str().ok().map(|text| tags(text).map(str::to_owned).collect::<Vec<_>>()))
            .try_fold(Vec::new(), |mut all, some| {
                all.extend(some?);
                Some(all)
            });
        ready(tags.map(|tags| Self(Some(tags))).ok_or_else(|| {
            let violation = Violation::parameter(
                "If-Match",
                "invalid_parameter",
                "The header must be a list of entity tags.",
            );
            Error::violation(Code::InvalidHeader, violation)
        }))
    }
}

/// Return a header value for a text that is known to be ASCII without control characters, such as a URL of this service.
pub fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(value: &str, tag: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        matches_any(&headers, &header::IF_NONE_MATCH, tag)
    }

    #[test]
    fn weakened_and_suffixed_tags_match() {
        for value in ["\"3-ab\"", "W/\"3-ab\"", "\"x\", \"3-ab\"", "*", "\"3-ab-gzip\"", "W/\"3-ab;br\""] {
            assert!(names(value, "\"3-ab\""), "{value}");
        }
        for value in ["\"3-abc\"", "\"4-ab\"", "\"\"", ""] {
            assert!(!names(value, "\"3-ab\""), "{value}");
        }
    }

    #[test]
    fn writers_compare_the_version_alone() {
        let check = |tags: &[&str]| IfMatch(Some(tags.iter().map(ToString::to_string).collect())).check(3);
        assert!(check(&["\"3-ab\""]).is_ok());
        assert!(check(&["W/\"3-cd-gzip\""]).is_ok());
        assert!(check(&["\"2-ab\"", "\"3-zz\""]).is_ok());
        assert!(check(&["*"]).is_ok());
        assert!(check(&["\"33-ab\""]).is_err());
        assert!(check(&["\"2-ab\""]).is_err());
        assert!(check(&[]).is_err());
        assert!(IfMatch(None).check(3).is_ok());
    }
}
