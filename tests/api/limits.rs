//! Request bodies that are too large, too slow or incomplete, and queries that take too long.

use std::time::Duration;

use futures_util::stream;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{LOCKS, PATIENCE, TestApp};
use crate::client::send;

fn chunks(count: usize, size: usize) -> reqwest::Body {
    let chunk = vec![b' '; size];
    reqwest::Body::wrap_stream(stream::iter((0..count).map(move |_| Ok::<_, std::io::Error>(chunk.clone()))))
}

#[actix_web::test]
async fn json_over_a_mebibyte_is_refused_while_it_is_read() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let most = format!("{{\"title\": \"x\"{}}}", " ".repeat((1 << 20) - 14));
    assert_eq!(most.len(), 1 << 20);
    let post = |body: reqwest::Body| {
        send(ana.request(Method::POST, "/api/v1/posts").header("content-type", "application/json").body(body))
    };
    assert_snapshot!(post(most.clone().into()).await.status, @"201 Created");
    assert_snapshot!(post(format!("{most} ").into()).await.refusal(), @"413 payload_too_large  payload_too_large");
    assert_snapshot!(post(chunks(40, 1 << 16)).await.refusal(), @"413 payload_too_large  payload_too_large");
}

#[actix_web::test]
async fn an_upload_without_length_is_refused_past_the_limit() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let head = b"--x\r\ncontent-disposition: form-data; name=\"avatar\"; filename=\"a.jpg\"\r\n\r\n".to_vec();
    let body = stream::iter(
        std::iter::once(head).chain((0..200).map(|_| vec![0; 1 << 16])).map(Ok::<_, std::io::Error>),
    );
    let request = ana
        .request(Method::PUT, "/api/v1/profiles/me/avatar")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(reqwest::Body::wrap_stream(body));
    assert_snapshot!(send(request).await.refusal(), @"413 payload_too_large /avatar payload_too_large");
    assert_eq!(app.files(), Vec::<String>::new());
}

#[actix_web::test]
async fn what_stands_outside_of_a_forms_parts_counts_too() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let request = ana
        .request(Method::PUT, "/api/v1/profiles/me/avatar")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(reqwest::Body::wrap_stream(stream::iter(
            (0..200).map(|_| Ok::<_, std::io::Error>("preamble\r\n".repeat(6554))),
        )));
    assert_snapshot!(send(request).await.refusal(), @"413 payload_too_large  payload_too_large");
}

/// Send `head`, then a byte of body every 20 ms, and return the first line of the response.
async fn trickle(app: &TestApp, head: &str) -> String {
    let address = app.base.trim_start_matches("http://");
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(head.as_bytes()).await.expect("the head");
    let trickling = actix_web::rt::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if writer.write_all(b" ").await.is_err() {
                break;
            }
        }
    });
    let mut answer = vec![0; 512];
    let read = tokio::time::timeout(PATIENCE, reader.read(&mut answer)).await.expect("an answer in time");
    trickling.abort();
    let text = String::from_utf8_lossy(&answer[..read.expect("bytes")]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn a_body_that_trickles_is_given_up() {
    let app = TestApp::with(&["--body-grace", "300ms"]).await;
    let token = app.member("ana").token.expect("a token");
    let head = |method: &str, path: &str, kind: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n"
        )
    };
    assert_snapshot!(trickle(&app, &head("POST", "/api/v1/posts", "application/json")).await, @"HTTP/1.1 408 Request Timeout");
    let upload = head("PUT", "/api/v1/profiles/me/avatar", "multipart/form-data; boundary=x");
    assert_snapshot!(trickle(&app, &upload).await, @"HTTP/1.1 408 Request Timeout");
}

#[actix_web::test]
async fn a_body_that_began_quickly_may_not_dawdle_then() {
    let app = TestApp::with(&["--body-grace", "300ms"]).await;
    let token = app.member("ana").token.expect("a token");
    // If only the average rate counted, half a mebibyte would allow more than eight minutes.
    let head = format!(
        "POST /api/v1/posts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 1000000\r\n\r\n{}",
        " ".repeat(500_000)
    );
    assert_snapshot!(trickle(&app, &head).await, @"HTTP/1.1 408 Request Timeout");
}

#[actix_web::test]
async fn a_query_past_its_time_is_told_so() {
    let app = TestApp::with(&["--statement-timeout", "1s"]).await;
    let ana = app.member("ana");
    app.sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NEW; END';
         CREATE TRIGGER dawdle BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    let answer = ana.post("/api/v1/posts", json!({ "title": "x" })).await;
    assert_snapshot!(answer.refusal(), @"503 query_timeout");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(app.count("posts") + app.count("post_slugs"), 0);
}

#[actix_web::test]
async fn a_query_that_an_administrator_cancels_is_no_failure() {
    let app = TestApp::with(&["--statement-timeout", "60s"]).await;
    let ana = app.member("ana");
    // Requests that only read do not wait for this lock.
    let in_the_way = app.lock("LOCK TABLE posts IN SHARE MODE");
    let cancel = format!(
        "pg_stat_activity WHERE CASE WHEN pg_blocking_pids(pid) && ARRAY(SELECT pid FROM {LOCKS} \
         WHERE relation = 'posts'::regclass AND granted) THEN pg_cancel_backend(pid) END"
    );
    let posted = ana.post("/api/v1/posts", json!({ "title": "x" }));
    let cancelled = app.eventually("it waits, and is cancelled", || app.count(&cancel) == 1);
    let (answer, ()) = tokio::join!(posted, cancelled);
    assert_snapshot!(answer.refusal(), @"503 query_timeout");
    drop(in_the_way);
    assert_eq!(app.count("posts"), 0);
}

#[actix_web::test]
async fn odd_numbers_of_everything_never_cause_a_5xx() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let odd: Vec<Value> = vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("\u{ffff}"),
        json!("\u{202e}"),
        json!("x".repeat(300_000)),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "a": 1 }),
        json!(u64::MAX),
        json!("'; DROP TABLE posts; --"),
        json!("%_\\"),
        json!("\u{1F600}".repeat(100)),
    ];
    let members = [
        (
            "/api/v1/posts",
            Method::POST,
            vec!["title", "slug", "content", "category", "rating", "rank", "published", "editor"],
        ),
        ("/api/v1/users", Method::POST, vec!["username", "email", "password"]),
        ("/api/v1/users/me", Method::PATCH, vec!["email", "current_password", "is_active", "is_staff"]),
        ("/api/v1/profiles/me", Method::PATCH, vec!["display_name", "bio", "occupation", "phone"]),
        ("/api/v1/auth/login", Method::POST, vec!["login", "password"]),
        ("/api/v1/auth/refresh", Method::POST, vec!["refresh_token"]),
    ];
    for (path, method, names) in members {
        for name in names {
            for value in &odd {
                let mut body = json!({ "title": "x", "username": "u1", "email": "u@x.org", "password": "correct horse", "login": "ana" });
                if !path.ends_with("posts") {
                    body.as_object_mut().expect("an object").remove("title");
                }
                if !path.ends_with("users") {
                    for other in ["username", "email", "password"] {
                        body.as_object_mut().expect("an object").remove(other);
                    }
                }
                if !path.ends_with("login") {
                    body.as_object_mut().expect("an object").remove("login");
                }
                body[name] = value.clone();
                let answer = send(ana.request(method.clone(), path).json(&body)).await;
                assert!(!answer.status.starts_with('5'), "{path} {name} {value}: {answer:?}");
            }
        }
    }
}
