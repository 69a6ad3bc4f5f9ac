//! `Idempotency-Key`: a POST that is sent again, because its response was lost, runs once and returns the same answer.
//!
//! The answer is stored by the transaction of the request, so a crash leaves neither or both. While the first request runs, its
//! transaction holds a lock, by which a second request recognises this, on any node.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::TimeDelta;
use diesel::PgConnection;

use super::conditional::ResourceResponse;
use super::state::AppState;
use crate::auth::Caller;
use crate::db::Db;
use crate::error::{Code, Error, Result, Violation};
use crate::models::idempotency_key::Name;

/// The name of the header.
const KEY: &str = "idempotency-key";

/// Maximum number of characters of a key.
const MAX: usize = 128;

/// The request's `Idempotency-Key`, if it has one.
pub struct IdempotencyKey {
    name: Option<Name>,
    app: AppState,
}

impl IdempotencyKey {
    /// Combine the key with the content of the body. `body` is called only if there is a key.
    pub fn of(self, body: impl FnOnce() -> Vec<u8>) -> Request {
        let keys = &self.app.auth.idempotency;
        Request { named: self.name.map(|name| (name, keys.digest(&body()))), lifetime: keys.lifetime }
    }
}

/// The users whose data an answer shows. When one of them is deleted, the answer is no longer kept.
pub struct DataSubjects {
    owner: i64,
    others: Vec<i64>,
}

impl From<i64> for DataSubjects {
    /// An answer that shows the data of one user.
    fn from(owner: i64) -> Self {
        Self { owner, others: Vec::new() }
    }
}

impl DataSubjects {
    /// Add other users whose data the answer shows.
    #[must_use]
    pub fn and(mut self, others: impl IntoIterator<Item = i64>) -> Self {
        self.others.extend(others.into_iter().filter(|other| *other != self.owner));
        self
    }
}

/// A request that may have been made before.
#[derive(Clone)]
pub struct Request {
    named: Option<(Name, Vec<u8>)>,
    lifetime: TimeDelta,
}

impl Request {
    /// Do `work`, which returns the answer and the ids of the users whose data it shows. If the request was done before, return
    /// the earlier answer instead. This must be the last step of a transaction. 409 `idempotency_key_in_use` while the first
    /// request runs, 422 `idempotency_key_reused` if the key was sent with another body.
    pub fn once<S: Into<DataSubjects>>(
        &self,
        conn: &mut PgConnection,
        work: impl FnOnce(&mut PgConnection) -> Result<(ResourceResponse, S)>,
    ) -> Result<ResourceResponse> {
        let Some((name, digest)) = &self.named else { return work(conn).map(|(answer, _)| answer) };
        if !name.try_lock(conn)? {
            return Err(Error::refused(Code::IdempotencyKeyInUse, Code::IdempotencyKeyInUse.entry().meaning)
                .header(RETRY_AFTER, HeaderValue::from(1)));
        }
        if let Some(answer) = self.replay(conn)? {
            return Ok(answer);
        }
        let (answer, shown) = work(conn)?;
        let DataSubjects { owner, others } = shown.into();
        name.keep(conn, &answer.keep(digest.clone())?, owner, &others, self.lifetime)?;
        Ok(answer)
    }

    /// Return the earlier answer, if there is one. Call this before work for which a transaction should not wait.
    pub async fn answer(&self, db: &Db) -> Result<Option<ResourceResponse>> {
        if self.named.is_none() {
            return Ok(None);
        }
        let request = self.clone();
        db.run(move |conn| request.replay(conn)).await
    }

    fn replay(&self, conn: &mut PgConnection) -> Result<Option<ResourceResponse>> {
        let Some((name, digest)) = &self.named else { return Ok(None) };
        match name.find(conn)? {
            Some(kept) if kept.digest == *digest => ResourceResponse::replay(kept).map(Some),
            Some(_) => {
                let detail = "This key was already used with a different body.";
                let violation = Violation::parameter("Idempotency-Key", "idempotency_key_reused", detail);
                Err(Error::violation(Code::IdempotencyKeyReused, violation))
            }
            None => Ok(None),
        }
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request))
    }
}

fn read(request: &HttpRequest) -> Result<IdempotencyKey> {
    let app = AppState::of(request)?.clone();
    let mut headers = request.headers().get_all(KEY);
    let Some(header) = headers.next() else { return Ok(IdempotencyKey { name: None, app }) };
    let key = header
        .to_str()
        .ok()
        .filter(|key| (1..=MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    let (Some(key), None) = (key, headers.next()) else {
        let detail = "Send exactly one header, which must have 1 to 128 visible ASCII characters.";
        let violation = Violation::parameter("Idempotency-Key", "invalid_parameter", detail);
        return Err(Error::violation(Code::InvalidHeader, violation));
    };
    let caller =
        request.extensions().get::<Caller>().and_then(|caller| caller.0.as_ref().map(|user| user.id));
    let name = Name {
        // 0 stands for a caller without a token.
        caller: caller.unwrap_or_default(),
        route: format!("{} {}", request.method(), request.path()),
        key: key.to_owned(),
    };
    Ok(IdempotencyKey { name: Some(name), app })
}
