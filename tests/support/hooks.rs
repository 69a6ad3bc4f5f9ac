//! A real HTTP server for tests. It receives and records the deliveries of webhooks, and misbehaves as a test
//! requires.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// The time between two bytes of a response that trickles.
const DRIP: Duration = Duration::from_millis(20);
/// How long it may take until a port is free again.
const PORT: Duration = Duration::from_mins(1);
/// The `Content-Length` of an endless response.
const GIGABYTE: usize = 1 << 30;

/// A request that was read completely.
#[derive(Clone, Debug)]
pub struct Received {
    /// Such as `/hooks`.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    /// The event in the body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The event's type.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// The event's type and the last segment of the resource's URL, such as `post.created ada`.
    pub fn line(&self) -> String {
        let event = self.json();
        let name = event["resource"]["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or("-");
        format!("{} {name}", self.kind())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether a receiver that knows only this secret accepts the signature.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a secret");
        webhook.verify(&self.body, &self.headers).is_ok()
    }
}

/// How the server answers a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An empty response with this status.
    Status(u16),
    /// 307 with this `Location`.
    Redirect(String),
    /// No response, until the client disconnects.
    Hang,
    /// Close the connection.
    Close,
    /// A response whose head never ends, sent byte by byte.
    Trickle,
    /// 200 and a gigabyte, as fast as the client reads it.
    Flood,
    /// 200 and a gigabyte of headers, as fast as the client reads them.
    FloodOfHeaders,
}

type Rule = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// A server on its own port, which ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    listens: Option<JoinHandle<()>>,
}

struct State {
    received: Mutex<Vec<Received>>,
    rule: Mutex<Rule>,
    streams: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Receiver {
    /// Start a server that answers every request with 204.
    pub fn start() -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Start a server that answers every request like this.
    pub fn that(answer: Answer) -> Self {
        let receiver = Self::start();
        receiver.answer(answer);
        receiver
    }

    fn on(address: SocketAddr) -> Self {
        let deadline = Instant::now() + PORT;
        let listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let address = listener.local_addr().expect("its own address");
        let state = Arc::new(State {
            received: Mutex::default(),
            rule: Mutex::new(Arc::new(|_| Answer::Status(204))),
            streams: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let listens = thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !shared.is_over()) {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&shared);
                if let Ok(stream) = stream.try_clone() {
                    lock(&state.streams).push(stream);
                }
                // A client that disconnects ends only its own connection.
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state, listens: Some(listens) }
    }

    /// End the server immediately, in the middle of any request. Return its address and what it had received; the
    /// rest of its state is lost.
    pub fn kill(mut self) -> (SocketAddr, Vec<Received>) {
        self.end();
        (self.address, self.received())
    }

    /// Start a server on the port of a killed one.
    pub fn again(address: SocketAddr) -> Self {
        Self::on(address)
    }

    fn end(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that the server is to end.
        drop(TcpStream::connect(self.address));
        if let Some(listens) = self.listens.take() {
            drop(listens.join());
        }
        for stream in lock(&self.state.streams).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// `http://127.0.0.1:PORT/hooks`.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answer every request like this from now on.
    pub fn answer(&self, answer: Answer) {
        self.answers(move |_| answer.clone());
    }

    /// Answer requests according to this rule from now on.
    pub fn answers(&self, rule: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *lock(&self.state.rule) = Arc::new(rule);
    }

    /// All requests so far, in the order in which they arrived, whatever the response was.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    pub fn count(&self) -> usize {
        lock(&self.state.received).len()
    }

    /// The [line](Received::line) of each request.
    pub fn lines(&self) -> Vec<String> {
        self.received().iter().map(Received::line).collect()
    }

    pub fn forget(&self) {
        lock(&self.state.received).clear();
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end();
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Serve the requests of a connection, one after the other.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read(&mut reader)? {
            if self.is_over() {
                return Ok(());
            }
            lock(&self.received).push(request.clone());
            let rule = Arc::clone(&lock(&self.rule));
            match rule(&request) {
                Answer::Status(status) => {
                    write!(stream, "HTTP/1.1 {status} Said\r\n{}\r\n", length_of(status))?;
                }
                Answer::Redirect(to) => {
                    write!(stream, "HTTP/1.1 307 Said\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")?;
                }
                Answer::Hang => drop(reader.read(&mut [0])?),
                Answer::Close => return stream.shutdown(Shutdown::Both),
                Answer::Trickle => loop {
                    for byte in b"HTTP/1.1 200 OK\r\nx-and: so on\r\n" {
                        stream.write_all(&[*byte])?;
                        thread::sleep(DRIP);
                    }
                },
                Answer::Flood => {
                    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n")?;
                    flood(&mut stream, b"x")?;
                }
                Answer::FloodOfHeaders => {
                    write!(stream, "HTTP/1.1 200 OK\r\n")?;
                    flood(&mut stream, b"x-and: so on\r\n")?;
                }
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it in hand")
}

fn length_of(status: u16) -> &'static str {
    if status == 204 { "" } else { "content-length: 0\r\n" }
}

/// Send these bytes repeatedly, a gigabyte in total.
fn flood(stream: &mut TcpStream, same: &[u8]) -> io::Result<()> {
    let bytes = same.repeat((1 << 16) / same.len());
    for _ in 0..GIGABYTE / bytes.len() {
        stream.write_all(&bytes)?;
    }
    Ok(())
}

/// The next request of a connection; `None` if the client closed it.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        headers.append(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Received { path, headers, body }))
}
