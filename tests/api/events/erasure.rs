//! Events contain nothing about deleted users, and old events are purged.

use insta::assert_snapshot;
use serde_json::json;

use super::Watch;
use crate::app::TestApp;

/// The events that contain these words in any column.
fn traces(app: &TestApp, words: &str) -> String {
    let query = format!(
        "SELECT type || ' ' || resource_key FROM events WHERE events::text ILIKE '%{words}%' ORDER BY id"
    );
    app.lines(&query)
}

/// A user who has used every feature, with words that no other user uses.
async fn busy(app: &TestApp) {
    let (quill, bob) = (app.member("quill"), app.member("bob"));
    bob.post("/api/v1/posts", json!({ "title": "Bobs", "published": true })).await;
    let post =
        json!({ "title": "Zebra one", "published": true, "editor": "bob", "labels": [{ "name": "Ai" }] });
    quill.post("/api/v1/posts", post).await;
    quill.patch("/api/v1/posts/zebra-one", json!({ "title": "Zebra two", "slug": "zebra-two" })).await;
    quill.post("/api/v1/posts", json!({ "title": "Zebra gone" })).await;
    quill.delete("/api/v1/posts/zebra-gone").await;
    let comment = json!({ "content": "Zebra remark", "alias": "Zebra alias" });
    let made = quill.post("/api/v1/posts/bobs/comments", comment).await;
    quill.patch(made.header("location"), json!({ "content": "Zebra remark, too" })).await;
    bob.patch(made.header("location"), json!({ "post": null })).await;
    quill.post("/api/v1/posts/zebra-two/comments", json!({ "content": "Zebra on zebra" })).await;
    bob.post("/api/v1/posts/zebra-two/comments", json!({ "content": "Bobs remark" })).await;
    let profile = json!({ "display_name": "Zebra Name", "bio": "Zebra bio", "phone": "+49 30 1234" });
    quill.patch("/api/v1/profiles/me", profile).await;
    app.staff("root").patch("/api/v1/users/quill", json!({ "is_staff": true })).await;
}

#[actix_web::test]
async fn of_who_has_gone_nothing_is_left_but_what_says_so() {
    let app = TestApp::new().await;
    busy(&app).await;
    app.published().await;
    let before = app.count("events WHERE events::text ILIKE '%zebra%'");
    assert!(before >= 10, "there is something to erase: {before}");
    let mut watch = Watch::begin(&app).await;
    assert_snapshot!(app.member("quill").delete("/api/v1/users/me").await.status, @"200 OK");
    watch.lines().await;
    app.idle().await;
    // The deletion itself keeps the name that its URL had.
    assert_snapshot!(traces(&app, "zebra"), @"post.deleted zebra-two");
    assert_snapshot!(traces(&app, "quill"), @"user.deleted quill");
    let id = "(SELECT resource_id FROM events WHERE type = 'user.deleted')";
    let data = format!("events WHERE data IS NOT NULL AND (user_id = {id} OR data->>'author' = {id}::text)");
    assert_eq!(app.count(&data), 0);
    // Other users keep their events, without the deleted name.
    let events = app.staff("root").get("/api/v1/events?limit=100").await;
    let text = events.json().to_string();
    assert!(text.contains("Bobs") && !text.contains("Zebra") && !text.contains("\"quill\""), "{text}");
}

#[actix_web::test]
async fn what_is_erased_before_it_is_published_is_published_empty() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    // Block publication for now.
    let held = app.lock("SELECT FROM publication FOR UPDATE");
    busy(&app).await;
    app.member("quill").delete("/api/v1/users/me").await;
    assert!(app.count("unpublished_events") > 20);
    drop(held);
    app.published().await;
    let text = root.get("/api/v1/events?limit=100").await.json().to_string();
    assert!(
        text.contains("post.created") && !text.contains("Zebra") && !text.contains("\"quill\""),
        "{text}"
    );
}

#[actix_web::test]
async fn a_user_whose_deletion_is_rolled_back_keeps_everything() {
    let app = TestApp::new().await;
    busy(&app).await;
    let mut watch = Watch::begin(&app).await;
    let all = || app.lines("SELECT events::text FROM events ORDER BY id");
    let before = all();
    app.sql("BEGIN; DELETE FROM users WHERE username = 'quill'; ROLLBACK");
    assert_eq!(watch.lines().await, "");
    assert_eq!(all(), before);
}

#[actix_web::test]
async fn old_events_are_purged_in_batches_but_not_before_they_are_published() {
    let app = TestApp::with(&["--events-kept", "10d"]).await;
    app.staff("root");
    app.published().await;
    let held = app.lock("SELECT FROM publication FOR UPDATE");
    app.sql(
        "INSERT INTO events (id, type, created_at, changed)
             SELECT 1000 + n, 'media.deleted', now() - interval '11 days', '{}' FROM generate_series(1, 1200) AS n;
         INSERT INTO events (id, type, created_at, changed)
             VALUES (3000, 'media.deleted', now() - interval '9 days', '{}');
         INSERT INTO unpublished_events (type, created_at) VALUES ('media.deleted', now() - interval '11 days');
         INSERT INTO webhooks (id, url, types, disabled_at) VALUES (1, 'https://example.com/', '{*}', now());
         INSERT INTO deliveries (webhook_id, event_id, status, created_at)
             SELECT 1, 1000 + n, CASE n % 2 WHEN 0 THEN 'pending' ELSE 'delivered' END, now() - interval '11 days'
             FROM generate_series(1, 600) AS n;
         INSERT INTO deliveries (webhook_id, event_id, status) VALUES (1, 3000, 'delivered')",
    );
    app.app.housekeeping().sweep().await.expect("a sweep");
    let old = "events WHERE created_at < now() - interval '10 days'";
    // The node's own sweep may have begun already. When both are finished, everything is purged.
    app.eventually("the old ones are gone", || app.count(old) == 0).await;
    assert_eq!(app.count("unpublished_events"), 1, "nobody knows of it yet");
    assert_eq!((app.count("events WHERE id = 3000"), app.count("deliveries")), (1, 1));
    drop(held);
}

#[actix_web::test]
async fn a_purge_deletes_only_so_much_at_once() {
    let app = TestApp::new().await;
    app.sql(
        "CREATE TABLE purges (events bigint);
         CREATE FUNCTION count_purged() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
             BEGIN INSERT INTO purges SELECT count(*) FROM gone; RETURN NULL; END $$;
         CREATE TRIGGER purged AFTER DELETE ON events REFERENCING OLD TABLE AS gone
             FOR EACH STATEMENT EXECUTE FUNCTION count_purged();
         INSERT INTO events (id, type, created_at, changed)
             SELECT 1000 + n, 'media.deleted', now() - interval '31 days', '{}' FROM generate_series(1, 1700) AS n",
    );
    app.app.housekeeping().sweep().await.expect("a sweep");
    app.eventually("they are gone", || app.count("events") == 0).await;
    let most = app.lines("SELECT max(events)::text FROM purges");
    assert_snapshot!(most, @"500");
}
