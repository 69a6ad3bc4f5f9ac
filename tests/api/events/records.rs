//! Each change writes exactly its own events, whatever statement makes it.

use insta::assert_snapshot;
use serde_json::json;

use super::Watch;
use crate::app::TestApp;
use crate::pictures;

const LABELS: &str = "/api/v1/posts/ada/labels";

#[actix_web::test]
async fn a_post_tells_of_its_life() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let bob = app.member("bob");
    let mut watch = Watch::begin(&app).await;

    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    assert_snapshot!(watch.lines().await, @"post.created posts/ada [] ana");
    ana.post("/api/v1/posts", json!({ "title": "Bell", "published": true })).await;
    assert_snapshot!(watch.lines().await, @"
    post.created posts/bell [] ana
    post.published posts/bell [] ana
    ");
    ana.patch("/api/v1/posts/ada", json!({ "title": "Ada Lovelace", "rating": 5, "editor": "bob" })).await;
    assert_snapshot!(watch.lines().await, @"post.updated posts/ada [title rating editor] ana");
    ana.patch("/api/v1/posts/ada", json!({ "rating": 5 })).await;
    assert_eq!(watch.lines().await, "", "what stays as it is changes nothing");
    bob.patch("/api/v1/posts/ada", json!({ "published": true, "content": "She wrote programs." })).await;
    assert_snapshot!(watch.lines().await, @"
    post.updated posts/ada [content published published_at] bob
    post.published posts/ada [content published published_at] bob
    ");
    ana.patch("/api/v1/posts/ada", json!({ "published": false })).await;
    assert_snapshot!(watch.lines().await, @"post.updated posts/ada [published] ana");
    ana.upload("/api/v1/posts/ada/cover", "cover", pictures::jpeg(40, 30)).await;
    assert_snapshot!(watch.lines().await, @"post.updated posts/ada [cover] ana");
    ana.patch("/api/v1/posts/ada", json!({ "slug": "lovelace" })).await;
    assert_snapshot!(watch.lines().await, @"post.updated posts/lovelace [slug] ana");
    ana.delete("/api/v1/posts/lovelace").await;
    app.idle().await;
    assert_snapshot!(watch.lines().await, @"
    post.deleted posts/lovelace [] ana
    media.deleted - [] -
    ");
}

#[actix_web::test]
async fn labels_tell_what_was_done_with_them_in_one_event_for_each_request() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    let mut watch = Watch::begin(&app).await;
    let mut told = async || {
        let events = watch.events().await;
        let lines = events.iter().map(|event| {
            let data = &event["data"];
            let labels: Vec<&str> = data["labels"]
                .as_array()
                .map(|labels| labels.iter().map(|label| label["slug"].as_str().unwrap_or("?")).collect())
                .unwrap_or_default();
            let kind = event["type"].as_str().expect("a type");
            format!("{kind} {} {}", data["action"].as_str().unwrap_or_default(), labels.join(" "))
                .trim()
                .to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    ana.post(LABELS, json!({ "labels": [{ "name": "Ai" }, { "name": "Bees", "reason": "They fly" }] })).await;
    assert_snapshot!(told().await, @"
    label.created
    label.created
    post.labels_changed add ai bees
    ");
    ana.post(LABELS, json!({ "labels": [{ "slug": "ai" }] })).await;
    assert_eq!(told().await, "", "it has that one already");
    ana.put(&format!("{LABELS}/ai"), json!({ "reason": "It thinks" })).await;
    assert_snapshot!(told().await, @"post.labels_changed add ai");
    ana.put(LABELS, json!({ "labels": [{ "slug": "bees" }, { "name": "Cats", "reason": "Why not" }, { "name": "Dogs" }] })).await;
    assert_snapshot!(told().await, @"
    post.labels_changed set bees cats dogs
    label.created
    label.created
    ");
    ana.delete(&format!("{LABELS}/dogs")).await;
    assert_snapshot!(told().await, @"post.labels_changed remove dogs");
    ana.delete(LABELS).await;
    assert_snapshot!(told().await, @"post.labels_changed clear bees cats");
    ana.delete(LABELS).await;
    assert_eq!(told().await, "", "there is nothing to take off");
    ana.post("/api/v1/labels/cats/posts", json!({ "posts": [{ "slug": "ada" }] })).await;
    assert_snapshot!(told().await, @"post.labels_changed add cats");
    app.staff("root").delete("/api/v1/labels/cats").await;
    assert_snapshot!(told().await, @"
    post.labels_changed remove cats
    label.deleted
    ");
    ana.post("/api/v1/posts", json!({ "title": "Bell", "labels": [{ "slug": "ai" }] })).await;
    assert_snapshot!(told().await, @"
    post.created
    post.labels_changed add ai
    ");
    app.staff("root").patch("/api/v1/labels/ai", json!({ "name": "AI" })).await;
    assert_snapshot!(told().await, @"label.updated");
}

#[actix_web::test]
async fn comments_tell_of_their_life() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let bob = app.member("bob");
    ana.post("/api/v1/posts", json!({ "title": "Ada", "published": true })).await;
    let mut watch = Watch::begin(&app).await;
    let made = bob.post("/api/v1/posts/ada/comments", json!({ "content": "Well done." })).await;
    let path = made.header("location").to_owned();
    assert_snapshot!(watch.lines().await, @"comment.created comments/1 [] bob");
    bob.patch(&path, json!({ "content": "Very well done." })).await;
    assert_snapshot!(watch.lines().await, @"comment.updated comments/1 [content] bob");
    ana.patch(&path, json!({ "post": null })).await;
    assert_snapshot!(watch.lines().await, @"comment.updated comments/1 [post] ana");
    bob.delete(&path).await;
    assert_snapshot!(watch.lines().await, @"comment.deleted comments/1 [] bob");
}

#[actix_web::test]
async fn users_and_their_profiles_tell_of_themselves() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let root = app.staff("root");
    let mut watch = Watch::begin(&app).await;
    ana.patch("/api/v1/profiles/me", json!({ "bio": "I write.", "phone": "+49 30 1234" })).await;
    assert_snapshot!(watch.lines().await, @"profile.updated profiles/ana [bio phone] ana");
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(40, 30)).await;
    assert_snapshot!(watch.lines().await, @"avatar.updated profiles/ana/avatar [avatar] ana");
    ana.delete("/api/v1/profiles/me/avatar").await;
    app.idle().await;
    assert_snapshot!(watch.lines().await, @"
    avatar.updated profiles/ana/avatar [avatar] ana
    media.deleted - [] -
    ");
    root.patch("/api/v1/users/ana", json!({ "is_active": false })).await;
    assert_snapshot!(watch.lines().await, @"user.updated users/ana [is_active] root");
    let body = json!({ "username": "bob", "email": "bob@example.org", "password": crate::app::PASSWORD });
    app.guest().post("/api/v1/users", body).await;
    assert_snapshot!(watch.lines().await, @"user.created users/bob [] -");
    root.delete("/api/v1/users/bob").await;
    assert_snapshot!(watch.lines().await, @"user.deleted users/bob [] root");
}

#[actix_web::test]
async fn bulk_changes_cascades_and_plain_sql_tell_of_every_row() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let bob = app.member("bob");
    for title in ["Ada", "Bell", "Curie"] {
        ana.post("/api/v1/posts", json!({ "title": title, "published": true })).await;
    }
    bob.post("/api/v1/posts/ada/comments", json!({ "content": "Well done." })).await;
    let mut watch = Watch::begin(&app).await;
    ana.patch("/api/v1/posts?rating=3", json!({ "rating": 4 })).await;
    assert_snapshot!(watch.lines().await, @"
    post.updated posts/ada [rating] ana
    post.updated posts/bell [rating] ana
    post.updated posts/curie [rating] ana
    ");
    ana.delete("/api/v1/posts?title=Bell").await;
    assert_snapshot!(watch.lines().await, @"post.deleted posts/bell [] ana");
    app.sql("BEGIN; UPDATE posts SET rating = 1; DELETE FROM comments; ROLLBACK");
    assert_eq!(watch.lines().await, "", "a rolled-back change is none");
    app.sql("UPDATE posts SET rank = 5 WHERE slug = 'ada'; UPDATE posts SET rank = rank, updated_at = now()");
    assert_snapshot!(watch.lines().await, @"post.updated posts/ada [rank] -");
    app.sql("DELETE FROM users WHERE username = 'ana'");
    assert_snapshot!(watch.lines().await, @"
    user.deleted users/ana [] -
    post.deleted posts/ada [] -
    post.deleted posts/curie [] -
    comment.deleted comments/1 [] -
    ");
    bob.post("/api/v1/posts", json!({ "title": "Dirac", "labels": [{ "name": "Physics" }] })).await;
    watch.lines().await;
    app.sql("TRUNCATE users CASCADE");
    app.published().await;
    let told = app.lines("SELECT type FROM events ORDER BY id DESC LIMIT 3");
    assert_snapshot!(told, @"
    post.labels_changed
    post.deleted
    user.deleted
    ");
}

#[actix_web::test]
async fn plain_sql_that_names_its_tables_needs_no_search_path() {
    let app = TestApp::new().await;
    app.member("ana");
    let mut watch = Watch::begin(&app).await;
    let schema = app.lines("SELECT current_schema()::text");
    app.sql(&format!(
        "SET search_path = pg_catalog;
         INSERT INTO {schema}.posts (slug, title, content, writer_id) SELECT 'ada', 'Ada', '', id FROM {schema}.users WHERE username = 'ana';
         INSERT INTO {schema}.comments (user_id, alias, content) SELECT id, 'A', 'Hello' FROM {schema}.users WHERE username = 'ana';
         UPDATE {schema}.posts SET title = 'Bell';
         DELETE FROM {schema}.comments"
    ));
    assert_snapshot!(watch.lines().await, @"
    post.created posts/ada [] -
    comment.created comments/1 [] -
    post.updated posts/ada [title] -
    comment.deleted comments/1 [] -
    ");
}
