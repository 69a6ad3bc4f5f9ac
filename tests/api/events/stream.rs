//! The format of a stream, where it begins, and how it resumes.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use plaza::timing::Timing;
use reqwest::Method;
use serde_json::json;

use super::Watch;
use super::sse::{STREAM, Sse};
use crate::app::{PATIENCE, TestApp, timing};
use crate::client::Client;

async fn post(client: &Client, title: &str) {
    let answer = client.post("/api/v1/posts", json!({ "title": title })).await;
    assert_eq!(answer.status, "201 Created", "{}", answer.json());
}

/// The position of the last event that this client may read.
async fn last(client: &Client) -> i64 {
    client.get("/api/v1/events?limit=1").await.at("/results/0/id").as_i64().expect("an id")
}

#[actix_web::test]
async fn a_stream_is_lines_as_the_html_standard_has_them() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let request = ana.request(Method::GET, STREAM).header("accept-encoding", "gzip, br");
    let mut stream = Sse::of(request).await.expect("a stream");
    for (name, value) in [
        ("content-type", "text/event-stream"),
        // Compression would delay events.
        ("content-encoding", "identity"),
        ("cache-control", "private, no-cache"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(stream.headers[name], value, "{name}");
    }
    assert!(!stream.headers.contains_key("content-length"), "it has no end");
    assert_snapshot!(stream.block().await.expect("a greeting"), @"
    : events follow
    retry: 1000
    ");
    post(&ana, "Ada\nLovelace").await;
    let told = stream.block().await.expect("an event");
    let list = ana.get("/api/v1/events").await;
    let lines: Vec<&str> = told.lines().collect();
    let [id, kind, data] = lines[..] else { panic!("three lines: {told}") };
    assert_eq!(id, format!("id: {}", list.at("/results/0/id")));
    assert_eq!(kind, "event: post.created");
    let data = data.strip_prefix("data: ").expect("its JSON");
    assert_eq!(serde_json::from_str::<serde_json::Value>(data).expect("JSON"), list.at("/results/0"));
}

#[actix_web::test]
async fn a_stream_begins_now_and_goes_on_after_an_event() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    post(&ana, "Ada").await;
    app.published().await;
    let ada = last(&ana).await;
    let mut now = Sse::open(&ana).await;
    post(&ana, "Bell").await;
    assert_snapshot!(now.told(1).await, @"post.created posts/bell [] ana");
    post(&ana, "Curie").await;
    assert_snapshot!(now.told(1).await, @"post.created posts/curie [] ana");
    assert_snapshot!(Sse::after(&ana, 0).await.told(3).await, @"
    post.created posts/ada [] ana
    post.created posts/bell [] ana
    post.created posts/curie [] ana
    ");
    let mut later = Sse::after(&ana, ada).await;
    assert_snapshot!(later.told(2).await, @"
    post.created posts/bell [] ana
    post.created posts/curie [] ana
    ");
    // A position in the future counts as the last one.
    let mut ahead = Sse::after(&ana, i64::MAX).await;
    post(&ana, "Dirac").await;
    assert_snapshot!(ahead.told(1).await, @"post.created posts/dirac [] ana");
    assert_snapshot!(later.told(1).await, @"post.created posts/dirac [] ana");
    assert_eq!(now.told(1).await, "post.created posts/dirac [] ana");
}

#[actix_web::test]
async fn more_than_is_read_at_once_comes_in_order() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let mut watch = Watch::begin(&app).await;
    app.sql(
        "INSERT INTO posts (slug, title, content, writer_id)
             SELECT 'p' || n, 'P', '', users.id FROM generate_series(1, 1234) AS n, users WHERE username = 'ana'",
    );
    let expected: Vec<_> = watch.events().await;
    let mut stream = Sse::after(&ana, 0).await;
    let mut told = Vec::new();
    for _ in 0..1234 {
        told.push(stream.next().await.expect("the stream goes on"));
        assert_eq!(stream.lines.0, told.last().expect("one")["id"].to_string());
    }
    assert_eq!(told, expected);
}

#[actix_web::test]
async fn what_is_no_id_is_refused() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    for id in ["", "x", "-1", "1.5", "1 2", "9223372036854775808", "0x10"] {
        let refusal = Sse::begin(&ana, Some(id)).await.err().expect("a refusal").refusal();
        assert_eq!(refusal, "400 invalid_header Last-Event-ID invalid_parameter", "{id}");
    }
    assert_eq!(app.app.state().streams.count(), 0, "a refused one takes no seat");
    assert_snapshot!(app.guest().get(STREAM).await.refusal(), @"401 authentication_required");
    assert_snapshot!(ana.with_token("x").get(STREAM).await.refusal(), @"401 access_token_invalid");
}

#[actix_web::test]
async fn head_tells_what_get_would_and_takes_no_seat() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let answer = tokio::time::timeout(PATIENCE, ana.head(STREAM)).await.expect("an answer");
    assert_eq!((answer.status.as_str(), answer.bytes.len()), ("200 OK", 0));
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let me = tokio::time::timeout(PATIENCE, ana.get("/api/v1/users/me")).await;
    assert_eq!(me.expect("the connection is free").status, "200 OK");
    app.eventually("no seat is taken", || app.app.state().streams.count() == 0).await;
}

#[actix_web::test]
async fn a_stream_on_which_nothing_happens_says_that_it_is_still_there() {
    let silence = Duration::from_secs(1);
    let app = TestApp::timed(Timing { stream_heartbeat: silence, ..timing() }, &[]).await;
    let ana = app.member("ana");
    app.published().await;
    let mut stream = Sse::open(&ana).await;
    let since = Instant::now();
    stream.block().await.expect("a greeting");
    for _ in 0..2 {
        assert_eq!(stream.block().await.expect("a word"), ": still here");
    }
    assert!(since.elapsed() >= silence, "not all the time: {:?}", since.elapsed());
}
