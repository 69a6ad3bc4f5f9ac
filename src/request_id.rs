//! The id of the current request, which the response, the problem body and the log share.

use std::future::Future;

use actix_web::http::header::HeaderMap;

tokio::task_local! {
    static CURRENT: String;
}

/// Maximum length of an id that is accepted from a client.
const MAX: usize = 128;

/// Return the client's `X-Request-Id` if it is well formed (1 to 128 of letters, digits and `- _ . : / + =`), else a new UUID.
pub fn of(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    match given {
        Some(id) if is_well_formed(id) => id.to_owned(),
        _ => uuid::Uuid::new_v4().to_string(),
    }
}

fn is_well_formed(id: &str) -> bool {
    (1..=MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
}

/// Run the future that answers a request, under the request's id.
pub async fn scope<F: Future>(id: String, future: F) -> F::Output {
    CURRENT.scope(id, future).await
}

/// Return the id of the request that this task answers; empty outside of one.
pub fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}
