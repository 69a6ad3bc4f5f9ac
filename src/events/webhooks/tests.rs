//! Deliveries over real connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::client::{Client, Delivery, DeliveryError, Receipt};
use super::signature::{Secrets, WebhookSecret};
use crate::auth::secret::Secret;

/// More than any buffer on the way holds, and less than a client without a limit would accept.
const MUCH: usize = 1 << 26;
/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_mins(1);
const BODY: &str = r#"{"type":"post.created"}"#;

/// Create a client with more time than a test needs.
fn client(allow_private: bool) -> Client {
    Client::new(allow_private, PATIENCE)
}

fn secret() -> WebhookSecret {
    let secret = Secret::load(Some("an example secret of enough characters".into()), Path::new(""));
    Secrets::new(&secret.unwrap()).secret(7, 0)
}

fn delivery(url: &str) -> Delivery {
    let (url, body) = (url.parse().unwrap(), Bytes::from_static(BODY.as_bytes()));
    Delivery { url, id: "evt_7".into(), body, secrets: vec![secret()] }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks?key=s3cret", listener.local_addr().unwrap());
    (listener, url)
}

/// Run the server on another thread, while the test's runtime continues: the runtime is what closes connections.
async fn beside<T: Send + 'static>(
    server: impl FnOnce() -> T + Send + 'static,
    delivery: impl Future<Output = Result<Receipt, DeliveryError>>,
) -> (Result<Receipt, DeliveryError>, T) {
    let (done, served) = oneshot::channel();
    std::thread::spawn(move || done.send(server()));
    let both = async { (delivery.await, served.await.expect("the server did not panic")) };
    timeout(PATIENCE, both).await.expect("it does not take forever")
}

/// Accept the first connection and read its request.
fn receive(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().unwrap();
    let request = read_request(&mut stream);
    (stream, request)
}

fn read_request(stream: &mut TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.ends_with(BODY.as_bytes()) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the request ended early");
        request.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(request).unwrap()
}

/// Return the result of the delivery, and what `serve` made of the connection.
async fn against<T: Send + 'static>(
    serve: impl FnOnce(&mut TcpStream, String) -> T + Send + 'static,
) -> (Result<Receipt, DeliveryError>, T) {
    let (listener, url) = listen();
    let server = move || {
        let (mut stream, request) = receive(&listener);
        serve(&mut stream, request)
    };
    beside(server, client(true).deliver(delivery(&url))).await
}

async fn answered(head: &'static str) -> Result<Receipt, DeliveryError> {
    against(move |stream, _| stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap()).await.0
}

/// Return the number of bytes that the other side accepts before it closes the connection.
fn flood(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < MUCH && stream.write_all(bytes).is_ok() {
        taken += bytes.len();
    }
    taken
}

/// Wait until the other side closes the connection.
fn wait(stream: &mut TcpStream) {
    while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
}

#[tokio::test]
async fn a_delivery_is_a_signed_request_without_frills() {
    let (result, request) = against(|stream, request| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        request
    })
    .await;
    assert_eq!(result, Ok(Receipt { status: 200 }));
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /hooks?key=s3cret HTTP/1.1"));
    let headers: HeaderMap = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = ["accept", "content-length", "content-type", "host", "user-agent"];
    assert_eq!(names, [&expected[..], &["webhook-id", "webhook-signature", "webhook-timestamp"]].concat());
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["user-agent"], format!("Plaza/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(headers["webhook-id"], "evt_7");
    assert_eq!(body, BODY);
    let official = standardwebhooks::Webhook::new(&secret().reveal()).unwrap();
    official.verify(body.as_bytes(), &headers).unwrap();
}

#[tokio::test]
async fn two_hundreds_are_deliveries_and_nothing_else_is() {
    assert_eq!(answered("HTTP/1.1 204 No Content").await, Ok(Receipt { status: 204 }));
    assert_eq!(answered("HTTP/1.1 299 Whatever\r\ncontent-length: 0").await, Ok(Receipt { status: 299 }));
    for (head, status, told) in [
        ("HTTP/1.1 500 Oh", 500, "answered 500"),
        ("HTTP/1.1 404 Not Found", 404, "answered 404"),
        ("HTTP/1.1 304 Not Modified", 304, "answered 304: redirects are not followed"),
        ("HTTP/1.1 410 Gone", 410, "answered 410: gone"),
        ("HTTP/1.1 999 What", 999, "answered 999"),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade", 101, "answered 101"),
    ] {
        let error = answered(head).await.unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (Some(status), told));
        assert_eq!(error.is_gone(), status == 410, "{head}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, url) = listen();
    for status in [301, 302, 303, 307, 308] {
        let location = url.clone();
        let (result, ()) = against(move |stream, _| {
            let answer = format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        })
        .await;
        assert_eq!(result, Err(DeliveryError::Redirect(status)));
    }
    assert_untouched(&elsewhere);
}

#[tokio::test]
async fn whoever_hangs_up_or_speaks_otherwise_has_not_answered() {
    let (result, ()) = against(|_, _| ()).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DeliveryError::NoAnswer(_)) && error.status().is_none(), "{error}");
    let error = answered("220 mail.example ESMTP").await.unwrap_err();
    assert!(matches!(error, DeliveryError::NoAnswer(_)), "{error}");
    let (listener, url) = listen();
    drop(listener);
    let error = client(true).deliver(delivery(&url)).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection was refused");
}

#[tokio::test]
async fn a_failure_does_not_tell_the_url() {
    let (listener, url) = listen();
    let server = move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        wait(&mut stream);
    };
    let url = url.replace("http://", "https://");
    let (result, ()) = beside(server, client(true).deliver(delivery(&url))).await;
    let error = result.unwrap_err();
    assert!(matches!(error, DeliveryError::Connection(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    let bad = Delivery { id: "evt\n7".into(), ..delivery(&url) };
    let error = client(true).deliver(bad).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unsent(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn whoever_is_silent_or_slow_is_waited_for_only_so_long() {
    for (said, repeated) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\n", "x-more: to come\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let (listener, url) = listen();
        let server = move || {
            let (mut stream, _) = receive(&listener);
            drop(stream.write_all(said.as_bytes()));
            // Until the client closes the connection: no sign of life restarts the deadline. Each repetition is valid by itself
            // and beside others, since a slow client reads several together.
            while !repeated.is_empty() && stream.write_all(repeated.as_bytes()).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
            wait(&mut stream);
        };
        let client = Client::new(true, Duration::from_millis(300));
        let (result, ()) = beside(server, client.deliver(delivery(&url))).await;
        assert_eq!(result.unwrap_err().to_string(), "timed out", "{said:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_dropped() {
    for head in ["", "content-length: 1000000000000\r\n", "content-length: 1\r\ncontent-encoding: gzip\r\n"] {
        let (result, taken) = against(move |stream, _| {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes()).unwrap();
            flood(stream, "x".repeat(64 << 10).as_bytes())
        })
        .await;
        assert_eq!(result, Ok(Receipt { status: 200 }));
        assert!(taken < MUCH, "{taken}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_dropped() {
    let (result, ()) = against(|stream, _| {
        stream.write_all(b"HTTP/1.1 500 Oh\r\n\r\n").unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await;
    assert_eq!(result, Err(DeliveryError::Answered(500)));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_no_answer() {
    let head = b"HTTP/1.1 200 OK\r\n".as_slice();
    for (start, more) in
        [(head, "x-more: x\r\n"), (&[], "HTTP/1.1 200 "), (head, "x"), (head, "x: y\r\n y\r\n")]
    {
        let (result, taken) = against(move |stream, _| {
            stream.write_all(start).unwrap();
            flood(stream, more.repeat(4096).as_bytes())
        })
        .await;
        let error = result.unwrap_err();
        assert!(matches!(error, DeliveryError::NoAnswer(_)), "{error}");
        assert!(taken < MUCH, "{taken}");
    }
}

#[tokio::test]
async fn a_connection_serves_the_next_delivery_too() {
    let (listener, url) = listen();
    let server = move || {
        let (mut stream, _) = receive(&listener);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
    };
    let client = client(true);
    let deliveries = async {
        assert_eq!(client.deliver(delivery(&url)).await, Ok(Receipt { status: 200 }));
        client.clone().deliver(delivery(&url)).await
    };
    assert_eq!(beside(server, deliveries).await.0, Ok(Receipt { status: 202 }));
}

/// Check that no connection was made: a connection would wait in the listener's queue even if it is never accepted.
fn assert_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn private_addresses_are_not_called() {
    // For both address families, if the machine has both.
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.",
    ] {
        let error = client(false).deliver(delivery(&format!("http://{host}:{port}/"))).await;
        assert_eq!(error.unwrap_err().to_string(), "the address is private", "{host}");
    }
    assert_untouched(&listener);
    // The listener would have noticed a connection.
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap();
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told() {
    // Longer than a label of a name may be, so no name server is asked.
    let url = format!("http://{}.example/", "x".repeat(64));
    let error = client(false).deliver(delivery(&url)).await.unwrap_err();
    assert_eq!(error.to_string(), "the host was not found");
}

#[test]
fn deliveries_are_made_from_any_thread() {
    fn any_thread<T: Send>(_: T) {}
    let _ = |client: &Client, delivery: Delivery| any_thread(client.deliver(delivery));
}
