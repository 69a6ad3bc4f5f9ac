//! Multipart uploads: the parts are read within limits while they arrive, and validated later.
//!
//! A form that cannot be read at all (400, 408, 413, 415) is rejected here. The handler checks which parts there are, after 404,
//! 403 and 412.

use std::pin::Pin;

use actix_multipart::{Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::Bytes;
use futures_util::{Future, StreamExt};
use serde_json::{Map, Value, json};

use super::body::{Paced, drain};
use super::limits::{BodyLimits, size};
use super::state::AppState;
use crate::auth::Caller;
use crate::error::{Code, Error, Result, Violation};
use crate::media::spool::{Slot, SpooledFile};

/// Maximum number of parts of a form. The next one is rejected, whatever it is.
const MAX_PARTS: usize = 32;

/// Maximum size of all texts of a form together, in bytes: that of a JSON body.
const TEXTS: usize = 1 << 20;

/// Bytes that are allowed for boundaries, part headers, everything outside the parts, and texts.
const OVERHEAD: usize = 2 << 20;

/// The parts of a `multipart/form-data` body.
pub struct Upload {
    parts: Vec<Part>,
}

struct Part {
    name: String,
    content: SpooledFile,
}

/// A form with one file and texts.
pub struct Form {
    /// The texts as the fields of a JSON object, as a client would send them without a file.
    pub texts: Map<String, Value>,
    /// The file; `None` if it is missing.
    pub file: Option<SpooledFile>,
}

impl Upload {
    /// Return a canonical form: the names, lengths and digests of the parts. It is equal for forms whose parts are equal.
    pub fn canonical(&self) -> Vec<u8> {
        let mut parts: Vec<_> = self.parts.iter().collect();
        // The sort is stable, since the order of parts with the same name counts.
        parts.sort_by_key(|part| &part.name);
        let mut canonical = Vec::new();
        for part in parts {
            canonical.extend((part.name.len() as u64).to_le_bytes());
            canonical.extend(part.name.as_bytes());
            canonical.extend((part.content.len() as u64).to_le_bytes());
            canonical.extend(part.content.digest());
        }
        canonical
    }

    /// Return the file of a form that has no other part. 422 if the part is missing or sent twice, or if there is another part.
    pub fn file(self, name: &str) -> Result<SpooledFile> {
        let mut files = Vec::new();
        for part in self.parts {
            if part.name != name {
                let detail = format!(
                    "There is no part `{}` in this form; you can send only `{name}`.",
                    printable(&part.name)
                );
                return Err(Error::invalid(Violation::body(pointer(&part.name), "unknown_member", detail)));
            }
            files.push(part.content);
        }
        if files.len() > 1 {
            return Err(Error::invalid(sent_twice(name)));
        }
        files.pop().ok_or_else(|| Error::invalid(missing(name)))
    }

    /// Return the file and the texts of a form. The caller validates the texts. Here, each text becomes a JSON value: a string,
    /// or the type that `types` returns for the part. 400 for a text that is not well-formed, 413 for texts that are too long,
    /// 422 for a part that is sent twice.
    pub fn form(self, file: &str, types: impl Fn(&str) -> Text) -> Result<Form> {
        let mut form = Form { texts: Map::new(), file: None };
        let mut total = 0;
        for mut part in self.parts {
            let is_twice = if part.name == file {
                form.file.replace(part.content).is_some()
            } else {
                total += part.content.len();
                if total > TEXTS {
                    return Err(too_large(&part.name, "The text parts together are", TEXTS));
                }
                let bytes = part.content.read().map_err(Error::internal)?;
                let text = std::str::from_utf8(&bytes).map_err(|_| {
                    let detail = format!("The part `{}` must be valid UTF-8.", printable(&part.name));
                    Error::refused(Code::MalformedBody, detail)
                })?;
                form.texts.insert(part.name.clone(), types(&part.name).value(text)).is_some()
            };
            if is_twice {
                return Err(Error::invalid(sent_twice(&part.name)));
            }
        }
        Ok(form)
    }
}

/// The type of the value of a text part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Plain,
    /// A whole number.
    Number,
    /// `true` or `false`, in any case.
    Truth,
}

impl Text {
    /// Convert the text. A text that is not a number or a boolean stays a text, which the validation then rejects.
    fn value(self, text: &str) -> Value {
        let trimmed = text.trim();
        match self {
            Self::Number => trimmed.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            // Some SDKs write booleans as their language does.
            Self::Truth if trimmed.eq_ignore_ascii_case("true") => true.into(),
            Self::Truth if trimmed.eq_ignore_ascii_case("false") => false.into(),
            Self::Truth | Self::Plain => text.into(),
        }
    }
}

/// The fault of sending a part twice.
fn sent_twice(name: &str) -> Violation {
    Violation::body(pointer(name), "duplicate_part", format!("Send exactly one part `{}`.", printable(name)))
}

/// The fault of a missing part.
pub fn missing(name: &str) -> Violation {
    Violation::body(pointer(name), "required", format!("The part `{name}` is missing."))
}

fn pointer(name: &str) -> String {
    format!("/{}", printable(name).replace('~', "~0").replace('/', "~1"))
}

/// Return a text of the client, shortened and without control characters.
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
    let app = AppState::of(request)?;
    let limits = app.body_limits;
    if !matches!(request.mime_type(), Ok(Some(mime)) if mime.essence_str() == "multipart/form-data") {
        return Err(Error::refused(Code::UnsupportedMediaType, "Send the body as `multipart/form-data`."));
    }
    let user = request.extensions().get::<Caller>().and_then(|caller| caller.0.as_ref().map(|user| user.id));
    let slot = app.uploads.slot(user).await.inspect_err(|error| {
        app.metrics.pictures_refused.of(error.code().entry().name).inc();
    })?;
    let upload = read_parts(request, payload, limits, &slot).await?;
    // The parser stops at the last boundary. A body that breaks off after it, according to its length, is still not complete.
    let mut rest = Paced::new(payload, limits, OVERHEAD);
    while rest.next_chunk().await?.is_some() {}
    Ok(upload)
}

async fn read_parts(
    request: &HttpRequest,
    payload: &mut Payload,
    limits: BodyLimits,
    slot: &Slot<'_>,
) -> Result<Upload> {
    let stream = Paced::new(payload, limits, limits.file + OVERHEAD).into_stream();
    // The parser requires a stream that is 'static, so the payload passes through a channel that this task feeds.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, PayloadError>>(2);
    let received = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    });
    // The parser polls again after the end.
    let received = received.fuse();
    let feed = async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = stream.next().await {
            if sender.send(item).await.is_err() {
                break;
            }
        }
    };
    let multipart = Multipart::new(request.headers(), Box::pin(received));
    let parse = parse(multipart, limits, slot);
    let (mut feed, mut parse) = (std::pin::pin!(feed), std::pin::pin!(parse));
    tokio::select! {
        parsed = &mut parse => parsed,
        () = &mut feed => parse.await,
    }
}

async fn parse(mut multipart: Multipart, limits: BodyLimits, slot: &Slot<'_>) -> Result<Upload> {
    let mut parts = Vec::new();
    while let Some(field) = multipart.next().await {
        let mut field = field.map_err(|error| refusal(&error))?;
        let name = field.name().unwrap_or_default().to_owned();
        if parts.len() == MAX_PARTS {
            return Err(Error::refused(
                Code::MalformedBody,
                format!("The form must have at most {MAX_PARTS} parts."),
            ));
        }
        let mut length: usize =
            parts.iter().filter(|part: &&Part| part.name == name).map(|part| part.content.len()).sum();
        let mut spool = slot.spool();
        while let Some(chunk) = field.next().await {
            let chunk = chunk.map_err(|error| refusal(&error))?;
            length += chunk.len();
            if length > limits.file {
                return Err(too_large(&name, "The file is", limits.file));
            }
            spool.push(&chunk).await.map_err(|error| no_room(&error))?;
        }
        parts.push(Part { name, content: spool.finish().await.map_err(|error| no_room(&error))? });
    }
    Ok(Upload { parts })
}

/// 503 if the disk is full or unavailable.
fn no_room(error: &std::io::Error) -> Error {
    tracing::error!(cause = %error, "an upload could not be written to the disk");
    Error::unavailable(Code::Busy, 5)
}

fn too_large(part: &str, what: &str, max: usize) -> Error {
    let detail = format!("{what} larger than {}.", size(max));
    let violation = Violation::body(pointer(part), "payload_too_large", detail).with(json!({ "max": max }));
    Error::violation(Code::PayloadTooLarge, violation)
}

/// Return the error response for an error of the parser. An error response of the reader comes inside an I/O error.
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
