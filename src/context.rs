//! The context of a request, which every task that works for it shares: its id, its actor and its span of the log.

use std::future::Future;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::rt::task::JoinHandle;
use tracing::{Instrument, Span};

tokio::task_local! {
    static CURRENT: Context;
}

/// Maximum length of a request id that is accepted from a client.
const MAX_ID: usize = 128;

/// The context of a request.
#[derive(Clone, Debug)]
pub struct Context {
    /// The id that the response, the problem body and the log share.
    pub request_id: Arc<str>,
    /// The span of the request, which is entered whenever a task works for it.
    pub span: Span,
    /// The user who sent the request. The events that its transactions write name this user.
    actor: Option<i64>,
}

impl Context {
    /// Create the context of a request. Its id is the client's `X-Request-Id` if that is well formed (1 to 128 of letters, digits
    /// and `- _ . : / + =`), else a new UUID.
    pub fn new(headers: &HeaderMap) -> Self {
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let request_id: Arc<str> = match given {
            Some(id) if is_well_formed(id) => id.into(),
            _ => uuid::Uuid::new_v4().to_string().into(),
        };
        Self { span: tracing::info_span!("request", id = %request_id), request_id, actor: None }
    }

    /// Do `work` in this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        let work = work.instrument(self.span.clone());
        CURRENT.scope(self, work).await
    }
}

fn is_well_formed(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
}

/// Return the id of the current request; empty outside of one.
pub fn request_id() -> String {
    CURRENT.try_with(|context| context.request_id.to_string()).unwrap_or_default()
}

/// Return the user who sent the current request, if it is a known user.
pub fn actor() -> Option<i64> {
    CURRENT.try_with(|context| context.actor).ok().flatten()
}

/// Do `work` for the current request in the name of this user, if there is one.
pub async fn acting_as<F: Future>(user: Option<i64>, work: F) -> F::Output {
    match CURRENT.try_with(Clone::clone) {
        Ok(context) if user.is_some() => CURRENT.scope(Context { actor: user, ..context }, work).await,
        _ => work.await,
    }
}

/// Start a task that works for the current request.
pub fn spawn<F: Future + 'static>(work: F) -> JoinHandle<F::Output> {
    match CURRENT.try_with(Clone::clone) {
        Ok(context) => actix_web::rt::spawn(context.scope(work)),
        Err(_) => actix_web::rt::spawn(work),
    }
}
