//! Large deletions, and the numbers that they report.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Answer;
use crate::pictures;

#[actix_web::test]
async fn a_user_goes_with_everything_and_every_row_is_counted_once() {
    let app = TestApp::new().await;
    let (ana, bob, root) = (app.member("ana"), app.member("bob"), app.staff("root"));
    for number in 1..=50 {
        let labels = json!([{ "name": "ai" }, { "name": format!("l{number}") }]);
        let post = json!({ "title": format!("a{number}"), "published": number % 2 == 0, "labels": labels });
        assert_eq!(ana.post("/api/v1/posts", post).await.status, "201 Created");
        if number <= 4 {
            let path = format!("/api/v1/posts/a{number}/cover");
            assert_eq!(ana.upload(&path, "cover", pictures::jpeg(8, 6)).await.status, "200 OK");
        }
    }
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(8, 6)).await;
    bob.post(
        "/api/v1/posts",
        json!({ "title": "b1", "published": true, "editor": "ana", "labels": [{ "name": "ai" }] }),
    )
    .await;
    bob.upload("/api/v1/posts/b1/cover", "cover", pictures::jpeg(8, 6)).await;
    // Comments by her and others on her own posts, and by her on others' posts and detached: all deleted. Others'
    // comments on others' posts stay.
    for (client, post, times) in [
        (&ana, Some("a2"), 3),
        (&bob, Some("a2"), 4),
        (&root, Some("a4"), 1),
        (&ana, Some("b1"), 2),
        (&ana, None, 2),
        (&bob, Some("b1"), 5),
        (&bob, None, 1),
    ] {
        for _ in 0..times {
            let said = client.post("/api/v1/comments", json!({ "content": "x", "post": post })).await;
            assert_eq!(said.status, "201 Created");
        }
    }
    app.idle().await;
    let files = app.files().len();

    let deleted = root.delete("/api/v1/users/ana").await;
    // 3 + 4 + 1 on her posts, and 2 + 2 of hers elsewhere.
    let by_type = json!({ "users": 1, "profiles": 1, "posts": 50, "comments": 12, "post_labels": 100 });
    assert_eq!(deleted.json(), json!({ "deleted": 164, "by_type": by_type }));
    let left =
        ["users", "posts", "comments", "post_labels", "labels", "pictures"].map(|table| app.count(table));
    assert_eq!(left, [2, 1, 6, 1, 51, 1]);
    let post = app.guest().get("/api/v1/posts/b1").await;
    assert_eq!((post.at("/editor"), post.at("/comment_count")), (Value::Null, json!(5)));
    assert_eq!(app.guest().get("/api/v1/labels/ai").await.at("/post_count"), 1);
    app.idle().await;
    assert_eq!(i64::try_from(app.files().len()).expect("a number"), app.count("files"));
    assert!(app.files().len() < files && app.count("files") == 1, "{:?}", app.files());
}

#[actix_web::test]
async fn somebody_with_ten_thousand_comments_goes_in_one_request() {
    let app = TestApp::new().await;
    app.member("bob");
    let ana = app.member("ana");
    app.sql(
        "INSERT INTO labels (slug, name) VALUES ('ai', 'AI'), ('tech', 'Technology');
         INSERT INTO posts (slug, title, content, writer_id)
             SELECT u.username || n, 'x', 'x', u.id FROM users u, generate_series(1, 1000) AS n WHERE u.username = 'ana' OR n <= 10;
         INSERT INTO post_labels (post_id, label_id) SELECT p.id, l.id FROM posts p, labels l;
         -- 4,000 of bob's and 4,000 of ana's on ana's posts, 2,000 of ana's on bob's, and 30 of bob's on bob's.
         INSERT INTO comments (post_id, user_id, alias, content)
             SELECT p.id, u.id, 'x', 'x' FROM posts p, users u, generate_series(1, 4) WHERE p.slug LIKE 'ana%';
         INSERT INTO comments (post_id, user_id, alias, content)
             SELECT p.id, u.id, 'x', 'x' FROM posts p, users u, generate_series(1, 200) AS n
             WHERE p.slug LIKE 'bob%' AND (u.username = 'ana' OR n <= 3)",
    );
    let deleted = ana.delete("/api/v1/users/me").await;
    let by_type =
        json!({ "users": 1, "profiles": 1, "posts": 1000, "comments": 10_000, "post_labels": 2000 });
    assert_eq!(deleted.json(), json!({ "deleted": 13_002, "by_type": by_type }));
    assert_eq!(["users", "posts", "comments", "post_labels"].map(|table| app.count(table)), [1, 10, 30, 20]);
}

#[actix_web::test]
async fn what_is_counted_is_what_was_there_when_others_write_meanwhile() {
    let app = TestApp::with(&["--database-pool", "12"]).await;
    let (bob, root) = (app.member("bob"), app.staff("root"));
    bob.post("/api/v1/posts", json!({ "title": "b", "published": true })).await;
    for round in 0..10 {
        let ana = app.member("ana");
        ana.post("/api/v1/posts", json!({ "title": "p", "published": true })).await;
        let delete = async { vec![root.delete("/api/v1/users/ana").await] };
        let writes = join_all((0..12).map(|n| {
            let (ana, bob) = (&ana, &bob);
            async move {
                match n % 4 {
                    0 => bob.post("/api/v1/posts/p/comments", json!({ "content": "x" })).await,
                    1 => ana.post("/api/v1/posts/b/comments", json!({ "content": "x" })).await,
                    2 => {
                        ana.post("/api/v1/posts/p/labels", json!({ "labels": [{ "name": format!("l{n}") }] }))
                            .await
                    }
                    _ => ana.post("/api/v1/posts/p/comments", json!({ "content": "x" })).await,
                }
            }
        }));
        let (deleted, writes) = futures_util::join!(delete, writes);
        let written = |n: usize| {
            writes
                .iter()
                .enumerate()
                .filter(|(place, answer)| place % 4 == n && answer.status.starts_with('2'))
                .count()
        };
        for answer in &writes {
            assert!(["200", "201", "401", "404"].contains(&&answer.status[..3]), "{answer:?}");
        }
        let told = |name: &str| deleted[0].at(&format!("/by_type/{name}")).as_u64().unwrap_or_default();
        let (comments, labels) = (written(0) + written(1) + written(3), written(2));
        assert_eq!(
            (told("comments"), told("post_labels")),
            (comments as u64, labels as u64),
            "round {round}: {:?}",
            deleted[0]
        );
        assert_eq!(app.count("comments"), 0, "round {round}");
    }
}

#[actix_web::test]
async fn two_who_delete_the_same_comments_wait_for_each_other_in_no_circle() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    ana.post("/api/v1/posts", json!({ "title": "p", "published": true })).await;
    ana.post("/api/v1/posts", json!({ "title": "other" })).await;
    app.member("bob");
    // The first rows inserted are the youngest, so that an order by time differs from the physical order. Each
    // deletion takes a while.
    app.sql(
        "INSERT INTO comments (post_id, user_id, alias, content, created_at)
             SELECT p.id, u.id, 'x', 'x', now() - n * interval '1 s' FROM posts p, users u, generate_series(1, 30000) AS n
             WHERE (p.slug = 'p' AND u.username = 'bob' AND n % 1000 = 0) OR (p.slug = 'other' AND u.username = 'root');
         ANALYZE comments; ANALYZE posts;
         CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN OLD; END $$;
         CREATE TRIGGER dawdle BEFORE DELETE ON comments FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    let (user, comments) =
        futures_util::join!(root.delete("/api/v1/users/bob"), ana.delete("/api/v1/posts/p/comments"));
    assert_eq!(
        (user.status.as_str(), comments.status.as_str()),
        ("200 OK", "200 OK"),
        "{user:?} {comments:?}"
    );
    let told = |answer: &Answer| answer.at("/by_type/comments").as_u64().unwrap_or_default();
    assert_eq!(told(&user) + told(&comments), 30);
}

#[actix_web::test]
async fn an_export_holds_what_the_user_has_said() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    bob.post("/api/v1/posts", json!({ "title": "Open", "published": true })).await;
    bob.post("/api/v1/posts", json!({ "title": "Hidden words", "slug": "hidden", "published": true })).await;
    ana.post("/api/v1/posts", json!({ "title": "Draft", "labels": [{ "name": "ai", "reason": "why" }] }))
        .await;
    for (content, post) in [("1", Some("open")), ("2", Some("hidden")), ("3", Some("draft")), ("4", None)] {
        ana.post("/api/v1/comments", json!({ "content": content, "post": post })).await;
    }
    bob.post("/api/v1/comments", json!({ "content": "not hers", "post": "open" })).await;
    bob.patch("/api/v1/posts/hidden", json!({ "published": false })).await;
    for client in [&ana, &app.staff("root")] {
        let export = client.get("/api/v1/users/ana/export").await;
        assert_eq!(export.each("/comments", "content"), "1, 2, 3, 4");
        let posts: Vec<Value> = (0..4).map(|n| export.at(&format!("/comments/{n}/post/slug"))).collect();
        assert_eq!(posts, [json!("open"), Value::Null, json!("draft"), Value::Null]);
        assert_eq!(export.at("/comments/1/post"), Value::Null);
        assert_eq!(export.at("/posts/0/labels/0/reason"), "why");
        assert_eq!(export.at("/posts/0/comment_count"), 1);
        let told = export.json().to_string();
        assert!(!told.contains("Hidden words") && !told.contains("not hers"), "{told}");
        let members = export.at("/comments/0");
        let members: Vec<&String> = members.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["alias", "content", "created_at", "id", "post", "updated_at", "url", "user"]);
    }
    // More comments than are read in one batch, with equal times.
    app.sql(
        "INSERT INTO comments (user_id, alias, content, created_at) SELECT id, 'x', 'n' || n, timestamptz '2020-01-01'
         FROM users, generate_series(1, 23) AS n WHERE username = 'ana'",
    );
    let export = ana.get("/api/v1/users/me/export").await;
    let expected: Vec<String> =
        (1..=23).map(|n| format!("n{n}")).chain((1..=4).map(|n| n.to_string())).collect();
    assert_eq!(export.each("/comments", "content"), expected.join(", "));
}

#[actix_web::test]
async fn who_comments_on_what_is_deleted_gets_no_5xx() {
    let app = TestApp::with(&["--database-pool", "12"]).await;
    let (carl, root) = (app.member("carl"), app.staff("root"));
    for round in 0..10 {
        let ana = app.member("ana");
        ana.post("/api/v1/posts", json!({ "title": "p", "published": true })).await;
        let path = carl.post("/api/v1/posts/p/comments", json!({ "content": "Hello" })).await.text("/url");
        let free = carl.post("/api/v1/comments", json!({ "content": "free" })).await.text("/url");
        let others = (0..12).map(|n| {
            let (carl, ana, root, path, free) = (&carl, &ana, &root, &path, &free);
            async move {
                match (n + round) % 6 {
                    0 => carl.post("/api/v1/posts/p/comments", json!({ "content": "x" })).await,
                    1 => carl.post("/api/v1/comments", json!({ "content": "x", "post": "p" })).await,
                    2 => carl.patch(free, json!({ "post": "p" })).await,
                    3 => root.patch(path, json!({ "post": null, "content": "y" })).await,
                    4 => ana.delete("/api/v1/posts/p/comments").await,
                    _ if n % 2 == 0 => ana.delete("/api/v1/posts/p").await,
                    _ => root.delete("/api/v1/users/ana").await,
                }
            }
        });
        for answer in join_all(others).await {
            assert!(
                ["200", "201", "204", "401", "404", "422"].contains(&&answer.status[..3]),
                "round {round}: {answer:?}"
            );
        }
        root.delete("/api/v1/users/ana").await;
    }
    assert_eq!(app.count("posts"), 0);
}
