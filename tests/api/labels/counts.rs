//! The number of published posts that have a label, under every kind of change and concurrent summing.

use futures_util::future::join_all;
use serde_json::json;

use crate::app::TestApp;

/// Labels whose summed changes differ from the actual count.
const WRONG: &str = "labels WHERE
    (SELECT coalesce(sum(change), 0) FROM label_post_counts WHERE label_id = labels.id)
    <> (SELECT count(*) FROM post_labels JOIN posts ON posts.id = post_id WHERE published AND label_id = labels.id)";

/// 60 posts of ana and bob with three of ten labels each. Two thirds of the posts are published.
const ROWS: &str = "
    INSERT INTO labels (slug, name) SELECT 'l' || n, 'L' || n FROM generate_series(1, 10) AS n;
    INSERT INTO posts (slug, title, content, published, writer_id, editor_id)
        SELECT 'p' || n, 'P', '', n % 3 > 0, w.id, e.id FROM generate_series(1, 60) AS n
        JOIN users w ON w.username = CASE WHEN n % 2 = 0 THEN 'ana' ELSE 'bob' END
        JOIN users e ON e.username = 'ana';
    INSERT INTO post_labels (post_id, label_id)
        SELECT p.id, l.id FROM posts p JOIN labels l ON (p.id + l.id) % 10 IN (0, 3, 7);";

#[actix_web::test]
async fn labels_count_right_whatever_changes_them() {
    let app = TestApp::new().await;
    app.member("ana");
    app.member("bob");
    app.sql(ROWS);
    assert_eq!(app.count("label_post_counts WHERE change > 0"), 10);
    let changes = [
        "UPDATE posts SET published = NOT published WHERE id % 7 = 0",
        "UPDATE posts SET title = 'other', published = published",
        "UPDATE post_labels SET reason = 'x'",
        "DELETE FROM posts WHERE id % 5 = 0",
        "DELETE FROM post_labels WHERE post_id % 6 = 0",
        "UPDATE post_labels SET label_id = (SELECT min(id) FROM labels) WHERE post_id % 11 = 0
             AND label_id = (SELECT max(label_id) FROM post_labels o WHERE o.post_id = post_labels.post_id)
             AND NOT EXISTS (SELECT FROM post_labels o WHERE o.post_id = post_labels.post_id
                             AND o.label_id = (SELECT min(id) FROM labels))",
        "INSERT INTO post_labels (post_id, label_id) SELECT p.id, l.id FROM posts p, labels l ON CONFLICT DO NOTHING",
        "DELETE FROM labels WHERE slug = 'l3'",
        "DELETE FROM users WHERE username = 'bob'",
        "BEGIN; DELETE FROM posts; ROLLBACK",
        "SELECT 1",
        "TRUNCATE post_labels",
    ];
    for change in changes {
        app.sql(change);
        assert_eq!(app.count(WRONG), 0, "{change}");
        app.app.housekeeping().sweep().await.expect("a sweep");
        assert_eq!(app.count(WRONG), 0, "summed up after {change}");
    }
    assert_eq!(app.count("label_post_counts"), 0);
}

#[actix_web::test]
async fn gains_and_losses_are_summed_up() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "p", "labels": [{ "name": "ai" }, { "name": "b" }] })).await;
    for published in [true, false, true, false, true] {
        ana.patch("/api/v1/posts/p", json!({ "published": published })).await;
    }
    assert_eq!(ana.get("/api/v1/labels/ai").await.at("/post_count"), 1);
    app.app.housekeeping().sweep().await.expect("a sweep");
    assert_eq!((app.count("label_post_counts"), app.count("label_post_counts WHERE is_sum")), (2, 2));
    assert_eq!(ana.get("/api/v1/labels/ai").await.at("/post_count"), 1);
}

#[actix_web::test]
async fn labels_count_right_when_many_publish_and_label_at_once() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    for n in 0..8 {
        ana.post("/api/v1/posts", json!({ "title": format!("p{n}") })).await;
    }
    let sweep = async || {
        for _ in 0..10 {
            app.app.housekeeping().sweep().await.expect("a sweep");
        }
    };
    let change = async |n: usize| {
        let post = format!("/api/v1/posts/p{}", n % 8);
        let labels = format!("{post}/labels");
        for round in 0..6 {
            let wanted =
                json!({ "labels": [{ "name": format!("l{}", (n + round) % 3) }, { "name": "all" }] });
            let answers = [
                ana.put(&labels, wanted).await,
                ana.patch(&post, json!({ "published": (n + round).is_multiple_of(2) })).await,
                ana.delete(&format!("{labels}/all")).await,
                ana.post(&labels, json!({ "labels": [{ "name": "all" }] })).await,
            ];
            for answer in answers {
                assert!(answer.status.starts_with('2'), "{answer:?}");
            }
        }
    };
    futures_util::join!(sweep(), join_all((0..16).map(change)));
    assert_eq!(app.count(WRONG), 0);
    assert_eq!(app.count("labels"), 4);
}

#[actix_web::test]
async fn the_next_number_is_found_however_many_are_taken() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.sql(
        "INSERT INTO labels (slug, name) SELECT CASE n WHEN 1 THEN 'dup' ELSE 'dup-' || n END, 'x' || n
         FROM generate_series(1, 5000) AS n WHERE n <> 7",
    );
    app.rest().await;
    let before = app.app.state().metrics.statements.get();
    let slug = async || ana.post("/api/v1/labels", json!({ "name": "dup!" })).await.text("/slug");
    // The first free number if it is small, then the number after the last.
    assert_eq!(slug().await, "dup-7");
    assert_eq!(slug().await, "dup-5001");
    assert!(app.app.state().metrics.statements.get() - before < 150, "it tries one after the other");
}
