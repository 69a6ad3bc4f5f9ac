//! The caller of a request, as handlers receive it.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};

use crate::error::{Code, Error, Result};
use crate::models::Viewer;

/// The user whose token came with the request. In a handler's signature it closes the route: a request without a token gets 401.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    pub username: String,
    /// The key by which the name is looked up.
    pub username_key: String,
    /// Whether the user may administer everything.
    pub is_staff: bool,
    /// The session that the token belongs to.
    pub session_id: i64,
    /// When the user gave the password for that session.
    pub logged_in_at: DateTime<Utc>,
}

/// The caller of an open route: a user, or `None` without a token. A request with a bad token does not get here.
#[derive(Clone, Debug)]
pub struct MaybeUser(pub Option<Arc<CurrentUser>>);

/// The caller as the gate identified it, for the extractors.
#[derive(Clone, Debug)]
pub struct Caller(pub Option<Arc<CurrentUser>>);

impl CurrentUser {
    /// Return the caller in the form that queries use.
    pub fn viewer(&self) -> Viewer {
        if self.is_staff { Viewer::Staff(self.id) } else { Viewer::Member(self.id) }
    }

    /// 403 unless the user is staff.
    pub fn must_be_staff(&self) -> Result<()> {
        if self.is_staff { Ok(()) } else { Err(Error::forbidden()) }
    }
}

impl MaybeUser {
    /// Return the caller in the form that queries use.
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
