//! Each page takes one statement, whatever it contains.

use serde_json::json;

use crate::app::TestApp;
use crate::client::Client;
use crate::pictures;

/// Create 25 posts, each with an editor, a cover, three labels and five comments.
async fn world(app: &TestApp) -> Client {
    let (ana, _bob) = (app.member("ana"), app.member("bob"));
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(8, 6)).await;
    ana.post("/api/v1/posts", json!({ "title": "p1", "published": true, "editor": "bob" })).await;
    app.sql(
        "INSERT INTO files (key) SELECT 'covers/1/' || md5(n::text) || '.jpg' FROM generate_series(1, 25) AS n;
         INSERT INTO pictures (key, width, height, bytes, blurhash, purpose)
             SELECT key, 1, 1, 1, '', 'cover' FROM files WHERE key LIKE 'covers/1/%';
         UPDATE files SET picture_key = key, stored_at = now() WHERE key LIKE 'covers/1/%';
         INSERT INTO posts (slug, title, content, published, writer_id, editor_id)
             SELECT 'p' || n, 'x', repeat('x', 5000), true, writer_id, editor_id FROM posts, generate_series(2, 25) AS n;
         UPDATE posts SET cover_key = 'covers/1/' || md5(right(slug, -1)) || '.jpg';
         INSERT INTO labels (slug, name) SELECT 'l' || n, 'Label ' || n FROM generate_series(1, 30) AS n;
         INSERT INTO post_labels (post_id, label_id, reason)
             SELECT p.id, l.id, 'x' FROM posts p, labels l WHERE l.slug IN ('l1', 'l2', 'l3');
         INSERT INTO post_labels (post_id, label_id) SELECT p.id, l.id FROM posts p, labels l WHERE p.slug = 'p9' AND l.id > 3;
         INSERT INTO comments (post_id, user_id, alias, content)
             SELECT p.id, u.id, 'x', 'x' FROM posts p, users u, generate_series(1, 5) WHERE u.username = 'bob'",
    );
    app.idle().await;
    ana
}

#[actix_web::test]
async fn a_resource_or_a_page_is_one_statement() {
    let app = TestApp::new().await;
    let ana = world(&app).await;
    let (guest, root) = (app.guest(), app.staff("root"));
    app.rest().await;
    let paths = [
        ("/api/v1/posts/p7", None),
        ("/api/v1/posts", Some(20)),
        ("/api/v1/posts?limit=1", Some(1)),
        ("/api/v1/labels/l1", None),
        ("/api/v1/labels", Some(20)),
        ("/api/v1/labels/l1/posts", Some(20)),
        ("/api/v1/posts/p9/labels", Some(20)),
        ("/api/v1/comments/7", None),
        ("/api/v1/comments", Some(20)),
        ("/api/v1/posts/p7/comments", Some(5)),
    ];
    for (path, results) in paths {
        for (who, client) in [("guest", &guest), ("writer", &ana), ("staff", &root)] {
            // Once first, for what the node then caches.
            let page = client.get(path).await;
            assert_eq!(page.status, "200 OK", "{path}");
            assert_eq!(page.json()["results"].as_array().map(Vec::len), results, "{path}");
            if path.starts_with("/api/v1/posts/p7") && results.is_none() {
                assert_eq!(
                    (
                        page.at("/labels").as_array().map(Vec::len),
                        page.at("/comment_count"),
                        page.at("/editor/username"),
                        page.at("/cover/is_default")
                    ),
                    (Some(3), json!(5), json!("bob"), json!(false))
                );
            }
            let before = app.app.state().metrics.statements.get();
            for _ in 0..50 {
                client.get(path).await;
            }
            let statements = app.app.state().metrics.statements.get() - before;
            assert_eq!(statements, 50, "{path} by {who}, 50 times");
        }
    }
}

#[actix_web::test]
async fn a_change_of_many_takes_no_statement_for_each() {
    let app = TestApp::new().await;
    let ana = world(&app).await;
    let root = app.staff("root");
    app.rest().await;
    let spent = async |request: futures_util::future::LocalBoxFuture<'_, crate::client::Answer>| {
        let before = app.app.state().metrics.statements.get();
        let answer = request.await;
        assert!(answer.status.starts_with('2'), "{answer:?}");
        app.app.state().metrics.statements.get() - before
    };
    let posts = |n: usize| json!({ "posts": (1..=n).map(|n| json!({ "slug": format!("p{n}"), "reason": "y" })).collect::<Vec<_>>() });
    let labels = |n: usize| json!({ "labels": (1..=n).map(|n| json!({ "slug": format!("l{n}"), "reason": "y" })).collect::<Vec<_>>() });
    let few = spent(Box::pin(ana.put("/api/v1/labels/l5/posts", posts(1)))).await;
    let many = spent(Box::pin(ana.put("/api/v1/labels/l5/posts", posts(25)))).await;
    // As many statements for 25 as for one.
    assert!(many <= few + 2, "{few} for one, {many} for 25");
    let few = spent(Box::pin(ana.put("/api/v1/posts/p1/labels", labels(1)))).await;
    let many = spent(Box::pin(ana.put("/api/v1/posts/p1/labels", labels(30)))).await;
    assert!(many <= few + 2, "{few} for one, {many} for 30");
    let few = spent(Box::pin(root.delete("/api/v1/labels/l30"))).await;
    let many = spent(Box::pin(root.delete("/api/v1/labels/l1"))).await;
    assert!(many <= few + 2, "{few} for one, {many} for 25");
}
