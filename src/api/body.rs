//! Request bodies: read within limits of size and rate, and parsed so that a fault is reported with its place.

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::{Future, Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use super::limits::{BodyLimits, size};
use super::state::AppState;
use crate::error::{Code, Error, Result, Violation};

/// A JSON body. It is known to be JSON. Only [`Body::get`] reports whether it has the right shape, since 422 comes after 404, 403
/// and 412.
pub struct Body<T> {
    shaped: Result<T>,
    bytes: Bytes,
}

impl<T> Body<T> {
    /// Return a canonical form: bodies with the same value have the same bytes, regardless of the order of fields and of white
    /// space between them.
    pub fn canonical(&self) -> Vec<u8> {
        // serde_json keeps the fields of an object sorted by their names. A body that it cannot represent, because a number is
        // out of range, is compared byte by byte.
        let value: Option<serde_json::Value> = serde_json::from_slice(&self.bytes).ok();
        value.and_then(|value| serde_json::to_vec(&value).ok()).unwrap_or_else(|| self.bytes.to_vec())
    }

    /// Return the object, or 422 with the first wrong type or unknown field. Its `validate` then reports every field that is
    /// missing or breaks a rule, all in one response.
    pub fn get(self) -> Result<T> {
        self.shaped
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let result = match expect_json(&request) {
                Ok(()) => read(&request, &mut payload).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(bytes) => match parse(&bytes) {
                    Err(error) if error.code() != Code::ValidationFailed => Err(error),
                    shaped => Ok(Self { shaped, bytes }),
                },
                Err(error) => {
                    drain(&mut payload, &error).await;
                    Err(error)
                }
            }
        })
    }
}

/// A JSON body that may be left out.
pub struct OptionalBody<T>(Option<Body<T>>);

impl<T> OptionalBody<T> {
    /// Return the object as [`Body::get`] does; `None` if there was no body.
    pub fn get(self) -> Result<Option<T>> {
        self.0.map(Body::get).transpose()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for OptionalBody<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Not decided by the content type, which many clients send without a body.
        let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
            || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        let body = has_body.then(|| Body::<T>::from_request(request, payload));
        Box::pin(async move {
            Ok(Self(match body {
                Some(body) => Some(body.await?),
                None => None,
            }))
        })
    }
}

fn expect_json(request: &HttpRequest) -> Result<()> {
    let accepted = match request.mime_type() {
        Ok(Some(mime)) => {
            let is_utf8 = mime.get_param("charset").is_none_or(|charset| charset == "utf-8");
            mime.essence_str() == "application/json" && is_utf8
        }
        _ => false,
    };
    if accepted {
        Ok(())
    } else {
        Err(Error::refused(Code::UnsupportedMediaType, "Send the body as `application/json`."))
    }
}

async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Bytes> {
    let limits = AppState::of(request)?.body_limits;
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > limits.json) {
        return Err(too_large(limits.json));
    }
    let mut paced = Paced::new(payload, limits, limits.json);
    let mut bytes = BytesMut::with_capacity(declared.unwrap_or(0));
    while let Some(chunk) = paced.next_chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Parse a body. 400 if it is not JSON; 422 with a pointer to the first fault if it is JSON of another shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // Parse it as any JSON first, since serde would report a wrong type before it reaches a syntax error.
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| {
        Error::refused(Code::MalformedBody, format!("The body is not valid JSON: {error}."))
    })?;
    std::str::from_utf8(bytes)
        .map_err(|_| Error::refused(Code::MalformedBody, "The body must be valid UTF-8."))?;
    // serde would accept an array for a struct, field by field.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::invalid(Violation::body("", "invalid_type", "The body must be a JSON object.")));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        let message = error.inner().to_string();
        let message = message
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .replace("expected i64", "expected a whole number");
        let code = if message.starts_with("unknown field") {
            "unknown_member"
        } else if message.starts_with("duplicate field") {
            return Error::refused(
                Code::MalformedBody,
                format!("The body contains a field twice: {message}."),
            );
        } else if message.starts_with("lone ") || message.starts_with("unexpected end of hex escape") {
            // A lone surrogate: valid JSON by the grammar, but not text.
            return Error::refused(
                Code::MalformedBody,
                format!("The body contains a string that is not valid Unicode: {message}."),
            );
        } else {
            "invalid_type"
        };
        Error::invalid(Violation::body(pointer, code, sentence(&message)))
    })
}

fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Return a path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A body that must keep a minimum rate.
pub struct Paced<'a> {
    payload: &'a mut Payload,
    limits: BodyLimits,
    most: usize,
    received: usize,
    /// How long the client may be silent. Each chunk adds to this time, but never beyond the grace period, so that a body that is
    /// fast at first cannot then be slow for hours.
    credit: Duration,
}

impl<'a> Paced<'a> {
    /// Read a body of at most `most` bytes.
    pub fn new(payload: &'a mut Payload, limits: BodyLimits, most: usize) -> Self {
        Self { payload, limits, most, received: 0, credit: limits.grace }
    }

    /// Return the next chunk; `None` at the end. 408 if the body is too slow, 413 if it is too large, 400 if it breaks off.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let asked = Instant::now();
        match tokio::time::timeout(self.credit, self.payload.next()).await {
            Err(_) => Err(Error::refused(Code::RequestTimeout, "The body arrived too slowly.")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => {
                self.received += chunk.len();
                let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
                let earned = Duration::from_secs_f64(f64::from(length) / f64::from(self.limits.least_rate));
                self.credit = (self.credit.saturating_sub(asked.elapsed()) + earned).min(self.limits.grace);
                if self.received > self.most { Err(too_large(self.most)) } else { Ok(Some(chunk)) }
            }
            Ok(Some(Err(error))) => Err(broken_off(&error)),
        }
    }

    /// Return the chunks as a stream, for the multipart parser. An error response is passed through inside the I/O error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, PayloadError>> + 'a {
        futures_util::stream::unfold(self, |mut paced| async move {
            let item =
                paced.next_chunk().await.map_err(|error| PayloadError::Io(std::io::Error::other(error)));
            item.transpose().map(|item| (item, paced))
        })
    }
}

fn too_large(most: usize) -> Error {
    let detail = format!("The body is larger than {}.", size(most));
    let violation = Violation::body("", "payload_too_large", detail).with(json!({ "max": most }));
    Error::violation(Code::PayloadTooLarge, violation)
}

fn broken_off(error: &PayloadError) -> Error {
    Error::refused(Code::MalformedBody, format!("The body ended early: {error}."))
}

/// Maximum number of bytes that are read of a rejected body.
const DRAINED_BYTES: usize = 16 << 20;
/// How long a rejected body is read at most.
const DRAINED_FOR: Duration = Duration::from_secs(5);

/// Read and discard the rest of a rejected body, so that a browser sees the response instead of a reset connection: at most 16
/// MiB and 5 s of it. If the body was too slow, the rest is not waited for.
pub async fn drain(payload: &mut Payload, refusal: &Error) {
    if refusal.code() == Code::RequestTimeout {
        return;
    }
    let discard = async {
        let mut drained = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            drained += chunk.len();
            if drained > DRAINED_BYTES {
                break;
            }
        }
    };
    drop(tokio::time::timeout(DRAINED_FOR, discard).await);
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only parsing matters")]
        title: Option<String>,
        #[expect(dead_code, reason = "only parsing matters")]
        numbers: Option<Vec<i64>>,
    }

    fn fault(json: &str) -> (Code, Option<String>, String) {
        match parse::<Sample>(json.as_bytes()) {
            Err(Error::Refused(refusal)) => {
                let violation = refusal.violations.first();
                (
                    refusal.code,
                    violation.and_then(|v| v.pointer.clone()),
                    violation.map(|v| v.code.to_string()).unwrap_or_default(),
                )
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let invalid =
            |pointer: &str, code: &str| (Code::ValidationFailed, Some(pointer.to_owned()), code.to_owned());
        assert_eq!(fault(r#"{"title": 1}"#), invalid("/title", "invalid_type"));
        assert_eq!(fault(r#"{"numbers": [1, "x"]}"#), invalid("/numbers/1", "invalid_type"));
        assert_eq!(fault(r#"{"titel": "x"}"#), invalid("/titel", "unknown_member"));
        assert_eq!(fault(r#"{"a/b~": "x"}"#), invalid("/a~1b~0", "unknown_member"));
        assert_eq!(fault("[]").2, "invalid_type");
        assert_eq!(fault("7"), invalid("", "invalid_type"));
    }

    #[test]
    fn bodies_of_one_value_have_one_canonical_form() {
        let canonical = |json: &'static str| {
            Body::<Sample> { shaped: parse(json.as_bytes()), bytes: Bytes::from_static(json.as_bytes()) }
                .canonical()
        };
        let one = canonical(r#"{"title": "\u0061", "numbers": [1, 2]}"#);
        assert_eq!(one, canonical("{\"numbers\":[1,2],\n\"title\":\"a\"}"));
        assert_ne!(one, canonical(r#"{"title": "a", "numbers": [2, 1]}"#));
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for wrong in
            ["", "{", "{\"title\": 1", "{'a': 1}", "{} {}", "\u{feff}{}", r#"{"title": "a", "title": "b"}"#]
        {
            assert_eq!(fault(wrong).0, Code::MalformedBody, "{wrong}");
        }
        assert_eq!(fault(r#"{"title": "\ud800"}"#).0, Code::MalformedBody);
        assert!(parse::<Sample>(b"{\"title\": \"\xff\"}").is_err());
    }
}
