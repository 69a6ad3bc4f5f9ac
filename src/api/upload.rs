//! Multipart uploads: parts read within limits while they come, judged later.
//!
//! What cannot be read at all (400, 408, 413, 415) is refused here. Which parts there should be is for the handler to ask,
//! after 404, 403 and 412.

use std::pin::Pin;

use actix_multipart::{Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::{Future, StreamExt};
use serde_json::json;

use super::body::{BodyLimits, Paced, drain};
use crate::error::{Code, Error, Result, Violation};

/// Most parts of a form. The next is refused, whatever it is.
const MAX_PARTS: usize = 32;

/// Room for boundaries, part headers and what stands outside of the parts.
const OVERHEAD: usize = 1 << 20;

/// The parts of a `multipart/form-data` body.
pub struct Upload {
    parts: Vec<Part>,
}

struct Part {
    name: String,
    bytes: Bytes,
}

impl Upload {
    /// The one file of a form that has nothing else: 422 where the part is missing, comes twice, or another one came.
    pub fn file(self, name: &str) -> Result<Bytes> {
        let mut files = Vec::new();
        for part in self.parts {
            if part.name != name {
                let detail =
                    format!("There is no part `{}` in this form, only `{name}`.", printable(&part.name));
                return Err(Error::invalid(Violation::body(pointer(&part.name), "unknown_member", detail)));
            }
            files.push(part.bytes);
        }
        if files.len() > 1 {
            let detail = format!("Send exactly one part `{name}`.");
            return Err(Error::invalid(Violation::body(pointer(name), "duplicate_part", detail)));
        }
        files.pop().ok_or_else(|| {
            Error::invalid(Violation::body(
                pointer(name),
                "required",
                format!("The part `{name}` is missing."),
            ))
        })
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", printable(name).replace('~', "~0").replace('/', "~1"))
}

/// A client's own words, short and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl FromRequest for Upload {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let result = read(&request, &mut payload).await;
            if let Err(error) = &result {
                drain(&mut payload, error).await;
            }
            result
        })
    }
}

async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Upload> {
    let limits = BodyLimits::of(request);
    if !matches!(request.mime_type(), Ok(Some(mime)) if mime.essence_str() == "multipart/form-data") {
        return Err(Error::refused(Code::UnsupportedMediaType, "Send the body as `multipart/form-data`."));
    }
    let stream = Paced::new(payload, limits, limits.file + OVERHEAD).into_stream();
    // The parser wants a stream that is 'static; so the payload moves through a channel that this task feeds.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, PayloadError>>(2);
    let received = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    });
    // The parser asks again after the end.
    let received = received.fuse();
    let feed = async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    };
    let parse = parse(Multipart::new(request.headers(), Box::pin(received)), limits);
    let (mut feed, mut parse) = (std::pin::pin!(feed), std::pin::pin!(parse));
    tokio::select! {
        parsed = &mut parse => parsed,
        () = &mut feed => parse.await,
    }
}

async fn parse(mut multipart: Multipart, limits: BodyLimits) -> Result<Upload> {
    let mut parts = Vec::new();
    let mut total = 0;
    while let Some(field) = multipart.next().await {
        let mut field = field.map_err(|error| refusal(&error))?;
        let name = field.name().unwrap_or_default().to_owned();
        if parts.len() == MAX_PARTS {
            return Err(Error::refused(
                Code::MalformedBody,
                format!("The form has more than {MAX_PARTS} parts."),
            ));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = field.next().await {
            let chunk = chunk.map_err(|error| refusal(&error))?;
            total += chunk.len();
            if total > limits.file {
                return Err(too_large(&name, limits.file));
            }
            bytes.extend_from_slice(&chunk);
        }
        parts.push(Part { name, bytes: bytes.freeze() });
    }
    Ok(Upload { parts })
}

fn too_large(part: &str, max: usize) -> Error {
    let detail = format!("A file may have {max} bytes at the most.");
    let violation = Violation::body(pointer(part), "payload_too_large", detail).with(json!({ "max": max }));
    Error::violation(Code::PayloadTooLarge, violation)
}

/// A refusal of ours travels through the parser inside of an I/O error.
fn refusal(error: &MultipartError) -> Error {
    if let MultipartError::Payload(PayloadError::Io(io)) = error
        && let Some(Error::Refused(refusal)) = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
    {
        return match refusal.violations.as_slice() {
            [] => Error::refused(refusal.code, refusal.detail.clone()),
            violations => Error::violations(refusal.code, violations.to_vec()),
        };
    }
    Error::refused(Code::MalformedBody, format!("The form cannot be read: {error}."))
}
