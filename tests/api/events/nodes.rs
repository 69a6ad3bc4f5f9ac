//! A stream shows what happened on any node, or directly in the database.

use insta::assert_snapshot;
use serde_json::json;

use super::sse::Sse;
use crate::app::TestApp;

#[actix_web::test]
async fn a_stream_shows_what_another_node_and_plain_sql_wrote() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let ana = one.member("ana");
    let elsewhere = two.guest().with_token(ana.token.as_deref().expect("a token"));
    let (mut here, mut there) = (Sse::open(&ana).await, Sse::open(&elsewhere).await);
    elsewhere.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    assert_snapshot!(here.told(1).await, @"post.created posts/ada [] ana");
    ana.post("/api/v1/posts", json!({ "title": "Bell" })).await;
    assert_snapshot!(there.told(2).await, @"
    post.created posts/ada [] ana
    post.created posts/bell [] ana
    ");
    assert_eq!(here.told(1).await, "post.created posts/bell [] ana");
    one.sql("UPDATE posts SET rank = 5 WHERE slug = 'ada'");
    assert_snapshot!(here.told(1).await, @"post.updated posts/ada [rank] -");
    assert_eq!(there.told(1).await, "post.updated posts/ada [rank] -");
    assert_eq!(here.lines, there.lines, "the same event on both");
}

#[actix_web::test]
async fn a_node_that_was_cut_off_catches_up() {
    let one = TestApp::new().await;
    let ana = one.member("ana");
    one.hears().await;
    one.published().await;
    let mut stream = Sse::open(&ana).await;
    for round in 0..5 {
        let before = one.listener();
        one.sql(&format!("SELECT pg_terminate_backend({before})"));
        // Most of these events are published while the node does not listen.
        ana.post("/api/v1/posts", json!({ "title": format!("P{round}") })).await;
        one.published().await;
        assert_eq!(stream.told(1).await, format!("post.created posts/p{round} [] ana"));
        one.eventually("it listens again", || ![0, before].contains(&one.listener())).await;
    }
}

#[actix_web::test]
async fn a_node_that_hears_nothing_for_a_while_goes_on_where_it_was() {
    let one = TestApp::new().await;
    let ana = one.member("ana");
    one.hears().await;
    let two = one.beside(&[]);
    two.hears().await;
    one.published().await;
    // Either node may publish the events. It must not matter which one does.
    let deaf = one.deafen();
    let elsewhere = two.guest().with_token(ana.token.as_deref().expect("a token"));
    let streams = [Sse::open(&ana).await, Sse::open(&elsewhere).await];
    for number in 0..3 {
        ana.post("/api/v1/posts", json!({ "title": format!("P{number}") })).await;
    }
    one.published().await;
    drop(deaf);
    for mut stream in streams {
        assert_eq!(
            stream.told(3).await,
            "post.created posts/p0 [] ana\npost.created posts/p1 [] ana\npost.created posts/p2 [] ana"
        );
    }
}
