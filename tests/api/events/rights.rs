//! Who may read which events: staff may read all, and members those of their own posts, of comments on these and of
//! their own comments. Private data is in no event.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::sse::Sse;
use super::{EVENTS, lines};
use crate::app::{PASSWORD, TestApp};
use crate::client::{Client, send};
use crate::pictures;

/// All events so far that a client may read, after asserting that the list and the stream agree.
async fn seen(app: &TestApp, client: &Client) -> Vec<Value> {
    app.published().await;
    let page = client.get(&format!("{EVENTS}?ordering=id&limit=100")).await;
    let Value::Array(listed) = page.at("/results") else { panic!("no list: {page:?}") };
    assert!(page.at("/next").is_null(), "one page holds them");
    let mut stream = Sse::after(client, 0).await;
    let mut streamed = Vec::new();
    for _ in &listed {
        streamed.push(stream.next().await.expect("the stream goes on"));
    }
    assert_eq!(listed, streamed);
    listed
}

/// Ana writes, bob edits and comments, carl writes his own posts, root administers.
async fn world(app: &TestApp) -> [Client; 4] {
    let [ana, bob, carl] = ["ana", "bob", "carl"].map(|name| app.member(name));
    let root = app.staff("root");
    ana.post("/api/v1/posts", json!({ "title": "Draft", "editor": "bob" })).await;
    ana.post("/api/v1/posts", json!({ "title": "Open", "published": true })).await;
    carl.post("/api/v1/posts", json!({ "title": "Carls secret" })).await;
    carl.post("/api/v1/posts", json!({ "title": "Carls own", "published": true })).await;
    bob.patch("/api/v1/posts/draft", json!({ "content": "More." })).await;
    ana.post("/api/v1/posts/draft/labels", json!({ "labels": [{ "name": "Ai" }] })).await;
    bob.post("/api/v1/posts/open/comments", json!({ "content": "Well done." })).await;
    bob.post("/api/v1/posts/carls-own/comments", json!({ "content": "On carls." })).await;
    ana.post("/api/v1/posts/carls-own/comments", json!({ "content": "Mine." })).await;
    ana.patch("/api/v1/profiles/me", json!({ "bio": "I write." })).await;
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(40, 30)).await;
    [ana, bob, carl, root]
}

#[actix_web::test]
async fn a_member_sees_own_posts_comments_there_and_own_comments() {
    let app = TestApp::new().await;
    let [ana, bob, carl, root] = world(&app).await;
    assert_snapshot!(lines(&seen(&app, &ana).await), @"
    post.created posts/draft [] ana
    post.created posts/open [] ana
    post.published posts/open [] ana
    post.updated posts/draft [content] bob
    post.labels_changed posts/draft [labels] ana
    comment.created comments/1 [] bob
    comment.created comments/3 [] ana
    ");
    assert_snapshot!(lines(&seen(&app, &bob).await), @"
    comment.created comments/1 [] bob
    comment.created comments/2 [] bob
    ");
    assert_snapshot!(lines(&seen(&app, &carl).await), @"
    post.created posts/carls-secret [] carl
    post.created posts/carls-own [] carl
    post.published posts/carls-own [] carl
    comment.created comments/2 [] bob
    comment.created comments/3 [] ana
    ");
    assert_eq!(lines(&seen(&app, &app.member("dan")).await), "");
    for client in [&ana, &bob] {
        assert!(
            !Value::from(seen(&app, client).await).to_string().contains("secret"),
            "of nobody else's draft"
        );
    }
    assert!(!Value::from(seen(&app, &bob).await).to_string().contains("Draft"), "nor of one that he edits");
    let all = seen(&app, &root).await;
    assert_eq!(all.len(), usize::try_from(app.count("events")).expect("a number"), "staff sees all");
    // No filter makes a difference.
    for query in ["type__startswith=user", "resource_type=label", "resource_type=profile", "actor=ana"] {
        let page = bob.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(page.each("/results", "id"), "", "{query}");
    }
}

#[actix_web::test]
async fn a_detached_comment_is_no_longer_the_writers() {
    let app = TestApp::new().await;
    let [ana, bob] = ["ana", "bob"].map(|name| app.member(name));
    ana.post("/api/v1/posts", json!({ "title": "Ada", "published": true })).await;
    bob.post("/api/v1/posts/ada/comments", json!({ "content": "Well done." })).await;
    ana.patch("/api/v1/comments/1", json!({ "post": null })).await;
    bob.patch("/api/v1/comments/1", json!({ "content": "Between us." })).await;
    assert_snapshot!(lines(&seen(&app, &ana).await), @"
    post.created posts/ada [] ana
    post.published posts/ada [] ana
    comment.created comments/1 [] bob
    ");
    assert_snapshot!(lines(&seen(&app, &bob).await), @"
    comment.created comments/1 [] bob
    comment.updated comments/1 [post] ana
    comment.updated comments/1 [content] bob
    ");
}

#[actix_web::test]
async fn nothing_private_is_in_any_event() {
    let app = TestApp::with(&["--known-network", "1d"]).await;
    let [ana, _, _, root] = world(&app).await;
    ana.patch("/api/v1/profiles/me", json!({ "phone": "+49 30 5550123" })).await;
    let changed = json!({ "current_password": PASSWORD, "new_password": "a whole new horse" });
    let answer = send(ana.request(reqwest::Method::PUT, "/api/v1/users/me/password").json(&changed)).await;
    assert!(answer.status.starts_with('2'), "{answer:?}");
    root.patch("/api/v1/users/ana", json!({ "is_active": false })).await;
    root.patch("/api/v1/users/ana", json!({ "is_active": true, "is_staff": true })).await;
    app.sql(
        "UPDATE users SET email = 'ana@secret.example', email_verified_at = now(), last_login = '2001-02-03',
             password_hash = '$argon2id$hidden' WHERE username = 'ana';
         UPDATE profiles SET phone = '+49 30 5550199' FROM users WHERE id = user_id AND username = 'ana'",
    );
    let events = seen(&app, &root).await;
    assert_snapshot!(lines(&events[events.len() - 7..]), @"
    profile.updated profiles/ana [bio] ana
    avatar.updated profiles/ana/avatar [avatar] ana
    profile.updated profiles/ana [phone] ana
    user.updated users/ana [is_active] root
    user.updated users/ana [is_active is_staff] root
    user.updated users/ana [email email_verified_at] -
    profile.updated profiles/ana [phone] -
    ");
    for event in &events {
        let text = event.to_string();
        for private in
            ["30 5550", "secret.example", "@example.org", "hidden", "argon2", "horse", "2001-02-03"]
        {
            assert!(!text.contains(private), "{private} in {text}");
        }
        for member in ["email", "phone", "is_active", "is_staff", "last_login", "last_login_at", "password"] {
            assert!(event["data"].get(member).is_none(), "{member} in {text}");
        }
    }
}

#[actix_web::test]
async fn of_a_user_who_has_gone_nothing_is_shown() {
    let app = TestApp::new().await;
    let [ana, bob, carl, root] = world(&app).await;
    seen(&app, &root).await;
    let answer = root.delete("/api/v1/users/ana").await;
    assert!(answer.status.starts_with('2'), "{answer:?}");
    app.idle().await;
    for client in [&root, &bob, &carl] {
        for event in seen(&app, client).await {
            let text = event.to_string();
            let is_hers = ["ana", "Draft", "draft", "Open", "open", "Mine", "I write"]
                .iter()
                .any(|word| text.contains(word));
            // The deletion itself is shown once, with the former names.
            let is_farewell = text.contains(".deleted\"") && event["data"].is_null();
            assert!(!is_hers || is_farewell, "{text}");
            assert_ne!(event["actor"], "ana", "{text}");
        }
    }
    assert_eq!(ana.get(EVENTS).await.refusal(), "401 session_revoked");
    let events = seen(&app, &root).await;
    assert_snapshot!(lines(&events), @"
    user.created - [] -
    user.created users/bob [] -
    user.created users/carl [] -
    user.created users/root [] -
    post.created - [] -
    post.created - [] -
    post.published - [] -
    post.created posts/carls-secret [] carl
    post.created posts/carls-own [] carl
    post.published posts/carls-own [] carl
    post.updated - [content] bob
    label.created labels/ai [] -
    post.labels_changed - [labels] -
    comment.created comments/1 [] bob
    comment.created comments/2 [] bob
    comment.created comments/3 [] -
    profile.updated - [bio] -
    avatar.updated - [avatar] -
    comment.deleted comments/1 [] root
    comment.deleted comments/3 [] root
    post.deleted posts/draft [] root
    post.deleted posts/open [] root
    user.deleted users/ana [] root
    media.deleted - [] -
    ");
}
