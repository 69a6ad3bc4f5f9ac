//! The attack matrix for access tokens. Every row is tested on an open operation, a closed one and one that writes. A
//! valid token in the same test shows that the operations work.
//!
//! Where possible, a row has the service's own signature: then only the fault in its name can cause the rejection.

mod claims;
mod headers;
mod signatures;

use std::slice;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chrono::Utc;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::Answer;
use crate::mint::{Attacker, Mint, assemble, hs256, hs512, text};

const INVALID: &[&str] = &["401 access_token_invalid"];
const EXPIRED: &[&str] = &["401 token_expired"];
const REVOKED: &[&str] = &["401 session_revoked"];
/// The HTTP server may reject long headers before any handler runs. Both responses are correct.
const LONG: &[&str] = &["401 access_token_invalid", "400 Bad Request", "431 Request Header Fields Too Large"];
/// If a header is longer than the server ever reads, the server may close the connection before the client has read
/// the response. If the request arrives in one piece, the server may still read all of it. Then the token is invalid.
const TOO_LONG: &[&str] =
    &["400 Bad Request", "401 access_token_invalid", "431 Request Header Fields Too Large", CUT_OFF];
const CUT_OFF: &str = "no answer";

/// The responses of three operations to these `Authorization` headers: an open one, a closed one, and one that
/// writes.
async fn knock(app: &TestApp, headers: &[String]) -> Vec<(&'static str, String)> {
    let doors = [
        ("GET /posts", Method::GET, "/api/v1/posts"),
        ("GET /users/me", Method::GET, "/api/v1/users/me"),
        ("PATCH /profiles/me", Method::PATCH, "/api/v1/profiles/me"),
    ];
    let mut answers = Vec::new();
    for (door, method, path) in doors {
        let is_write = method == Method::PATCH;
        let mut request = app.guest().request(method, path);
        for header in headers {
            request = request.header("authorization", header);
        }
        if is_write {
            request = request.json(&json!({ "bio": "Somebody was here." }));
        }
        answers.push((door, said(request).await));
    }
    answers
}

/// The status and code of an error response, otherwise the status; or that there was no response.
async fn said(request: RequestBuilder) -> String {
    let Ok(response) = request.send().await else { return CUT_OFF.into() };
    let answer = Answer::of(response).await;
    let is_problem = answer.header("content-type") == "application/problem+json";
    if is_problem { answer.refusal() } else { answer.status }
}

/// Test every row on every operation. Each must be rejected with one of `expected`, and nothing may have been
/// written. Then the valid token must be accepted.
async fn refuses_headers(app: &TestApp, mint: &Mint, expected: &[&str], rows: Vec<(String, Vec<String>)>) {
    let mut wrong = Vec::new();
    for (name, headers) in rows {
        for (door, said) in knock(app, &headers).await {
            if !expected.contains(&said.as_str()) {
                wrong.push(format!("{name} at {door}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "answered otherwise than with {expected:?}: {wrong:#?}");
    assert_eq!(app.count("profiles WHERE bio IS NOT NULL"), 0, "nothing was written");
    admits(app, &[format!("Bearer {}", mint.token)]).await;
    assert_eq!(app.count("profiles WHERE bio IS NOT NULL"), 1, "the good token wrote");
    app.sql("UPDATE profiles SET bio = NULL");
}

/// Rows whose names share a prefix.
fn named<const N: usize>(what: &str, rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.into_iter().map(|(name, token)| (format!("{what} {name}"), token)).collect()
}

async fn refuses<N: Into<String>>(app: &TestApp, mint: &Mint, expected: &[&str], rows: Vec<(N, String)>) {
    let rows = rows.into_iter().map(|(name, token)| (name.into(), vec![format!("Bearer {token}")]));
    refuses_headers(app, mint, expected, rows.collect()).await;
}

/// Assert that every operation accepts each of these headers on its own.
async fn admits(app: &TestApp, headers: &[String]) {
    for header in headers {
        for (door, said) in knock(app, slice::from_ref(header)).await {
            assert_eq!(said, "200 OK", "{header} at {door}");
        }
    }
}
