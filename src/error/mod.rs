//! Errors, and what a client learns of them.
//!
//! Layers below `api` do not know this type: `models` returns diesel's `QueryResult`, `plaza_image` its own `Rejection`. Here they
//! become either a [`Refusal`], which the client receives in full, or [`Error::Internal`], which is hidden from the client and
//! logged in full, once.
//!
//! Every response that is not a success has the same body, [`Problem`] (RFC 9457), with a `code` from [`REGISTRY`].

mod registry;
mod rules;

use std::borrow::Cow;
use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::context;
pub use registry::{Code, Entry, REGISTRY};
pub use rules::RULES;

/// The result of everything that can be rejected or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request failed.
#[derive(Debug)]
pub enum Error {
    /// An error response that the client receives in full.
    Refused(Box<Refusal>),
    /// A fault of the service: 500 without a cause in the body. The cause is logged at the boundary.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// An error response: a code of the registry, and the details of this case.
#[derive(Debug)]
pub struct Refusal {
    /// The code in the registry.
    pub code: Code,
    /// One sentence for a human, about this case.
    pub detail: Cow<'static, str>,
    /// What is wrong with which part of the input.
    pub violations: Vec<Violation>,
    /// Headers that the code requires: `Allow`, `Retry-After`.
    pub headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// A fault of the input: where it is (`pointer` into the body, or `parameter`), which rule it breaks, and the rule's values.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Violation {
    /// RFC 6901 pointer into the body; a multipart part counts as a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("/title"), nullable = false)]
    pub pointer: Option<String>,
    /// Name of the query parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("limit"), nullable = false)]
    pub parameter: Option<String>,
    /// Stable name of the broken rule.
    #[schema(examples("too_long"))]
    pub code: Cow<'static, str>,
    /// Human-readable description of the fault.
    pub detail: Cow<'static, str>,
    /// Values with which the rule compares, such as `{"max": 256}`.
    #[schema(value_type = Object)]
    pub params: Value,
}

impl Violation {
    /// Create a fault of the body's field at `pointer`.
    pub fn body(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            code: code.into(),
            detail: detail.into(),
            params: json!({}),
        }
    }

    /// Create a fault of a query parameter.
    pub fn parameter(
        name: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: None, parameter: Some(name.into()), ..Self::body("", code, detail) }
    }

    /// Add the rule's values.
    #[must_use]
    pub fn with(mut self, params: Value) -> Self {
        self.params = params;
        self
    }
}

/// The body of every response that is not a success (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Link to the documentation of the code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", examples("/docs/errors#not_found"))]
    pub kind: String,
    /// What the code means; the same for every occurrence.
    pub title: Cow<'static, str>,
    /// HTTP status of the response.
    #[schema(minimum = 400, maximum = 599, examples(404))]
    pub status: u16,
    /// What happened in this case.
    pub detail: Cow<'static, str>,
    /// Id of the request, which the log also contains.
    #[schema(examples("0b7c1f7e-53a5-4f0e-9a4f-3f8f0c1d2e3f"))]
    pub instance: String,
    /// Stable name of the error, for programs to rely on.
    #[schema(examples("not_found"))]
    pub code: Cow<'static, str>,
    /// For rejected input: every fault that was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Violation>,
}

impl Error {
    /// Create an error response with a sentence about this case.
    pub fn refused(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// Create an error response for one faulty part of the input.
    pub fn violation(code: Code, violation: Violation) -> Self {
        Self::violations(code, vec![violation])
    }

    /// Create an error response for several faulty parts of the input.
    pub fn violations(code: Code, violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [one] => one.detail.clone(),
            several => Cow::Owned(format!("The input has {} errors.", several.len())),
        };
        Self::Refused(Box::new(Refusal { code, detail, violations, headers: Vec::new() }))
    }

    /// 422 for one field of the body.
    pub fn invalid(violation: Violation) -> Self {
        Self::violation(Code::ValidationFailed, violation)
    }

    /// 404, the same for what does not exist and for what the caller may not know of.
    pub fn not_found() -> Self {
        Self::refused(Code::NotFound, "The resource does not exist, or you may not see it.")
    }

    /// 403 `forbidden`.
    pub fn forbidden() -> Self {
        Self::refused(Code::Forbidden, "You may not do this.")
    }

    /// 503 with `Retry-After`, in seconds.
    pub fn unavailable(code: Code, retry_after: u16) -> Self {
        Self::refused(code, code.entry().meaning).header(header::RETRY_AFTER, HeaderValue::from(retry_after))
    }

    /// 500, with the cause in the log only.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// Add a header to the response.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.headers.push((name, value));
        }
        self
    }

    /// Log an error that reaches no client. Error responses are no faults of the service, and an outage of the database is logged
    /// where it is noticed. Of these, only a statement that took too long is logged here, since no other code does so.
    pub fn log(&self, what: &'static str) {
        match self {
            Self::Internal(cause) => tracing::error!(cause = %Chain(cause.as_ref()), "{what}"),
            Self::Refused(refusal) if refusal.code == Code::QueryTimeout => {
                tracing::warn!(cause = %refusal.detail, "{what}");
            }
            Self::Refused(_) => {}
        }
    }

    /// Return the code that the client sees.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Internal(_) => Code::InternalError,
        }
    }

    /// Return the response: a [`Problem`] with the status and headers of the code. An internal cause is logged here and nowhere
    /// else.
    pub fn to_response(&self) -> HttpResponse {
        let entry = self.code().entry();
        let mut response = HttpResponse::build(
            StatusCode::from_u16(entry.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        );
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if entry.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let (detail, errors) = match self {
            Self::Refused(refusal) => {
                for header in &refusal.headers {
                    response.insert_header(header.clone());
                }
                (refusal.detail.clone(), refusal.violations.clone())
            }
            Self::Internal(cause) => {
                tracing::error!(cause = %Chain(cause.as_ref()), "the request failed because of an internal error");
                (Cow::Borrowed(entry.meaning), Vec::new())
            }
        };
        let problem = Problem {
            kind: format!("/docs/errors#{}", entry.name),
            title: entry.title.into(),
            status: entry.status,
            detail,
            instance: context::request_id(),
            code: entry.name.into(),
            errors,
        };
        // A struct of strings and numbers always serialises. If this one does not, the client still gets the status.
        response.body(serde_json::to_vec(&problem).unwrap_or_else(|cause| {
            tracing::error!(%cause, "an error response could not be serialized");
            Vec::new()
        }))
    }
}

/// An error and its sources, on one line of the log.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(&refusal.detail),
            Self::Internal(cause) => write!(f, "{}", Chain(cause.as_ref())),
        }
    }
}

impl std::error::Error for Error {}

impl actix_web::ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().entry().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.to_response()
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::NotFound => Self::not_found(),
            lost if is_connection_lost(lost) => {
                tracing::warn!(cause = %error, "lost the connection to the database");
                Self::unavailable(Code::DatabaseUnavailable, 1)
            }
            // PostgreSQL's SQLSTATE 57014: the statement timed out, or an administrator cancelled it earlier. diesel passes on only
            // the text, and every connection requests English messages.
            DieselError::DatabaseError(_, info) if info.message().contains("canceling statement due to") => {
                Self::unavailable(Code::QueryTimeout, 1)
            }
            // Two transactions deadlocked, and PostgreSQL aborted this one. Nothing was changed.
            DieselError::DatabaseError(_, info) if info.message().contains("deadlock detected") => {
                tracing::warn!("a transaction was aborted because of a deadlock");
                Self::unavailable(Code::Busy, 1)
            }
            _ => Self::internal(error),
        }
    }
}

/// Whether the statement failed because the server or the connection to it is gone. If libpq has already given up the connection,
/// diesel's kind of error says so. If the server is just ending it (SQLSTATE 57P01, 57P02, 57P03), only the text does.
pub fn is_connection_lost(error: &DieselError) -> bool {
    const TEXTS: [&str; 4] = [
        "terminating connection",
        "the database system is",
        "server closed the connection",
        "no connection to the server",
    ];
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | DieselError::BrokenTransactionManager => true,
        DieselError::DatabaseError(_, info) => TEXTS.iter().any(|text| info.message().contains(text)),
        DieselError::RollbackErrorOnCommit { rollback_error, commit_error } => {
            is_connection_lost(commit_error) || is_connection_lost(rollback_error)
        }
        _ => false,
    }
}

/// Turns the violation of a named constraint into an error response: never check, then insert.
pub trait OnConstraint<T> {
    /// If the statement broke the constraint, return `code` instead.
    fn on_constraint(self, constraint: &str, code: Code) -> Result<T>;
}

impl<T> OnConstraint<T> for diesel::QueryResult<T> {
    fn on_constraint(self, constraint: &str, code: Code) -> Result<T> {
        self.map_err(Error::from).on_constraint(constraint, code)
    }
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, constraint: &str, code: Code) -> Result<T> {
        self.map_err(|error| match &error {
            Error::Internal(cause) => match cause.downcast_ref::<DieselError>() {
                Some(DieselError::DatabaseError(_, info)) if info.constraint_name() == Some(constraint) => {
                    Error::refused(code, code.entry().meaning)
                }
                _ => error,
            },
            Error::Refused(_) => error,
        })
    }
}
