//! The registry of every `code` that an error response can carry. The documentation is generated from it, and a test finds entries
//! that are never used.

/// An entry of the registry of codes.
#[derive(Debug)]
pub struct Entry {
    /// The variant of [`Code`] that the entry describes.
    pub code: Code,
    /// The `code` field, which is stable.
    pub name: &'static str,
    /// The HTTP status of the response.
    pub status: u16,
    /// The `title` field.
    pub title: &'static str,
    /// For the documentation: when the error occurs, and what to do.
    pub meaning: &'static str,
}

/// Every `code` that an error response can carry. [`REGISTRY`] holds its name, status and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described in REGISTRY, from which the documentation is made")]
pub enum Code {
    InvalidQuery,
    InvalidHeader,
    MalformedBody,
    OriginRefused,
    AuthenticationRequired,
    AccessTokenInvalid,
    TokenExpired,
    SessionRevoked,
    InvalidCredentials,
    RefreshTokenInvalid,
    Forbidden,
    ReauthenticationRequired,
    NotFound,
    SourceMissing,
    MethodNotAllowed,
    RequestTimeout,
    UsernameTaken,
    EmailTaken,
    SlugTaken,
    LastStaff,
    IdempotencyKeyInUse,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnsupportedPicture,
    RangeNotSatisfiable,
    ValidationFailed,
    TokenInvalid,
    IdempotencyKeyReused,
    ImageTooLarge,
    ImageCorrupt,
    TooManyAttempts,
    TooManyStreams,
    InternalError,
    Busy,
    QueryTimeout,
    DatabaseUnavailable,
    StoreUnavailable,
    ShuttingDown,
}

/// The registry from which the documentation is generated, in the order of [`Code`].
pub static REGISTRY: [Entry; 39] = {
    use Code as C;
    [
        entry(
            C::InvalidQuery,
            "invalid_query",
            400,
            "The query string is not valid",
            "A query parameter is unknown, repeated or malformed. `errors` names each one, and the most similar known name if it is unknown.",
        ),
        entry(
            C::InvalidHeader,
            "invalid_header",
            400,
            "A request header is not valid",
            "A header that the operation reads cannot be parsed. `errors` names the header.",
        ),
        entry(
            C::MalformedBody,
            "malformed_body",
            400,
            "The body cannot be read",
            "The body is not valid JSON or not a valid multipart form, or it ended early. `detail` says where.",
        ),
        entry(
            C::OriginRefused,
            "origin_refused",
            400,
            "The preflight request is not allowed",
            "The origin, the method or a header is not allowed. `PLAZA_CORS_ORIGINS` lists the allowed origins.",
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
            "This service did not issue the token, the token was altered, or its key was withdrawn. Refresh it once; if that fails, log in.",
        ),
        entry(
            C::TokenExpired,
            "token_expired",
            401,
            "The access token has expired",
            "Get a new one with `refreshToken`, then repeat the request.",
        ),
        entry(
            C::SessionRevoked,
            "session_revoked",
            401,
            "The session has ended",
            "The session was logged out, revoked or not refreshed in time, or its user was deactivated or deleted. Log in again.",
        ),
        entry(
            C::InvalidCredentials,
            "invalid_credentials",
            401,
            "The login or the password is wrong",
            "The response does not reveal whether the user is unknown, the password is wrong or the user is inactive.",
        ),
        entry(
            C::RefreshTokenInvalid,
            "refresh_token_invalid",
            401,
            "The refresh token is not valid",
            "This service did not issue the token, or it was already used, which ends its session. Log in again.",
        ),
        entry(C::Forbidden, "forbidden", 403, "Not allowed", "You are logged in, but you may not do this."),
        entry(
            C::ReauthenticationRequired,
            "reauthentication_required",
            403,
            "A fresh login is required",
            "Your login is older than `PLAZA_FRESH_LOGIN`, ten minutes by default. Log in again, then repeat the request.",
        ),
        entry(
            C::NotFound,
            "not_found",
            404,
            "Not found",
            "The resource does not exist, or you may not see it.",
        ),
        entry(
            C::SourceMissing,
            "source_missing",
            404,
            "The original picture is missing",
            "You requested a variant, but the original that it is made from is no longer in the store. Upload the picture again.",
        ),
        entry(
            C::MethodNotAllowed,
            "method_not_allowed",
            405,
            "Method not allowed",
            "The path exists, but does not support this method. `Allow` lists the supported methods.",
        ),
        entry(
            C::RequestTimeout,
            "request_timeout",
            408,
            "The request was too slow",
            "The body arrived at less than the minimum rate. Send the request again over a better connection.",
        ),
        entry(
            C::UsernameTaken,
            "username_taken",
            409,
            "The username is taken",
            "Another user already has this username. Case is ignored.",
        ),
        entry(
            C::EmailTaken,
            "email_taken",
            409,
            "The e-mail address is taken",
            "Another user already has this e-mail address. Case is ignored.",
        ),
        entry(
            C::SlugTaken,
            "slug_taken",
            409,
            "The slug is taken",
            "Another resource has this slug, or a post once had it. Choose another slug, or send `null` to have one generated.",
        ),
        entry(
            C::LastStaff,
            "last_staff",
            409,
            "This is the last active staff member",
            "At least one active staff member must remain. Promote another user first.",
        ),
        entry(
            C::IdempotencyKeyInUse,
            "idempotency_key_in_use",
            409,
            "A request with this key is still running",
            "An earlier request with this `Idempotency-Key` has not finished. Repeat the request after the time in `Retry-After`.",
        ),
        entry(
            C::PreconditionFailed,
            "precondition_failed",
            412,
            "The resource has changed",
            "`If-Match` names a version that is no longer current. Read the resource again, then repeat the request.",
        ),
        entry(
            C::PayloadTooLarge,
            "payload_too_large",
            413,
            "The body is too large",
            "`errors` or `detail` states the limit.",
        ),
        entry(
            C::UnsupportedMediaType,
            "unsupported_media_type",
            415,
            "The content type is not accepted",
            "`detail` names the accepted content type.",
        ),
        entry(
            C::UnsupportedPicture,
            "unsupported_picture",
            415,
            "The file is not a supported picture",
            "The content of the file is not JPEG, PNG, WebP or GIF. The file name does not matter.",
        ),
        entry(
            C::RangeNotSatisfiable,
            "range_not_satisfiable",
            416,
            "The range is outside the file",
            "`Content-Range` states the length of the file.",
        ),
        entry(
            C::ValidationFailed,
            "validation_failed",
            422,
            "The input breaks a rule",
            "`errors` lists every field that is missing or wrong.",
        ),
        entry(
            C::TokenInvalid,
            "token_invalid",
            422,
            "The token from the mail is not valid",
            "The token was used or has expired, or a later change of the password or address revoked it. Request another mail.",
        ),
        entry(
            C::IdempotencyKeyReused,
            "idempotency_key_reused",
            422,
            "The key belongs to another request",
            "This `Idempotency-Key` was already used with a different body. Use a new key for a new request.",
        ),
        entry(
            C::ImageTooLarge,
            "image_too_large",
            422,
            "The picture has too many pixels",
            "`errors` states the limits. Scale the picture down.",
        ),
        entry(
            C::ImageCorrupt,
            "image_corrupt",
            422,
            "The picture is damaged",
            "The picture is truncated or cannot be decoded.",
        ),
        entry(
            C::TooManyAttempts,
            "too_many_attempts",
            429,
            "Too many attempts",
            "Wait for the number of seconds in `Retry-After`. Earlier attempts are rejected, but do not prolong the wait.",
        ),
        entry(
            C::TooManyStreams,
            "too_many_streams",
            429,
            "Too many streams",
            "You have reached the maximum number of event streams on this node. Close a stream, or wait until a broken one ends.",
        ),
        entry(
            C::InternalError,
            "internal_error",
            500,
            "Something went wrong on our side",
            "Report the error with its `instance`, under which the log contains the cause.",
        ),
        entry(
            C::Busy,
            "busy",
            503,
            "The service is busy",
            "A queue is full, or two changes conflicted. Nothing was changed. Try again in a moment.",
        ),
        entry(
            C::QueryTimeout,
            "query_timeout",
            503,
            "The query took too long",
            "Simplify the query: use fewer conditions or a narrower pattern.",
        ),
        entry(
            C::DatabaseUnavailable,
            "database_unavailable",
            503,
            "The database cannot be reached",
            "Try again in a moment.",
        ),
        entry(
            C::StoreUnavailable,
            "store_unavailable",
            503,
            "The file store cannot be reached",
            "Nothing was changed. Try again in a moment.",
        ),
        entry(
            C::ShuttingDown,
            "shutting_down",
            503,
            "This node is stopping",
            "Only `/readyz` returns this error. Another node takes over.",
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

impl Code {
    /// Return the code's entry in the registry.
    pub fn entry(self) -> &'static Entry {
        &REGISTRY[self as usize]
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
