//! Makes one delivery: one request to a public address, with bounded time and memory, whatever the receiver does.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Response, redirect};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::signature::{self, WebhookSecret};
use super::target::{is_public, names_private_address};

/// Timeout of a connection. The host's addresses share it, so that the next one gets its turn.
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum number of bytes of an answer's body that are read. If the whole body is read, the next delivery can reuse the
/// connection, and the receiver sees no error.
const BODY_MAX: usize = 4096;
/// Maximum time for that body, which no longer affects the outcome.
const BODY_TIME: Duration = Duration::from_secs(1);
/// Maximum number of idle connections that are kept for one host.
const IDLE_PER_HOST: usize = 2;
/// How long an idle connection is kept: shorter than common servers keep theirs, since the side that closes the connection may do
/// so while a request is sent.
const IDLE_TIME: Duration = Duration::from_secs(2);
/// Maximum length, in characters, of a cause that comes from a library. Some of them may come from the receiver.
const CAUSE_MAX: usize = 200;

const USER_AGENT: &str = concat!("Plaza/", env!("CARGO_PKG_VERSION"));
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What to deliver. The path of the URL may be a secret, so this type cannot be printed.
#[derive(Clone)]
pub struct Delivery {
    /// The target, as [`parse`](super::target::parse) returns it.
    pub url: Url,
    /// The id by which the receiver recognizes a retry: the same for every attempt. Visible ASCII without dots.
    pub id: String,
    /// The event as JSON.
    pub body: Bytes,
    /// The secrets that sign it: the present one and, after a rotation, also the former one.
    pub secrets: Vec<WebhookSecret>,
}

/// The receiver accepted the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The status, from 200 to 299.
    pub status: u16,
}

/// Why a delivery failed. The text contains no secret and no part of the URL, whose path may be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The receiver never wants another delivery (410).
    #[error("answered 410: gone")]
    Gone,
    /// The receiver answered with a redirect, which is not followed.
    #[error("answered {0}: redirects are not followed")]
    Redirect(u16),
    /// The receiver answered with another status that does not mean success.
    #[error("answered {0}")]
    Answered(u16),
    /// No status arrived in time.
    #[error("timed out")]
    TimedOut,
    /// The host is an address that is not public, or has no public address.
    #[error("the address is private")]
    Private,
    /// The host's name has no address.
    #[error("the host was not found")]
    NotFound,
    /// Nothing listens at the address.
    #[error("the connection was refused")]
    Refused,
    /// No connection could be made, or no encrypted one.
    #[error("cannot connect: {0}")]
    Connection(String),
    /// The connection broke, or the answer is not HTTP.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The request could not be made at all.
    #[error("cannot send: {0}")]
    Unsent(String),
}

impl DeliveryError {
    /// Return the status that the receiver answered with, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Gone => Some(410),
            Self::Redirect(status) | Self::Answered(status) => Some(*status),
            _ => None,
        }
    }

    /// Whether the receiver asks never to be called again.
    pub fn is_gone(&self) -> bool {
        *self == Self::Gone
    }
}

/// Makes deliveries. Clones share the client and its connections, which live on the runtime that created them.
#[derive(Clone)]
pub struct Client {
    /// Created for the first delivery: creating it reads the machine's certificate authorities, and fails where there are none.
    http: Arc<OnceLock<reqwest::Client>>,
    allow_private: bool,
    deadline: Duration,
}

impl Client {
    /// Create a client. `allow_private` lets it call every address. `deadline` is the timeout of a delivery.
    pub fn new(allow_private: bool, deadline: Duration) -> Self {
        Self { http: Arc::default(), allow_private, deadline }
    }

    /// Sign and send one delivery, within the deadline.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Receipt, DeliveryError> {
        let end = Instant::now() + self.deadline;
        let answer = timeout_at(end, self.send(delivery)).await.map_err(|_| DeliveryError::TimedOut)??;
        let status = answer.status().as_u16();
        // The status has arrived; reading the body only serves the reuse of the connection.
        let _ = timeout_at(end.min(Instant::now() + BODY_TIME), read(answer)).await;
        match status {
            200..300 => Ok(Receipt { status }),
            300..400 => Err(DeliveryError::Redirect(status)),
            410 => Err(DeliveryError::Gone),
            _ => Err(DeliveryError::Answered(status)),
        }
    }

    /// Send the request, and wait for the head of the answer.
    async fn send(&self, delivery: Delivery) -> Result<Response, DeliveryError> {
        let Delivery { url, id, body, secrets } = delivery;
        // The resolver checks the addresses of a name. An address never gets there, so it is checked here.
        if !self.allow_private && names_private_address(&url) {
            return Err(DeliveryError::Private);
        }
        let timestamp = Utc::now().timestamp();
        let signature = signature::header(&secrets, &id, timestamp, &body);
        let request = self
            .http()?
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(WEBHOOK_ID, id)
            .header(WEBHOOK_TIMESTAMP, timestamp)
            .header(WEBHOOK_SIGNATURE, signature)
            .body(body);
        request.send().await.map_err(|error| explain(&error))
    }

    fn http(&self) -> Result<&reqwest::Client, DeliveryError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = build(self.allow_private).map_err(|error| DeliveryError::Unsent(cause(&error)))?;
        Ok(self.http.get_or_init(|| http))
    }
}

fn build(allow_private: bool) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .dns_resolver(PublicAddresses { allow_private })
        .redirect(redirect::Policy::none())
        // A proxy would look up names for us, and connect to whatever it finds.
        .no_proxy()
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        // With HTTP/2, the receiver could fill larger windows than we empty. hyper limits heads to 400 KiB.
        .http1_only()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_TIME)
        .build()
}

/// Read the body up to its end or to the maximum length.
async fn read(mut answer: Response) {
    let mut length = 0;
    while length <= BODY_MAX
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        length += chunk.len();
    }
}

/// Looks up names and returns their public addresses. The client connects to what this returns, so it does not matter what the
/// name meant before or means afterwards.
struct PublicAddresses {
    allow_private: bool,
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await.map_err(|_| LookupFault::NotFound)?;
            let addresses = callable(found, allow_private)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Return the addresses that may be called, in the order found.
fn callable(
    found: impl Iterator<Item = SocketAddr>,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, LookupFault> {
    let mut found = found.peekable();
    if found.peek().is_none() {
        return Err(LookupFault::NotFound);
    }
    let callable: Vec<_> = found.filter(|address| allow_private || is_public(address.ip())).collect();
    if callable.is_empty() { Err(LookupFault::Private) } else { Ok(callable) }
}

/// Why a name has no address to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum LookupFault {
    #[error("not found")]
    NotFound,
    #[error("private")]
    Private,
}

/// Find the cause in the chain that explains the failure. The error's own text is not used: it contains the URL.
fn explain(error: &reqwest::Error) -> DeliveryError {
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    if let Some(fault) = causes().find_map(|cause| cause.downcast_ref()) {
        return match fault {
            LookupFault::NotFound => DeliveryError::NotFound,
            LookupFault::Private => DeliveryError::Private,
        };
    }
    let kind = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        _ if error.is_timeout() => DeliveryError::TimedOut,
        Some(io::ErrorKind::TimedOut) => DeliveryError::TimedOut,
        Some(io::ErrorKind::ConnectionRefused) => DeliveryError::Refused,
        _ if error.is_connect() => DeliveryError::Connection(cause(error)),
        _ if error.is_builder() => DeliveryError::Unsent(cause(error)),
        _ => DeliveryError::NoAnswer(cause(error)),
    }
}

/// Return the last cause, shortened and without control characters.
fn cause(error: &reqwest::Error) -> String {
    let last = std::iter::successors(error.source(), |cause| (*cause).source()).last();
    let text = last.map_or_else(|| "unknown cause".to_owned(), ToString::to_string);
    text.chars().filter(|c| !c.is_control()).take(CAUSE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_with_several_addresses_the_public_ones_are_passed_on() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let pass = |texts: &[&str], allow| callable(addresses(texts).into_iter(), allow);
        let mixed = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700:4700::1111", "::ffff:127.0.0.1"];
        assert_eq!(pass(&mixed, false), Ok(addresses(&["8.8.8.8", "2606:4700:4700::1111"])));
        assert_eq!(pass(&mixed, true), Ok(addresses(&mixed)));
        assert_eq!(pass(&["127.0.0.1", "::1"], false), Err(LookupFault::Private));
        assert_eq!(pass(&[], true), Err(LookupFault::NotFound));
    }
}
