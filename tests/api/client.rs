//! A client: requests as a frontend would send them, and responses as it would see them.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client, with or without a token.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub base: String,
    pub token: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// `201 Created`.
    pub status: String,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

/// What all clients of a node share. Each test has its own: connections belong to the test's runtime.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_gzip()
        .no_brotli()
        // Nothing here uses TLS, so the machine's certificates need not be read.
        .tls_certs_only([])
        // The server closes a connection that was idle for 5 s. A test that was busy in the meantime would not have
        // noticed.
        .pool_idle_timeout(Duration::from_secs(3))
        .build()
        .expect("a client")
}

impl Client {
    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Begin a request. `path` may be a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        send(self.request(Method::HEAD, path)).await
    }

    pub async fn get_with(&self, path: &str, header: &'static str, value: &str) -> Answer {
        send(self.request(Method::GET, path).header(header, value)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn patch_if(&self, path: &str, tag: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).header("If-Match", tag).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn put_if(&self, path: &str, tag: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).header("If-Match", tag).json(&body)).await
    }

    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).header("Idempotency-Key", key).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn delete_if(&self, path: &str, tag: &str) -> Answer {
        send(self.request(Method::DELETE, path).header("If-Match", tag)).await
    }

    /// Upload one file, in one part of a form.
    pub async fn upload(&self, path: &str, part: &str, bytes: Vec<u8>) -> Answer {
        let file =
            Part::bytes(bytes).file_name("../../etc/picture.exe").mime_str("text/plain").expect("a type");
        self.form(path, Form::new().part(part.to_owned(), file)).await
    }

    pub async fn form(&self, path: &str, form: Form) -> Answer {
        send(self.request(Method::PUT, path).multipart(form)).await
    }
}

/// Send a request and read the whole response.
pub async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.expect("an answer")).await
}

/// Send a request line as it is, on a new connection, and read the response.
pub async fn bare(base: &str, request_line: &str) -> String {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("{request_line}\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

impl Answer {
    /// Read the whole response.
    pub async fn of(response: Response) -> Self {
        Self {
            status: response.status().to_string(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.expect("a body").to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        self.headers.get(name).map(HeaderValue::to_str).transpose().expect("text").unwrap_or_default()
    }

    /// A field of the body, by RFC 6901 pointer; `null` if there is none.
    pub fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// A field that is a string.
    pub fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("{pointer} is no text in {self:?}")).to_owned()
    }

    /// One field of every item of a list, such as `ai, tech`.
    pub fn each(&self, list: &str, member: &str) -> String {
        let list = self.at(list);
        let items = list.as_array().unwrap_or_else(|| panic!("no list in {self:?}")).iter();
        items.map(|item| item[member].to_string().replace('"', "")).collect::<Vec<_>>().join(", ")
    }

    /// An error response in one line, after asserting that it is a complete problem: status, code and faults, such as
    /// `422 validation_failed /title too_long, /slug invalid_slug`.
    pub fn refusal(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        for member in ["type", "title", "detail", "instance", "code"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {body}");
        }
        assert_eq!(body["instance"], self.header("x-request-id"));
        assert!(self.status.starts_with(&body["status"].to_string()), "{body}");
        let faults: Vec<String> = body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|fault| {
                let place = fault["pointer"].as_str().or(fault["parameter"].as_str()).expect("a place");
                format!(" {place} {}", fault["code"].as_str().expect("a code"))
            })
            .collect();
        format!("{} {}{}", body["status"], body["code"].as_str().expect("a code"), faults.join(","))
    }
}
