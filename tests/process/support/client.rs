//! A client that sends requests as a frontend would, each on its own connection, on the calling thread.

use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::PATIENCE;
use super::place::PUBLIC_URL;

/// A password that every rule allows.
pub const PASSWORD: &str = "correct horse battery";

/// A client, with or without a token.
pub struct Client {
    runtime: Runtime,
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Assert that the response has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another answer was expected: {}", self.text());
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            // A kept-alive connection could be one that a killed program has closed.
            http: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
            base: format!("http://{address}"),
            token: None,
        }
    }

    /// Log in as this user and send the token from now on.
    #[must_use]
    pub fn logged_in(mut self, username: &str) -> Self {
        let tokens = self.log_in(username, PASSWORD).expect(200).json();
        self.token = Some(text(&tokens, "/access_token"));
        self
    }

    /// Register this user, then log in.
    #[must_use]
    pub fn registered(self, username: &str) -> Self {
        self.register(username).expect(201);
        self.logged_in(username)
    }

    /// Send this access token from now on.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// Begin a request. The path may also be a URL that the service returned.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.strip_prefix(PUBLIC_URL).unwrap_or(path);
        assert!(path.starts_with('/'), "a URL of another place: {path}");
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Return the response, or an error if the connection failed.
    pub fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            Ok(Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                bytes: response.bytes().await?.to_vec(),
            })
        })
    }

    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("an answer was expected: {error:?}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }

    pub fn register(&self, username: &str) -> Answer {
        self.send(self.registration(username))
    }

    pub fn registration(&self, username: &str) -> RequestBuilder {
        let email = format!("{username}@example.org");
        self.request(Method::POST, "/api/v1/users")
            .json(&json!({ "username": username, "email": email, "password": PASSWORD }))
    }

    pub fn log_in(&self, login: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", &json!({ "login": login, "password": password }))
    }

    /// An upload form with one file.
    pub fn upload(&self, picture: Vec<u8>, file_name: &str) -> RequestBuilder {
        let part = Part::bytes(picture).file_name(file_name.to_owned());
        self.upload_form(Form::new().part("avatar", part))
    }

    pub fn upload_form(&self, form: Form) -> RequestBuilder {
        self.request(Method::PUT, "/api/v1/profiles/me/avatar").multipart(form)
    }
}

/// The string at a JSON pointer.
pub fn text(json: &Value, pointer: &str) -> String {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("there should be a text at {pointer}: {json}"))
        .to_owned()
}

/// Every URL of a picture: its own and those of its variants.
pub fn urls_of(picture: &Value) -> Vec<String> {
    let variants = picture["variants"].as_array().expect("a picture has variants");
    assert!(!variants.is_empty(), "a picture has variants: {picture}");
    std::iter::once(picture).chain(variants).map(|file| text(file, "/url")).collect()
}
