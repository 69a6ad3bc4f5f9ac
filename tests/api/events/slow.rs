//! A client that does not read: the server does not buffer for it, and finally disconnects it.

use insta::assert_snapshot;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::sse::{STREAM, Sse};
use crate::app::TestApp;

/// Open a stream with a small receive buffer, and do not read it.
async fn idler(app: &TestApp, token: &str, last_event_id: i64) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let address = app.base.trim_start_matches("http://").parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("a connection");
    let request = format!(
        "GET {STREAM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nlast-event-id: {last_event_id}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    stream
}

#[actix_web::test]
async fn who_reads_nothing_is_hung_up_on_and_others_go_on() {
    let app = TestApp::with(&["--peer-patience", "3s", "--streams-per-user", "1"]).await;
    let (root, ana) = (app.staff("root"), app.member("ana"));
    ana.post("/api/v1/posts", json!({ "title": "Ada", "published": true })).await;
    app.published().await;
    let mut other = Sse::open(&ana).await;
    // More than all buffers on the way can hold.
    app.sql(
        "INSERT INTO comments (post_id, user_id, alias, content)
             SELECT NULL, id, 'A', repeat('x', 300) FROM users, generate_series(1, 20000) WHERE username = 'root'",
    );
    app.published().await;
    let idler = idler(&app, root.token.as_deref().expect("a token"), 0).await;
    app.eventually("it is seated", || app.app.state().streams.count() == 2).await;
    let refused = Sse::begin(&root, None).await.err().expect("a refusal");
    assert_snapshot!(refused.refusal(), @"429 too_many_streams");
    ana.post("/api/v1/posts", json!({ "title": "Bell" })).await;
    assert_snapshot!(other.told(1).await, @"post.created posts/bell [] ana");
    app.eventually("it is hung up on", || app.app.state().streams.count() == 1).await;
    Sse::open(&root).await;
    // A stream without anything to send stays open.
    ana.post("/api/v1/posts", json!({ "title": "Curie" })).await;
    assert_snapshot!(other.told(1).await, @"post.created posts/curie [] ana");
    drop(idler);
}
