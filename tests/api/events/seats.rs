//! The limit of streams per user, and how a closed stream is detected.

use insta::assert_snapshot;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::sse::{STREAM, Sse};
use crate::app::TestApp;
use crate::client::Client;

async fn refusal(client: &Client) -> crate::client::Answer {
    Sse::begin(client, None).await.err().expect("a refusal")
}

#[actix_web::test]
async fn a_user_has_so_many_streams_and_a_client_that_goes_frees_its_seat() {
    let app = TestApp::with(&["--streams-per-user", "2"]).await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    let other = app.member("ana");
    let mut kept = Sse::open(&ana).await;
    let gone = Sse::open(&other).await;
    for client in [&ana, &other] {
        let refused = refusal(client).await;
        assert_eq!(refused.refusal(), "429 too_many_streams");
        assert_eq!(refused.header("retry-after"), "5");
    }
    let _theirs = Sse::open(&bob).await;
    assert_eq!(app.app.state().streams.count(), 3);
    drop(gone);
    // There is no event to send, so a failed write cannot reveal that the client has disconnected.
    app.eventually("the seat is free", || app.app.state().streams.count() == 2).await;
    let _again = Sse::open(&ana).await;
    assert_snapshot!(refusal(&ana).await.refusal(), @"429 too_many_streams");
    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    assert_snapshot!(kept.told(1).await, @"post.created posts/ada [] ana");
    // Each node has its own limit.
    let two = app.beside(&["--streams-per-user", "2"]);
    Sse::open(&two.guest().with_token(ana.token.as_deref().expect("a token"))).await;
}

#[actix_web::test]
async fn a_client_that_goes_before_the_answer_takes_no_seat() {
    let app = TestApp::new().await;
    let token = app.member("ana").token.expect("a token");
    let blocker = app.lock("LOCK TABLE publication IN ACCESS EXCLUSIVE MODE");
    let request = format!("GET {STREAM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut raw = TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("a connection");
    raw.write_all(request.as_bytes()).await.expect("a request");
    app.eventually("it is being seated", || app.app.state().streams.count() == 1).await;
    drop(raw);
    drop(blocker);
    app.eventually("the seat is free", || app.app.state().streams.count() == 0).await;
}
