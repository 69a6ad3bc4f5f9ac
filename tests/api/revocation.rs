//! The end of a token reaches every node within a second, without a query per request.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;

use crate::app::{LOCKS, PASSWORD, PATIENCE, TestApp};
use crate::client::{Client, send};

/// The same user on another node.
fn on(app: &TestApp, client: &Client) -> Client {
    app.guest().with_token(client.token.as_deref().expect("a token"))
}

/// Wait until another node acts on a change. The documented limit is one second, which `bench/run` measures.
async fn soon(what: &str, mut is_done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done().await {
        assert!(Instant::now() < deadline, "{what}: the other node never hears of it");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Wait until the node rejects the token, then assert that it does so even for a read that is open to all.
pub async fn is_refused_soon(client: &Client) {
    // If the user is already deleted, a cached token may still get 404 for a while.
    let is_refused = async || client.get("/api/v1/users/me").await.status == "401 Unauthorized";
    soon("an ended session", is_refused).await;
    assert_eq!(client.get("/api/v1/users/me").await.refusal(), "401 session_revoked");
    assert_eq!(client.get("/api/v1/choices").await.refusal(), "401 session_revoked");
}

#[actix_web::test]
async fn whatever_ends_a_session_reaches_the_other_node() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let root = one.staff("root");
    let password = json!({ "current_password": PASSWORD, "new_password": "a whole new horse" });
    for how in ["logout", "logout-all", "revoke", "password", "deactivate", "staff", "delete", "sql"] {
        let ana = one.member(&format!("ana{how}"));
        let elsewhere = on(&two, &ana);
        assert_eq!(elsewhere.get("/api/v1/users/me").await.status, "200 OK", "{how}");
        let user = format!("/api/v1/users/ana{how}");
        let answer = match how {
            "logout" | "logout-all" => send(ana.request(Method::POST, &format!("/api/v1/auth/{how}"))).await,
            "revoke" => {
                let id = ana.get("/api/v1/auth/sessions").await.at("/results/0/id");
                ana.delete(&format!("/api/v1/auth/sessions/{id}")).await
            }
            "password" => {
                let other = one.member(&format!("ana{how}"));
                send(other.request(Method::PUT, "/api/v1/users/me/password").json(&password)).await
            }
            "deactivate" => root.patch(&user, json!({ "is_active": false })).await,
            "staff" => root.delete(&format!("{user}/sessions")).await,
            "delete" => root.delete(&user).await,
            _ => {
                one.sql("DELETE FROM sessions USING users WHERE users.id = user_id AND username = 'anasql'");
                root.get("/api/v1/users/me").await
            }
        };
        assert!(answer.status.starts_with('2'), "{how}: {answer:?}");
        is_refused_soon(&elsewhere).await;
        if how != "sql" {
            // On this node it takes effect immediately.
            assert_eq!(ana.get("/api/v1/users/me").await.refusal(), "401 session_revoked", "{how}");
        }
    }
}

#[actix_web::test]
async fn a_changed_role_reaches_the_other_node() {
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let (root, ana) = (one.staff("root"), one.member("ana"));
    let elsewhere = on(&two, &ana);
    let may_filter = async || elsewhere.get("/api/v1/users?is_staff=true").await.status == "200 OK";
    for is_staff in [true, false] {
        assert_eq!(may_filter().await, !is_staff);
        root.patch("/api/v1/users/ana", json!({ "is_staff": is_staff })).await;
        soon("a changed role", async || may_filter().await == is_staff).await;
    }
}

#[actix_web::test]
async fn a_token_that_is_known_costs_no_query() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    app.hears().await;
    assert_snapshot!(ana.get("/api/v1/choices").await.status, @"200 OK");
    // From now on no session can be read.
    let blocker = app.lock("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
    for _ in 0..20 {
        assert_eq!(ana.get("/api/v1/choices").await.status, "200 OK");
    }
    let unknown = actix_web::rt::spawn(async move { bob.get("/api/v1/choices").await.status });
    let waits = format!("{LOCKS} WHERE NOT granted AND relation = 'sessions'::regclass");
    app.eventually("an unknown token asks", || app.count(&waits) > 0).await;
    drop(blocker);
    assert_snapshot!(unknown.await.expect("no panic"), @"200 OK");
}

#[actix_web::test]
async fn a_node_that_hears_nothing_asks_each_time() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.hears().await;
    assert_snapshot!(ana.get("/api/v1/choices").await.status, @"200 OK");
    // From now on no notice arrives, although the connection stays open.
    let deaf = app.deafen();
    app.eventually("the node knows", || !app.app.state().auth.cache.is_listening()).await;
    app.sql("DELETE FROM sessions");
    assert_snapshot!(ana.get("/api/v1/choices").await.refusal(), @"401 session_revoked");
    drop(deaf);
}

#[actix_web::test]
async fn a_listener_that_is_cut_off_comes_back_and_remembers_nothing() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.hears().await;
    assert_snapshot!(ana.get("/api/v1/choices").await.status, @"200 OK");
    let before = app.listener();
    app.sql(&format!("SELECT pg_terminate_backend({before})"));
    app.sql("DELETE FROM sessions");
    app.eventually("it listens again", || ![0, before].contains(&app.listener())).await;
    is_refused_soon(&ana).await;
}

#[actix_web::test]
async fn a_rotated_key_signs_and_verifies_on_both_nodes() {
    use plaza::auth::keys::Keys;
    let one = TestApp::new().await;
    let two = one.beside(&[]);
    let ana = one.member("ana");
    let kids = async |app: &TestApp| -> Vec<String> {
        let jwks = app.guest().get("/.well-known/jwks.json").await.json();
        let keys = jwks["keys"].as_array().expect("keys").iter();
        keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    };
    let before = kids(&two).await;
    assert_eq!(before.len(), 1);
    let rotate = |milliseconds: i64| {
        let lead = chrono::TimeDelta::milliseconds(milliseconds);
        one.app
            .state()
            .db
            .transaction_blocking(|conn| Keys::rotate(conn, &one.secret, lead))
            .expect("a key")
            .kid
    };
    let kid = rotate(3000);
    assert_eq!(rotate(3000), kid, "one waits already");
    for app in [&one, &two] {
        soon("a new key", async || kids(app).await == [kid.clone(), before[0].clone()]).await;
    }
    // The key is published before it signs. When it signs, tokens that were signed before stay valid.
    let (mut signs, since) = ((String::new(), String::new()), Instant::now());
    while signs != (kid.clone(), kid.clone()) {
        assert!(since.elapsed() < PATIENCE, "it never signs: {signs:?}");
        let kid_of = async |app: &TestApp| {
            let body = json!({ "login": "ana", "password": PASSWORD });
            let token = app.guest().post("/api/v1/auth/login", body).await.text("/access_token");
            for node in [&one, &two] {
                let answer = node.guest().with_token(&token).get("/api/v1/users/me").await;
                assert_eq!(answer.status, "200 OK", "{answer:?}");
            }
            jsonwebtoken::decode_header(&token).expect("a header").kid.expect("a kid")
        };
        signs = (kid_of(&one).await, kid_of(&two).await);
    }
    assert_snapshot!(on(&two, &ana).get("/api/v1/users/me").await.status, @"200 OK");
    // The old key's tokens have expired once the new key has signed for the lifetime of a token. Then the old key is
    // deleted.
    one.sql("UPDATE signing_keys SET signs_from = signs_from - interval '17 minutes'");
    one.app.housekeeping().sweep().await.expect("a sweep");
    soon("a key that is gone", async || kids(&two).await == [kid.clone()]).await;
    assert_eq!(one.count("signing_keys"), 1);
    assert_snapshot!(on(&two, &ana).get("/api/v1/users/me").await.refusal(), @"401 access_token_invalid");
}
