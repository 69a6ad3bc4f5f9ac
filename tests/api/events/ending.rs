//! What ends a stream, and what changes which events it shows: both take effect within a second.

use std::time::Instant;

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;

use super::sse::Sse;
use crate::app::{PASSWORD, PATIENCE, TestApp};
use crate::client::send;

#[actix_web::test]
async fn whatever_ends_a_session_ends_its_streams_on_every_node() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let root = one.staff("root");
    for how in ["logout", "password", "deactivate", "delete", "sql"] {
        let ana = one.member(&format!("ana{how}"));
        let elsewhere = two.guest().with_token(ana.token.as_deref().expect("a token"));
        let other = one.member(&format!("ana{how}"));
        let (mut here, mut there) = (Sse::open(&ana).await, Sse::open(&elsewhere).await);
        let mut others = Sse::open(&other).await;
        let user = format!("/api/v1/users/ana{how}");
        match how {
            "logout" => drop(send(ana.request(Method::POST, "/api/v1/auth/logout")).await),
            "password" => {
                let password = json!({ "current_password": PASSWORD, "new_password": "a whole new horse" });
                send(other.request(Method::PUT, "/api/v1/users/me/password").json(&password)).await;
            }
            "deactivate" => drop(root.patch(&user, json!({ "is_active": false })).await),
            "delete" => drop(root.delete(&user).await),
            _ => one.sql("DELETE FROM sessions USING users WHERE users.id = user_id AND username = 'anasql'"),
        }
        let nothing = [here.rest().await, there.rest().await].concat();
        assert_eq!(nothing, [json!(null); 0], "{how}");
        if ["logout", "password"].contains(&how) {
            other.post("/api/v1/posts", json!({ "title": how })).await;
            let told = others.told(1).await;
            assert!(told.starts_with("post.created"), "another session goes on after {how}: {told}");
        } else {
            others.rest().await;
        }
    }
    for app in [&one, &two] {
        app.eventually("their seats are free", || app.app.state().streams.count() <= 2).await;
    }
}

#[actix_web::test]
async fn an_access_token_that_expires_ends_its_streams() {
    let app = TestApp::with(&["--access-lifetime", "5s"]).await;
    let ana = app.member("ana");
    let mut stream = Sse::open(&ana).await;
    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    assert_snapshot!(stream.told(1).await, @"post.created posts/ada [] ana");
    assert!(stream.rest().await.is_empty());
    assert_eq!(ana.get("/api/v1/users/me").await.refusal(), "401 token_expired");
}

#[actix_web::test]
async fn a_change_of_rights_changes_what_an_open_stream_shows() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let (root, ana, bob) = (one.staff("root"), one.member("ana"), one.member("bob"));
    let elsewhere = two.guest().with_token(bob.token.as_deref().expect("a token"));
    one.published().await;
    let nodes = [bob.clone(), elsewhere];
    let mut streams = [Sse::open(&nodes[0]).await, Sse::open(&nodes[1]).await];
    let knows_that_he = async |is_staff: bool| {
        for node in &nodes {
            let deadline = Instant::now() + PATIENCE;
            while (node.get("/api/v1/users?is_staff=true").await.status == "200 OK") != is_staff {
                assert!(Instant::now() < deadline, "a node does not know: is_staff = {is_staff}");
            }
        }
    };
    // Marks the end of each part. Bob always sees it.
    let mark = async || drop(bob.post("/api/v1/posts", json!({ "title": "Mark" })).await);

    ana.post("/api/v1/posts", json!({ "title": "Unseen" })).await;
    mark().await;
    for stream in &mut streams {
        assert_eq!(stream.told(1).await, "post.created posts/mark [] bob");
    }
    root.patch("/api/v1/users/bob", json!({ "is_staff": true })).await;
    knows_that_he(true).await;
    ana.post("/api/v1/posts", json!({ "title": "Seen" })).await;
    mark().await;
    for stream in &mut streams {
        let told = [stream.told(1).await, stream.told(1).await, stream.told(1).await];
        assert!(told[0].starts_with("user.updated users/bob"), "{told:?}");
        assert!(told[1].starts_with("post.created posts/seen"), "{told:?}");
        assert!(told[2].starts_with("post.created posts/mark"), "{told:?}");
    }
    root.patch("/api/v1/users/bob", json!({ "is_staff": false })).await;
    knows_that_he(false).await;
    ana.post("/api/v1/posts", json!({ "title": "Unseen" })).await;
    mark().await;
    for stream in &mut streams {
        let told = stream.told(1).await;
        // An event that was sent before this node knew of the change.
        let told = if told.starts_with("user.updated") { stream.told(1).await } else { told };
        assert!(told.starts_with("post.created posts/mark"), "{told}");
    }
}
