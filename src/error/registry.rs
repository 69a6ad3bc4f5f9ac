//! The registry of every `code` that an error response can carry, and of every rule that `errors` can name. The documentation is
//! generated from it, and a test finds entries that are never used.

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
            C::OriginRefused,
            "origin_refused",
            400,
            "The browser's origin may not call",
            "A preflight of an origin, method or header that is not allowed. `PLAZA_CORS_ORIGINS` lists the origins.",
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
            "It was not made by this service, was changed on the way, or its key was withdrawn. Refresh it once, else log in.",
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
            "It was logged out, revoked or not refreshed for too long, or its user was deactivated or deleted. Log in.",
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
            "It is none of ours, or was used before, and then its session has ended. Log in.",
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
            C::SourceMissing,
            "source_missing",
            404,
            "The picture's own file is gone",
            "A variant was asked for, and the file that it is made from is not in the store any more. Upload the picture anew.",
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
            "Another user has the username, in whatever case.",
        ),
        entry(
            C::EmailTaken,
            "email_taken",
            409,
            "The e-mail address is taken",
            "Another user has the e-mail address, in whatever case.",
        ),
        entry(
            C::SlugTaken,
            "slug_taken",
            409,
            "The slug is taken",
            "Another one has it, or a post had it once. Choose another, or send `null` to have one made.",
        ),
        entry(
            C::LastStaff,
            "last_staff",
            409,
            "The last active staff member",
            "Someone must be left to administer. Promote another user first.",
        ),
        entry(
            C::IdempotencyKeyInUse,
            "idempotency_key_in_use",
            409,
            "The same request is running",
            "A request with this `Idempotency-Key` has not ended yet. Send it again after `Retry-After`.",
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
            C::TokenInvalid,
            "token_invalid",
            422,
            "The mail's token is not valid",
            "It was used, has expired, or a later change of password or address has made it void. Ask for another mail.",
        ),
        entry(
            C::IdempotencyKeyReused,
            "idempotency_key_reused",
            422,
            "The key belongs to another request",
            "The `Idempotency-Key` was sent with another body before. Take a new key for a new request.",
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
            C::TooManyAttempts,
            "too_many_attempts",
            429,
            "Too many tries",
            "Wait for the seconds of `Retry-After`; a try before that is refused and prolongs nothing.",
        ),
        entry(
            C::TooManyStreams,
            "too_many_streams",
            429,
            "Too many streams",
            "The user has as many streams of events as one may have on a node. Close one, or wait for one that has broken off.",
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
            "A bounded queue is full, or two changes stood in each other's way. Nothing was changed; try again in a moment.",
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

/// The rules that `errors[].code` names, with their meanings for the documentation.
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
    ("unknown_field", "There is no such field or lookup; `params.nearest` may name the one that was meant."),
    ("not_sortable", "No column of the rows, or of a row that belongs to each."),
    ("invalid_filter", "The expression makes no sense from `params.position` on, in characters."),
    ("invalid_pattern", "No regular expression of PostgreSQL."),
    ("invalid_cursor", "The cursor is not one of this list's with this filter and ordering, or was changed."),
    ("too_short", "Fewer characters than `params.min`."),
    ("too_long", "More characters than `params.max`."),
    ("out_of_range", "Outside `params.min` to `params.max`."),
    ("not_a_choice", "None of `params.choices`."),
    ("null_character", "Text may not hold U+0000."),
    ("invalid_username", "Letters, digits and `@ . + - _` only, not dots alone and not `me`."),
    ("invalid_email", "No e-mail address."),
    ("invalid_url", "No URL that a webhook can have; `detail` says why."),
    ("private_address", "The URL leads to an address that is not public."),
    ("invalid_slug", "Letters, digits, `-` and `_` only."),
    ("password_common", "The password is among the 10,000 most common ones, in whatever case."),
    ("password_numeric", "The password is all digits."),
    ("password_similar", "The password is too near the username or the e-mail address."),
    ("password_wrong", "Not the present password."),
    ("unknown_user", "There is no such user."),
    ("unknown_label", "There is no such label."),
    ("unknown_post", "There is no such post, or none that you may see."),
    ("duplicate", "The list has it already."),
    ("too_many", "More than `params.max`."),
    ("not_title_case", "The title is not in title case, which `PLAZA_TITLE_CASE` asks for."),
    ("slug_mismatch", "Not the slug of the title, `params.expected`, which `PLAZA_SLUG_OF_TITLE` asks for."),
    ("payload_too_large", "More than `params.max` bytes."),
    ("unsupported_picture", "By its content none of `params.accepted`."),
    (
        "image_too_large",
        "More than `params.max_pixels` pixels, more than `params.max_side` on a side, or more than `params.max_memory` bytes of memory to decode.",
    ),
    ("image_corrupt", "The picture is cut off or does not decode."),
    ("idempotency_key_reused", "The key was sent with another body before."),
    ("duplicate_part", "Exactly one part of this name is expected."),
];

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
