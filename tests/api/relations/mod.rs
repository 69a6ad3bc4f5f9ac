//! Every foreign key, and what a deletion cascades to.

mod deletions;
mod statements;

use serde_json::json;

use crate::app::TestApp;
use crate::pictures;

/// Every foreign key, and what the database does when the referenced row is deleted. Add a line for each new one.
const KEYS: &str = "\
account_tokens.user_id -> users: cascade
comments.post_id -> posts: cascade
comments.user_id -> users: cascade
deliveries.event_id -> events: cascade
deliveries.webhook_id -> webhooks: cascade
files.picture_key -> pictures: nothing
idempotency_keys.owner_id -> users: cascade
jobs.delivery_id -> deliveries: cascade
jobs.user_id -> users: cascade
label_post_counts.label_id -> labels: cascade
login_names.user_id -> users: cascade
login_prefixes.user_id -> users: cascade
pictures.key -> files: nothing
post_labels.label_id -> labels: cascade
post_labels.post_id -> posts: cascade
post_slugs.post_id -> posts: cascade
posts.cover_key -> pictures: nothing
posts.editor_id -> users: set null
posts.writer_id -> users: cascade
profiles.avatar_key -> pictures: nothing
profiles.user_id -> users: cascade
sessions.user_id -> users: cascade";

#[actix_web::test]
async fn every_foreign_key_has_its_decision() {
    let app = TestApp::new().await;
    let found = app.lines(
        "SELECT format('%s.%s -> %s: %s', conrelid::regclass, attname, confrelid::regclass,
             CASE confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' WHEN 'a' THEN 'nothing' WHEN 'r' THEN 'restrict'
                 ELSE 'set default' END) COLLATE \"C\"
         FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
         WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY 1",
    );
    assert_eq!(found, KEYS);
    // Deleting a row looks up the rows that reference it, so every foreign key needs an index.
    let without_index = app.lines(
        "SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
             AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1]) ORDER BY 1",
    );
    assert_eq!(without_index, "");
}

/// Create ana's post `p` with a cover, edited by bob, labelled `ai`, formerly called `old`; carl's comment on it; and
/// ana's comment on carl's post `q`.
async fn world(app: &TestApp) {
    let (ana, carl) = (app.member("ana"), app.member("carl"));
    app.member("bob");
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(8, 6)).await;
    ana.post(
        "/api/v1/posts",
        json!({ "title": "old", "editor": "bob", "published": true, "labels": [{ "name": "ai" }] }),
    )
    .await;
    ana.patch("/api/v1/posts/old", json!({ "slug": "p" })).await;
    ana.upload("/api/v1/posts/p/cover", "cover", pictures::jpeg(8, 6)).await;
    carl.post("/api/v1/posts", json!({ "title": "q", "published": true, "labels": [{ "name": "ai" }] }))
        .await;
    carl.post("/api/v1/posts/p/comments", json!({ "content": "by carl" })).await;
    let said = ana.post_once("/api/v1/posts/q/comments", "k", json!({ "content": "by ana" })).await;
    assert_eq!(said.status, "201 Created");
    app.idle().await;
}

/// A word for each row.
fn rows(app: &TestApp) -> String {
    let rows = app.lines(
        "SELECT 'user ' || username FROM users UNION ALL SELECT 'post ' || slug || coalesce(' by ' || editor_id, '') FROM posts
         UNION ALL SELECT 'slug ' || slug FROM post_slugs UNION ALL SELECT 'comment ' || content FROM comments
         UNION ALL SELECT 'label ' || slug FROM labels
         UNION ALL SELECT 'labelled ' || slug FROM post_labels JOIN posts ON posts.id = post_id
         UNION ALL SELECT 'picture ' || purpose FROM pictures UNION ALL SELECT 'profile' FROM profiles
         UNION ALL SELECT 'key' FROM idempotency_keys ORDER BY 1",
    );
    rows.replace('\n', ", ")
}

#[actix_web::test]
async fn plain_sql_takes_along_what_it_should() {
    let whole = "comment by ana, comment by carl, key, label ai, labelled p, labelled q, picture avatar, picture cover, post p by 3, post q, profile, profile, profile, slug old, slug p, slug q, user ana, user bob, user carl";
    let cases = [
        // Deleting the writer deletes the posts and everything on them.
        (
            "users WHERE username = 'ana'",
            "label ai, labelled q, post q, profile, profile, slug q, user bob, user carl",
        ),
        (
            "users WHERE username = 'bob'",
            "comment by ana, comment by carl, key, label ai, labelled p, labelled q, picture avatar, picture cover, post p, post q, profile, profile, slug old, slug p, slug q, user ana, user carl",
        ),
        (
            "users WHERE username = 'carl'",
            "label ai, labelled p, picture avatar, picture cover, post p by 3, profile, profile, slug old, slug p, user ana, user bob",
        ),
        (
            "posts WHERE slug = 'p'",
            "comment by ana, key, label ai, labelled q, picture avatar, post q, profile, profile, profile, slug q, user ana, user bob, user carl",
        ),
        (
            "labels",
            "comment by ana, comment by carl, key, picture avatar, picture cover, post p by 3, post q, profile, profile, profile, slug old, slug p, slug q, user ana, user bob, user carl",
        ),
        (
            "post_labels",
            "comment by ana, comment by carl, key, label ai, picture avatar, picture cover, post p by 3, post q, profile, profile, profile, slug old, slug p, slug q, user ana, user bob, user carl",
        ),
        (
            "profiles WHERE avatar_key IS NOT NULL",
            "comment by ana, comment by carl, key, label ai, labelled p, labelled q, picture cover, post p by 3, post q, profile, profile, slug old, slug p, slug q, user ana, user bob, user carl",
        ),
    ];
    for (what, left) in cases {
        let app = TestApp::new().await;
        world(&app).await;
        assert_eq!(rows(&app), whole);
        app.sql(&format!("BEGIN; DELETE FROM {what}; ROLLBACK"));
        assert_eq!(rows(&app), whole, "{what}");
        app.sql(&format!("DELETE FROM {what}"));
        assert_eq!(rows(&app), left, "{what}");
        app.idle().await;
        let pictures = usize::try_from(app.count("files")).expect("a number");
        assert_eq!(
            (
                app.files().len(),
                app.count("files f WHERE NOT EXISTS (SELECT FROM pictures WHERE key = picture_key)")
            ),
            (pictures, 0),
            "{what}"
        );
    }
}

#[actix_web::test]
async fn what_is_shown_cannot_go() {
    let app = TestApp::new().await;
    world(&app).await;
    for (what, constraint) in [
        ("pictures WHERE purpose = 'avatar'", "profiles_avatar_key_fkey"),
        ("pictures WHERE purpose = 'cover'", "posts_cover_key_fkey"),
        ("files WHERE key = picture_key", "pictures_key_fkey"),
    ] {
        let refused = app.try_sql(&format!("DELETE FROM {what}")).expect_err("a refusal");
        assert!(refused.contains(constraint), "{what}: {refused}");
    }
    for (statement, constraint) in [
        (
            "INSERT INTO post_labels (post_id, label_id) SELECT post_id, label_id FROM post_labels",
            "post_labels_pkey",
        ),
        (
            "INSERT INTO post_labels (post_id, label_id) SELECT post_id, 0 FROM post_labels",
            "post_labels_label_id_fkey",
        ),
        ("UPDATE post_labels SET reason = ''", "post_labels_reason_check"),
        ("UPDATE post_labels SET reason = repeat('x', 257)", "post_labels_reason_check"),
        ("UPDATE comments SET post_id = 0", "comments_post_id_fkey"),
        ("UPDATE comments SET content = ''", "comments_content_check"),
        ("UPDATE comments SET content = repeat('x', 10001)", "comments_content_check"),
        ("UPDATE comments SET alias = repeat('x', 129)", "comments_alias_check"),
        ("UPDATE labels SET slug = 'a b'", "labels_slug_check"),
        ("UPDATE labels SET slug = repeat('x', 129)", "labels_slug_check"),
        ("UPDATE labels SET name = repeat('x', 129)", "labels_name_check"),
        ("INSERT INTO labels (slug, name) SELECT slug, name FROM labels", "labels_slug_key"),
    ] {
        let refused = app.try_sql(statement).expect_err("a refusal");
        assert!(refused.contains(constraint), "{statement}: {refused}");
    }
}

#[actix_web::test]
async fn plain_sql_moves_the_versions_of_posts_too() {
    let app = TestApp::new().await;
    world(&app).await;
    let versions = || app.lines("SELECT slug || version FROM posts ORDER BY slug").replace('\n', " ");
    let (p, q) = (app.member("ana"), app.member("carl"));
    let stale = p.get("/api/v1/posts/p").await.header("etag").to_owned();
    app.sql("UPDATE posts SET version = 10");
    let before = versions();
    app.sql("UPDATE comments SET content = 'x'; DELETE FROM comments; INSERT INTO labels (slug, name) VALUES ('new', 'New')");
    assert_eq!(versions(), before);
    for statement in ["UPDATE post_labels SET reason = 'x'", "DELETE FROM labels WHERE slug = 'ai'"] {
        let before = versions();
        app.sql(statement);
        assert_ne!(versions(), before, "{statement}");
    }
    let edit = p.patch_if("/api/v1/posts/p", &stale, json!({ "rank": 1 })).await;
    assert_eq!(edit.refusal(), "412 precondition_failed");
    assert_eq!(q.get("/api/v1/posts/q").await.at("/labels"), json!([]));
}
