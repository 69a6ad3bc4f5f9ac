//! What can go wrong, and what a client is told of it.
//!
//! Layers below `api` do not know this type: `models` answers with diesel's `QueryResult`, `media::image` with its own
//! `Rejected`. Here they become either a [`Refusal`], which is told to the client in full, or
//! [`Error::Internal`], of which the client learns nothing and the log everything, once.
//!
//! Every answer that is not a success has one body, [`Problem`] (RFC 9457), and one `code` out of [`REGISTRY`].

use std::borrow::Cow;
use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::request_id;

/// The answer of everything that can be refused or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not done.
#[derive(Debug)]
pub enum Error {
    /// Told to the client in full.
    Refused(Box<Refusal>),
    /// Ours: 500 without a cause in the body. The cause is logged at the boundary.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// A refusal: a code of the registry and what belongs to this one case.
#[derive(Debug)]
pub struct Refusal {
    /// Which of the registry's codes.
    pub code: Code,
    /// One sentence for a human, about this case.
    pub detail: Cow<'static, str>,
    /// What is wrong with which part of the input.
    pub violations: Vec<Violation>,
    /// Headers that the code demands: `Allow`, `Retry-After`.
    pub headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// One fault of the input: where (`pointer` into the body, or `parameter`), which rule, and the rule's numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Violation {
    /// RFC 6901 pointer into the body; a multipart part counts as a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("/title"), nullable = false)]
    pub pointer: Option<String>,
    /// Name of the query parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("limit"), nullable = false)]
    pub parameter: Option<String>,
    /// The broken rule, stable.
    #[schema(examples("too_long"))]
    pub code: Cow<'static, str>,
    /// The same for a human.
    pub detail: Cow<'static, str>,
    /// What the rule compares with, such as `{"max": 256}`.
    #[schema(value_type = Object)]
    pub params: Value,
}

impl Violation {
    /// A fault of the body's member at `pointer`.
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

    /// A fault of a query parameter.
    pub fn parameter(
        name: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: None, parameter: Some(name.into()), ..Self::body("", code, detail) }
    }

    /// The same with the rule's numbers.
    #[must_use]
    pub fn with(mut self, params: Value) -> Self {
        self.params = params;
        self
    }
}

/// The body of every answer that is not a success (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where the documentation speaks of this code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", examples("/docs/errors#not_found"))]
    pub kind: String,
    /// What the code means, the same for every occurrence.
    pub title: Cow<'static, str>,
    /// The HTTP status, once more.
    #[schema(minimum = 400, maximum = 599, examples(404))]
    pub status: u16,
    /// What happened this time.
    pub detail: Cow<'static, str>,
    /// The request's id, which the log knows too.
    #[schema(examples("0b7c1f7e-53a5-4f0e-9a4f-3f8f0c1d2e3f"))]
    pub instance: String,
    /// Stable name to program against.
    #[schema(examples("not_found"))]
    pub code: Cow<'static, str>,
    /// For rejected input: every fault that was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Violation>,
}

/// One line of the registry of codes.
#[derive(Debug)]
pub struct Entry {
    /// The variant that stands for it in the program.
    pub code: Code,
    /// The `code` member, stable.
    pub name: &'static str,
    /// The status it comes with.
    pub status: u16,
    /// The `title` member.
    pub title: &'static str,
    /// For the documentation: when it comes, and what to do.
    pub meaning: &'static str,
}

/// Every `code` that an answer can carry. Its name, status and meaning stand in [`REGISTRY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described in REGISTRY, from which the documentation is made")]
pub enum Code {
    InvalidQuery,
    InvalidHeader,
    MalformedBody,
    AuthenticationRequired,
    AccessTokenInvalid,
    TokenExpired,
    SessionRevoked,
    InvalidCredentials,
    RefreshTokenInvalid,
    Forbidden,
    ReauthenticationRequired,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    UsernameTaken,
    EmailTaken,
    SlugTaken,
    LastStaff,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnsupportedPicture,
    RangeNotSatisfiable,
    ValidationFailed,
    ImageTooLarge,
    ImageCorrupt,
    InternalError,
    Busy,
    QueryTimeout,
    DatabaseUnavailable,
    StoreUnavailable,
    ShuttingDown,
}

/// The registry that the documentation is made from, in the order of [`Code`].
pub static REGISTRY: [Entry; 32] = {
    use Code as C;
    [
        entry(
            C::InvalidQuery,
            "invalid_query",
            400,
            "The query string is not understood",
            "A query parameter is unknown, given twice or malformed; `errors` names each, an unknown one with its nearest neighbour.",
        ),
        entry(
            C::InvalidHeader,
            "invalid_header",
            400,
            "A request header is not understood",
            "A header that the operation reads does not parse; `errors` names it.",
        ),
        entry(
            C::MalformedBody,
            "malformed_body",
            400,
            "The body cannot be read",
            "The body is no JSON or no multipart, or ended early. `detail` says where.",
        ),
        entry(
            C::AuthenticationRequired,
            "authentication_required",
            401,
            "An access token is required",
            "Log in and send `Authorization: Bearer …`.",
        ),
        entry(
            C::AccessTokenInvalid,
            "access_token_invalid",
            401,
            "The access token is not valid",
            "It was not made by this service, was changed on the way, or its user is gone. Log in.",
        ),
        entry(
            C::TokenExpired,
            "token_expired",
            401,
            "The access token has expired",
            "Refresh it with `refreshToken` and try again.",
        ),
        entry(
            C::SessionRevoked,
            "session_revoked",
            401,
            "The session has ended",
            "It was logged out or revoked, or its user was deactivated. Log in.",
        ),
        entry(
            C::InvalidCredentials,
            "invalid_credentials",
            401,
            "Login or password is wrong",
            "The same for an unknown user, a wrong password and an inactive user.",
        ),
        entry(
            C::RefreshTokenInvalid,
            "refresh_token_invalid",
            401,
            "The refresh token is not valid",
            "It is unknown, expired or was used before. Log in.",
        ),
        entry(C::Forbidden, "forbidden", 403, "Not allowed", "The caller is known and may not do this."),
        entry(
            C::ReauthenticationRequired,
            "reauthentication_required",
            403,
            "A fresh login is required",
            "The session's login is older than ten minutes. Log in again, then repeat.",
        ),
        entry(
            C::NotFound,
            "not_found",
            404,
            "Not found",
            "There is no such thing, or the caller may not know of it.",
        ),
        entry(
            C::MethodNotAllowed,
            "method_not_allowed",
            405,
            "Method not allowed",
            "The path exists; `Allow` lists its methods.",
        ),
        entry(
            C::RequestTimeout,
            "request_timeout",
            408,
            "The request came too slowly",
            "The body fell below the least rate. Send it again over a better connection.",
        ),
        entry(
            C::UsernameTaken,
            "username_taken",
            409,
            "The username is taken",
            "Another user has it, in whatever case.",
        ),
        entry(
            C::EmailTaken,
            "email_taken",
            409,
            "The e-mail address is taken",
            "Another user has it, in whatever case.",
        ),
        entry(
            C::SlugTaken,
            "slug_taken",
            409,
            "The slug is taken",
            "It is or was another post's. Choose another, or send `null` to have one made.",
        ),
        entry(
            C::LastStaff,
            "last_staff",
            409,
            "The last active staff member",
            "Someone must be left to administer. Promote another user first.",
        ),
        entry(
            C::PreconditionFailed,
            "precondition_failed",
            412,
            "The resource has changed",
            "`If-Match` names a version that is no longer the present one. Read it again, then repeat.",
        ),
        entry(
            C::PayloadTooLarge,
            "payload_too_large",
            413,
            "The body is too large",
            "`errors` or `detail` names the limit.",
        ),
        entry(
            C::UnsupportedMediaType,
            "unsupported_media_type",
            415,
            "The content type is not accepted",
            "`detail` names the one that is.",
        ),
        entry(
            C::UnsupportedPicture,
            "unsupported_picture",
            415,
            "The file is no accepted picture",
            "By its content it is none of JPEG, PNG, WebP and GIF, whatever its name says.",
        ),
        entry(
            C::RangeNotSatisfiable,
            "range_not_satisfiable",
            416,
            "The range lies outside the file",
            "`Content-Range` tells the file's length.",
        ),
        entry(
            C::ValidationFailed,
            "validation_failed",
            422,
            "The input breaks a rule",
            "`errors` lists every member that is missing or wrong.",
        ),
        entry(
            C::ImageTooLarge,
            "image_too_large",
            422,
            "The picture has too many pixels",
            "`errors` names the limits. Scale it down.",
        ),
        entry(
            C::ImageCorrupt,
            "image_corrupt",
            422,
            "The picture is damaged",
            "It is cut off or does not decode.",
        ),
        entry(
            C::InternalError,
            "internal_error",
            500,
            "Something went wrong on our side",
            "Report it with the `instance`; the log knows the cause.",
        ),
        entry(
            C::Busy,
            "busy",
            503,
            "Too much to do at the moment",
            "A bounded queue is full. Try again after `Retry-After` seconds.",
        ),
        entry(
            C::QueryTimeout,
            "query_timeout",
            503,
            "The query took too long",
            "Ask for less: fewer conditions, a narrower pattern.",
        ),
        entry(
            C::DatabaseUnavailable,
            "database_unavailable",
            503,
            "The database cannot be reached",
            "Try again after `Retry-After` seconds.",
        ),
        entry(
            C::StoreUnavailable,
            "store_unavailable",
            503,
            "The file store cannot be reached",
            "Nothing was changed. Try again after `Retry-After` seconds.",
        ),
        entry(
            C::ShuttingDown,
            "shutting_down",
            503,
            "This node is stopping",
            "Only `/readyz` says so; another node takes over.",
        ),
    ]
};

const fn entry(
    code: Code,
    name: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
) -> Entry {
    Entry { code, name, status, title, meaning }
}

/// The rules that `errors[].code` names, for the documentation.
pub static RULES: &[(&str, &str)] = &[
    ("required", "The member is missing."),
    ("invalid_type", "The member has the wrong JSON type."),
    ("unknown_member", "There is no such member."),
    (
        "unknown_parameter",
        "There is no such query parameter; `params.nearest` may name the one that was meant.",
    ),
    ("duplicate_parameter", "The query parameter was given twice."),
    ("invalid_parameter", "The parameter's value does not parse."),
    ("invalid_cursor", "The cursor is not one of this list's, or was changed."),
    ("too_short", "Fewer characters than `params.min`."),
    ("too_long", "More characters than `params.max`."),
    ("out_of_range", "Outside `params.min` to `params.max`."),
    ("not_a_choice", "None of `params.choices`."),
    ("null_character", "Text may not hold U+0000."),
    ("invalid_username", "Letters, digits and `@ . + - _` only, not dots alone and not `me`."),
    ("invalid_email", "No e-mail address."),
    ("invalid_slug", "Letters, digits, `-` and `_` only."),
    ("password_numeric", "The password is all digits."),
    ("password_similar", "The password is too near the username or the e-mail address."),
    ("password_wrong", "Not the present password."),
    ("unknown_user", "There is no such user."),
    ("payload_too_large", "More than `params.max` bytes."),
    ("unsupported_picture", "By its content none of `params.accepted`."),
    ("image_too_large", "More than `params.max_pixels` pixels, or more than `params.max_side` on a side."),
    ("image_corrupt", "The picture is cut off or does not decode."),
    ("duplicate_part", "Exactly one part of this name is expected."),
];

impl Code {
    /// The code's line in the registry.
    pub fn entry(self) -> &'static Entry {
        &REGISTRY[self as usize]
    }
}

impl Error {
    /// A refusal with a sentence about this case.
    pub fn refused(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// A refusal of one faulty part of the input.
    pub fn violation(code: Code, violation: Violation) -> Self {
        Self::violations(code, vec![violation])
    }

    /// A refusal of several faulty parts of the input.
    pub fn violations(code: Code, violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [one] => one.detail.clone(),
            several => Cow::Owned(format!("{} things are wrong with the input.", several.len())),
        };
        Self::Refused(Box::new(Refusal { code, detail, violations, headers: Vec::new() }))
    }

    /// 422 for one member of the body.
    pub fn invalid(violation: Violation) -> Self {
        Self::violation(Code::ValidationFailed, violation)
    }

    /// 404, the same for what is not there and what may not be known of.
    pub fn not_found() -> Self {
        Self::refused(Code::NotFound, "There is nothing here, or nothing that you may see.")
    }

    /// 403.
    pub fn forbidden() -> Self {
        Self::refused(Code::Forbidden, "You may not do this.")
    }

    /// 503 with `Retry-After`, in seconds.
    pub fn unavailable(code: Code, retry_after: u16) -> Self {
        Self::refused(code, code.entry().meaning).header(header::RETRY_AFTER, HeaderValue::from(retry_after))
    }

    /// 500; the cause goes to the log only.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.headers.push((name, value));
        }
        self
    }

    /// The code that the client will see.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Internal(_) => Code::InternalError,
        }
    }

    /// The answer: a [`Problem`] with the status and headers of the code. A cause of ours is logged here and nowhere else.
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
                tracing::error!(cause = %Chain(cause.as_ref()), "the request failed on our side");
                (Cow::Borrowed(entry.meaning), Vec::new())
            }
        };
        let problem = Problem {
            kind: format!("/docs/errors#{}", entry.name),
            title: entry.title.into(),
            status: entry.status,
            detail,
            instance: request_id::current(),
            code: entry.name.into(),
            errors,
        };
        // A struct of strings and numbers always serialises.
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
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
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => {
                tracing::warn!(cause = %error, "lost the connection to the database");
                Self::unavailable(Code::DatabaseUnavailable, 1)
            }
            // PostgreSQL's SQLSTATE 57014; diesel passes on the text alone, and every connection asks for English.
            DieselError::DatabaseError(_, info) if info.message().contains("statement timeout") => {
                Self::unavailable(Code::QueryTimeout, 1)
            }
            _ => Self::internal(error),
        }
    }
}

/// A named constraint becomes an answer: never check, then insert.
pub trait OnConstraint<T> {
    /// Where the statement broke the constraint, answer with `code` instead.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_stands_in_the_order_of_the_codes() {
        for (index, entry) in REGISTRY.iter().enumerate() {
            assert_eq!(entry.code as usize, index, "{} stands in the wrong place", entry.name);
        }
    }

    #[test]
    fn names_are_unique_and_snake_case() {
        let mut names: Vec<_> = REGISTRY.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REGISTRY.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
    }
}
