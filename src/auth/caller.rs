//! The caller of a request, as handlers take it.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};

use crate::error::{Code, Error, Result};
use crate::models::Viewer;

/// The user whose token came with the request. In a handler's signature it closes the route: without a token 401.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    pub username: String,
    /// The key that the name is found by.
    pub username_key: String,
    /// Whether the user may administer everything.
    pub is_staff: bool,
    /// The session that the token belongs to.
    pub session_id: i64,
    /// When its password was given.
    pub logged_in_at: DateTime<Utc>,
}

/// The caller of an open route: a user or nobody, but never a bad token.
#[derive(Clone, Debug)]
pub struct MaybeUser(pub Option<Arc<CurrentUser>>);

/// What the gate found out about the caller, for the extractors.
#[derive(Clone, Debug)]
pub struct Caller(pub Option<Arc<CurrentUser>>);

impl CurrentUser {
    /// What queries are told of the caller.
    pub fn viewer(&self) -> Viewer {
        if self.is_staff { Viewer::Staff(self.id) } else { Viewer::Member(self.id) }
    }

    /// 403 for everybody but staff.
    pub fn must_be_staff(&self) -> Result<()> {
        if self.is_staff { Ok(()) } else { Err(Error::forbidden()) }
    }
}

impl MaybeUser {
    /// What queries are told of the caller.
    pub fn viewer(&self) -> Viewer {
        self.0.as_ref().map_or(Viewer::Anonymous, |user| user.viewer())
    }
}

impl FromRequest for CurrentUser {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Caller>() {
            Some(Caller(Some(user))) => Ok(user.as_ref().clone()),
            _ => Err(Error::refused(Code::AuthenticationRequired, "Send an access token.")),
        })
    }
}

impl FromRequest for MaybeUser {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<Caller>().and_then(|caller| caller.0.clone()))))
    }
}
