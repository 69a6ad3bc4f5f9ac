//! Events get their positions after the commit, from one node at a time, so that no event appears before one that was
//! already read.

use diesel::connection::SimpleConnection;
use insta::assert_snapshot;
use serde_json::json;

use super::sse::Sse;
use crate::app::TestApp;
use crate::client::Client;

/// Assert that positions have no gaps and are unique, and that the events of each resource are in the order of their
/// writes.
fn is_in_order(app: &TestApp) {
    let number = app.count("events");
    assert_eq!(app.lines("SELECT max(id)::text FROM events"), number.to_string(), "there is no gap");
    assert_eq!(app.lines("SELECT last_position::text FROM publication"), number.to_string());
    let order =
        "(SELECT created_at, lag(created_at) OVER (PARTITION BY resource_type, resource_id ORDER BY id) AS before
                  FROM events_with_names) AS pairs WHERE before > created_at";
    assert_eq!(app.count(order), 0, "of one resource in order");
}

/// Create a member with the posts `ada` and `bell`, and open a stream.
async fn with_two_posts(app: &TestApp) -> (Client, Sse) {
    let ana = app.member("ana");
    for title in ["Ada", "Bell"] {
        ana.post("/api/v1/posts", json!({ "title": title })).await;
    }
    app.published().await;
    let stream = Sse::open(&ana).await;
    (ana, stream)
}

#[actix_web::test]
async fn what_commits_late_comes_after_what_has_been_read() {
    let app = TestApp::new().await;
    let (ana, mut stream) = with_two_posts(&app).await;
    // Written first, but not yet committed.
    let mut late = app.lock("UPDATE posts SET rank = 4 WHERE slug = 'ada'");
    ana.patch("/api/v1/posts/bell", json!({ "rank": 4 })).await;
    assert_snapshot!(stream.told(1).await, @"post.updated posts/bell [rank] ana");
    let early: i64 = stream.lines.0.parse().expect("an id");
    late.batch_execute("COMMIT").expect("a commit");
    assert_snapshot!(stream.told(1).await, @"post.updated posts/ada [rank] -");
    assert_eq!(stream.lines.0, (early + 1).to_string());
    assert_snapshot!(Sse::after(&ana, early).await.told(1).await, @"post.updated posts/ada [rank] -");
    let written =
        app.lines("SELECT resource_key FROM events WHERE type = 'post.updated' ORDER BY created_at");
    assert_eq!(written, "ada\nbell", "that was the other way round");
    is_in_order(&app);
}

#[actix_web::test]
async fn what_is_rolled_back_leaves_no_gap() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    for _ in 0..5 {
        app.sql("BEGIN; UPDATE posts SET rank = 5; ROLLBACK; UPDATE posts SET title = title || '!'");
        app.published().await;
    }
    assert_eq!(app.count("events WHERE type = 'post.updated'"), 5);
    is_in_order(&app);
}

#[actix_web::test]
#[expect(clippy::disallowed_methods, reason = "one thread of a test, which waits for PostgreSQL")]
async fn nodes_that_publish_at_once_give_each_place_once() {
    let one = TestApp::new().await;
    let nodes = [one.beside(&[]), one.beside(&[])];
    let ana = one.member("ana");
    for number in 0..6 {
        ana.post("/api/v1/posts", json!({ "title": format!("P{number}") })).await;
    }
    let token = ana.token.clone().expect("a token");
    let writers: Vec<_> = [&one, &nodes[0], &nodes[1]]
        .into_iter()
        .map(|node| node.guest().with_token(&token))
        .enumerate()
        .map(|(place, client)| {
            actix_web::rt::spawn(async move {
                for round in 0..60 {
                    let path = format!("/api/v1/posts/p{}", (place + round) % 6);
                    let answer = client.patch(&path, json!({ "title": format!("{place} {round}") })).await;
                    assert_eq!(answer.status, "200 OK", "{answer:?}");
                }
            })
        })
        .collect();
    let bulk = {
        let mut conn = one.lock("");
        tokio::task::spawn_blocking(move || {
            for round in 0..40 {
                let change = format!("COMMIT; BEGIN; UPDATE posts SET title = 'T{round}'");
                conn.batch_execute(&change).expect("a change");
            }
            conn.batch_execute("COMMIT").expect("a commit");
        })
    };
    for writer in writers {
        writer.await.expect("no panic");
    }
    bulk.await.expect("no panic");
    one.published().await;
    assert!(one.count("events") > 240 + 6 + 100, "there was something to publish");
    is_in_order(&one);
}

#[actix_web::test]
async fn what_is_being_erased_holds_up_its_own_resource_alone() {
    let app = TestApp::new().await;
    let (ana, mut stream) = with_two_posts(&app).await;
    let nobody_publishes = app.lock("SELECT FROM publication FOR UPDATE");
    for (slug, rank) in [("ada", 1), ("ada", 2), ("bell", 4)] {
        ana.patch(&format!("/api/v1/posts/{slug}"), json!({ "rank": rank })).await;
    }
    let erasing = app.lock("SELECT FROM unpublished_events ORDER BY id LIMIT 1 FOR UPDATE");
    drop(nobody_publishes);
    assert_snapshot!(stream.told(1).await, @"post.updated posts/bell [rank] ana");
    assert_eq!(
        app.lines("SELECT data->>'rank' FROM unpublished_events ORDER BY id"),
        "1\n2",
        "in order, or not yet"
    );
    drop(erasing);
    stream.told(2).await;
    let order = "SELECT data->>'rank' FROM events WHERE type = 'post.updated' ORDER BY id";
    assert_eq!(app.lines(order), "4\n1\n2");
}

#[actix_web::test]
async fn somebody_who_holds_the_lock_delays_and_loses_nothing() {
    let app = TestApp::new().await;
    let two = app.beside(&[]);
    let ana = app.member("ana");
    app.published().await;
    let mut stream = Sse::open(&ana).await;
    let before = app.lines("SELECT last_position::text FROM publication");
    let lock = app.lock("SELECT FROM publication FOR UPDATE");
    for title in ["Ada", "Bell"] {
        ana.post("/api/v1/posts", json!({ "title": title })).await;
    }
    let elsewhere = two.guest().with_token(ana.token.as_deref().expect("a token"));
    elsewhere.post("/api/v1/posts", json!({ "title": "Curie" })).await;
    assert_eq!(app.count("unpublished_events"), 3, "nobody publishes");
    assert_eq!(app.lines("SELECT last_position::text FROM publication"), before);
    drop(lock);
    assert_snapshot!(stream.told(3).await, @"
    post.created posts/ada [] ana
    post.created posts/bell [] ana
    post.created posts/curie [] ana
    ");
    is_in_order(&app);
}
