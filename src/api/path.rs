//! Names in paths. A text that cannot be a name is 404, and not another error.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::auth::Caller;
use crate::error::{Code, Error, Result};
use crate::models::names::{USERNAME_MAX, fold};

/// The `{username}` of a path, in any case; `me` is the caller.
#[derive(Clone, Debug)]
pub struct UsernamePath(pub String);

/// The `{slug}` of a path.
#[derive(Clone, Debug)]
pub struct SlugPath(pub String);

/// The `{label}` of a path: a label's slug.
#[derive(Clone, Debug)]
pub struct LabelPath(pub String);

/// The `{id}` of a path.
#[derive(Clone, Copy, Debug)]
pub struct Id(pub i64);

/// Return a decoded segment of the path. 404 if it is not text, or cannot be stored in the database.
pub fn segment(request: &HttpRequest, name: &str) -> Result<String> {
    let raw = request.match_info().get(name).unwrap_or_default();
    match percent_encoding::percent_decode_str(raw).decode_utf8() {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(Error::not_found()),
    }
}

impl FromRequest for UsernamePath {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(segment(request, "username").and_then(|name| {
            if fold(&name) == "me" {
                return match request.extensions().get::<Caller>() {
                    Some(Caller(Some(user))) => Ok(Self(user.username_key.clone())),
                    _ => Err(Error::refused(
                        Code::AuthenticationRequired,
                        "`me` stands for you. Send an access token.",
                    )),
                };
            }
            if name.chars().count() > USERNAME_MAX { Err(Error::not_found()) } else { Ok(Self(name)) }
        }))
    }
}

impl FromRequest for SlugPath {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(segment(request, "slug").map(Self))
    }
}

impl FromRequest for LabelPath {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(segment(request, "label").map(Self))
    }
}

/// The `{delivery}` of a path: a delivery's id.
pub struct DeliveryId(pub i64);

impl FromRequest for Id {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(number(request, "id").map(Self))
    }
}

impl FromRequest for DeliveryId {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(number(request, "delivery").map(Self))
    }
}

/// Parse an id. Each id has exactly one path: `+7` and `007` are 404.
fn number(request: &HttpRequest, name: &str) -> Result<i64> {
    let text = segment(request, name)?;
    text.parse().ok().filter(|id: &i64| id.to_string() == text).ok_or_else(Error::not_found)
}
