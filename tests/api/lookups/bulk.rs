//! Bulk changes and deletions of posts, selected by lookups.

use futures_util::future::{LocalBoxFuture, join, join_all};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Client};
use crate::pictures;

const POSTS: &str = "/api/v1/posts";

/// Create ana's posts 1 to 6, of which bob edits the even ones, and dan's posts 7 and 8. Posts 1 to 4 are published.
/// Each post has the label `ai` and as many comments as its number.
fn world(app: &TestApp) -> [Client; 4] {
    let (ana, bob, dan, root) = (app.member("ana"), app.member("bob"), app.member("dan"), app.staff("root"));
    app.sql(
        "INSERT INTO posts (slug, title, content, published, writer_id, editor_id)
             SELECT 'p' || n, 'Post ' || n, 'words', n <= 4, w.id, e.id
             FROM generate_series(1, 8) AS n JOIN users w ON w.username = CASE WHEN n <= 6 THEN 'ana' ELSE 'dan' END
             LEFT JOIN users e ON e.username = 'bob' AND n <= 6 AND n % 2 = 0;
         UPDATE posts SET published_at = '2026-01-01' WHERE slug = 'p1';
         INSERT INTO labels (slug, name) VALUES ('ai', 'AI');
         INSERT INTO post_labels (post_id, label_id) SELECT posts.id, labels.id FROM posts, labels;
         INSERT INTO comments (post_id, user_id, alias, content)
             SELECT posts.id, users.id, 'x', 'x' FROM posts, users, generate_series(1, 8) AS n
             WHERE username = 'dan' AND n <= substr(slug, 2)::integer;
         -- Every statement that changes posts.
         CREATE TABLE said (what text);
         CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
             AS $$ BEGIN INSERT INTO said VALUES (TG_OP); RETURN NULL; END $$;
         CREATE TRIGGER say AFTER INSERT OR UPDATE OR DELETE ON posts FOR EACH STATEMENT EXECUTE FUNCTION say()",
    );
    [ana, bob, dan, root]
}

fn slugs(app: &TestApp, condition: &str) -> String {
    app.lines(&format!("SELECT slug FROM posts WHERE {condition} ORDER BY slug")).replace('\n', " ")
}

async fn update(client: &Client, query: &str, body: Value) -> String {
    let answer = client.patch(&format!("{POSTS}?{query}"), body).await;
    if answer.status == "200 OK" { answer.at("/updated").to_string() } else { answer.refusal() }
}

async fn delete(client: &Client, query: &str) -> Answer {
    client.delete(&format!("{POSTS}?{query}")).await
}

#[actix_web::test]
async fn a_change_of_many_is_one_statement() {
    let app = TestApp::new().await;
    let [ana, _, _, root] = &world(&app);
    app.idle().await;
    let spent = async |requests: Vec<LocalBoxFuture<'_, Answer>>| {
        let before = app.app.state().metrics.statements.get();
        for request in requests {
            let answer = request.await;
            assert_eq!(answer.status, "200 OK", "{answer:?}");
        }
        app.app.state().metrics.statements.get() - before
    };
    let update = |query: &str, rank: u8| -> LocalBoxFuture<'_, Answer> {
        let path = format!("{POSTS}?{query}");
        Box::pin(async move { root.patch(&path, json!({ "rank": rank })).await })
    };
    let delete = |query: &str| -> LocalBoxFuture<'_, Answer> {
        let path = format!("{POSTS}?{query}");
        Box::pin(async move { ana.delete(&path).await })
    };
    app.rest().await;
    // Run each once first, for what the node then caches.
    spent(vec![update("slug=none", 1), delete("slug=none")]).await;
    // Three statements: the change itself and its transaction's begin and commit.
    for query in
        ["slug=p1", "all=true", "filter=labels:ai and comments__user:dan&search=words&writer__in=ana,dan"]
    {
        app.sql("DELETE FROM said");
        let statements = spent((1..=20).map(|n| update(query, 1 + n % 5)).collect()).await;
        assert_eq!(statements, 60, "{query}, 20 times");
        assert_eq!(app.lines("SELECT what || count(*) FROM said GROUP BY what"), "UPDATE20", "{query}");
    }
    app.sql("DELETE FROM said");
    let statements =
        spent((0..20).map(|n| delete(&format!("title=Post {}&rank__gt=0", n % 7))).collect()).await;
    assert_eq!(statements, 60, "20 deletions");
    // Only deletions are counted: the cascade to labels also updates each post.
    assert_eq!(app.count("said WHERE what = 'DELETE'"), 20);
    assert_snapshot!(slugs(&app, "true"), @"p7 p8");
    app.sql("DELETE FROM said");
    spent(vec![Box::pin(root.delete(&format!("{POSTS}?all=true")))]).await;
    assert_eq!(app.count("said WHERE what = 'DELETE'"), 1);
}

#[actix_web::test]
async fn one_changes_what_one_may() {
    let app = TestApp::new().await;
    let [ana, bob, dan, root] = world(&app);
    for (client, rank, updated, changed) in [
        (&bob, 1, "3", "p2 p4 p6"),
        (&dan, 2, "2", "p7 p8"),
        (&app.member("eve"), 4, "0", ""),
        (&ana, 5, "6", "p1 p2 p3 p4 p5 p6"),
        (&root, 4, "8", "p1 p2 p3 p4 p5 p6 p7 p8"),
    ] {
        assert_eq!(update(client, "all=true", json!({ "rank": rank })).await, updated);
        assert_eq!(slugs(&app, &format!("rank = {rank}")), changed);
    }
    // Other users' rows that match the condition cause no error, and do not change.
    assert_snapshot!(update(&dan, "slug__in=p1,p5,p7,nothing", json!({ "rank": 1 })).await, @"1");
    assert_snapshot!(slugs(&app, "rank = 1"), @"p7");
    // An editor can delete nothing. Other users' drafts are not even counted.
    let deleted = delete(&bob, "all=true").await;
    assert_eq!(deleted.json(), json!({ "deleted": 0, "by_type": {} }));
    let deleted = delete(&dan, "slug__in=p1,p5,p8").await;
    assert_eq!(
        deleted.json(),
        json!({ "deleted": 10, "by_type": { "posts": 1, "comments": 8, "post_labels": 1 } })
    );
    assert_snapshot!(slugs(&app, "true"), @"p1 p2 p3 p4 p5 p6 p7");
    assert_eq!(app.guest().delete(&format!("{POSTS}?all=true")).await.status, "401 Unauthorized");
}

#[actix_web::test]
async fn a_change_of_many_does_what_one_of_each_would() {
    let app = TestApp::new().await;
    let [ana, _, _, root] = world(&app);
    let versions = || app.lines("SELECT slug || ' ' || version FROM posts ORDER BY slug");
    let before = versions();
    let tag = ana.get(&format!("{POSTS}/p5")).await.header("etag").to_owned();
    let changes = json!({ "published": true, "category": "TEC", "rating": 5, "content": " new ", "editor": "dan", "title": "Same" });
    assert_snapshot!(update(&ana, "slug__in=p1,p5,p6", changes).await, @"3");
    let post = ana.get(&format!("{POSTS}/p5")).await;
    let members = ["title", "slug", "content", "category", "rating", "published", "rank"]
        .map(|member| post.json()[member].clone());
    assert_eq!(json!(members), json!(["Same", "p5", "new", "TEC", 5, true, 3]));
    assert_eq!(post.at("/editor/username"), "dan");
    // The publication date is set the first time and kept.
    assert!(post.at("/published_at").is_string());
    assert_eq!(
        app.guest().get(&format!("{POSTS}/p1")).await.at("/published_at"),
        "2026-01-01T00:00:00.000000Z"
    );
    assert_snapshot!(ana.patch_if(&format!("{POSTS}/p5"), &tag, json!({ "rank": 1 })).await.refusal(), @"412 precondition_failed");
    let moved: Vec<String> = versions()
        .lines()
        .zip(before.lines())
        .filter(|(a, b)| a != b)
        .map(|(a, _)| a[..2].to_owned())
        .collect();
    assert_eq!(moved, ["p1", "p5", "p6"]);
    let count = async || app.guest().get("/api/v1/labels/ai").await.at("/post_count");
    assert_eq!(count().await, 6);
    assert_snapshot!(update(&root, "published=true&exclude__rating=5", json!({ "published": false, "editor": null })).await, @"3");
    assert_eq!(count().await, 3);
    assert_snapshot!(slugs(&app, "editor_id IS NULL"), @"p2 p3 p4 p7 p8");
    // By search, by an expression, by related rows, by part of a time, and by all of these together.
    assert_snapshot!(update(&root, "search=new", json!({ "rank": 1 })).await, @"3");
    assert_snapshot!(update(&root, "filter=slug:p7 or comments__id__isnull:true", json!({ "rank": 1 })).await, @"1");
    assert_snapshot!(update(&root, "created_at__date=2020-01-01&tz=Asia/Kolkata", json!({ "rank": 1 })).await, @"0");
    assert_snapshot!(update(&root, "writer=dan&labels=ai&exclude__slug=p7&search=words", json!({ "rank": 1 })).await, @"1");
    assert_snapshot!(update(&ana, "writer=me&rank=1", json!({ "rank": 2 })).await, @"3");
    assert_snapshot!(slugs(&app, "rank = 1"), @"p7 p8");
    // Matching no rows and changing no fields are no errors.
    let before = versions();
    assert_snapshot!(update(&root, "slug=none", json!({ "rank": 1 })).await, @"0");
    assert_snapshot!(update(&root, "all=true", json!({})).await, @"0");
    assert_eq!(delete(&root, "slug=none").await.json(), json!({ "deleted": 0, "by_type": {} }));
    assert_eq!(versions(), before);
}

#[actix_web::test]
async fn what_is_deleted_takes_everything_along() {
    let app = TestApp::new().await;
    let [ana, _, dan, root] = world(&app);
    for slug in ["p1", "p2", "p3"] {
        let covered = ana.upload(&format!("{POSTS}/{slug}/cover"), "cover", pictures::jpeg(64, 48)).await;
        assert_eq!(covered.status, "200 OK");
        let cover = covered.text("/cover/variants/0/url");
        assert_eq!(app.guest().get(&cover).await.status, "200 OK");
    }
    app.idle().await;
    let files = app.files().len();
    let kept = ana.get(&format!("{POSTS}/p3")).await.text("/cover/url");
    let gone = ana.get(&format!("{POSTS}/p1")).await.text("/cover/url");
    dan.post("/api/v1/comments", json!({ "content": "about nothing" })).await;
    let deleted = delete(&ana, "title__in=Post 1,Post 2,Post 5").await;
    assert_eq!(
        deleted.json(),
        json!({ "deleted": 14, "by_type": { "posts": 3, "comments": 8, "post_labels": 3 } })
    );
    assert_eq!((app.count("posts"), app.count("comments"), app.count("post_labels")), (5, 29, 5));
    assert_eq!(app.guest().get("/api/v1/labels/ai").await.at("/post_count"), 2);
    app.idle().await;
    assert_eq!((app.files().len(), app.count("pictures")), (files / 3, 1));
    assert_eq!(app.guest().get(&gone).await.status, "404 Not Found");
    assert_eq!(app.guest().get(&kept).await.status, "200 OK");
    // The slugs of deleted posts are free again.
    let again = ana.post(POSTS, json!({ "title": "Again", "slug": "p1" })).await;
    assert_snapshot!(again.status, @"201 Created");
    let rest = delete(&root, "all=true").await;
    assert_eq!(
        rest.json(),
        json!({ "deleted": 39, "by_type": { "posts": 6, "comments": 28, "post_labels": 5 } })
    );
    app.idle().await;
    assert_eq!((app.files(), app.count("comments"), app.count("labels")), (vec![], 1, 1));
}

#[actix_web::test]
async fn what_is_not_said_well_changes_nothing() {
    let app = TestApp::new().await;
    let [ana, _, _, root] = world(&app);
    let state = || app.lines("SELECT posts::text FROM posts ORDER BY id");
    let before = state();
    for (query, refusal) in [
        ("", "400 invalid_query all required"),
        ("all=false", "400 invalid_query all required"),
        ("tz=UTC", "400 invalid_query all required"),
        ("all=true&all=true", "400 invalid_query all duplicate_parameter"),
        ("all=true&limit=1", "400 invalid_query limit unknown_parameter"),
        ("all=true&offset=1", "400 invalid_query offset unknown_parameter"),
        ("all=true&ordering=title", "400 invalid_query ordering unknown_parameter"),
        ("all=true&cursor=x", "400 invalid_query cursor unknown_parameter"),
        ("all=true&count=exact", "400 invalid_query count unknown_parameter"),
        ("all=yes", "400 invalid_query all invalid_parameter"),
        ("titel=x", "400 invalid_query titel unknown_parameter"),
        ("all=true&titel=x", "400 invalid_query titel unknown_parameter"),
        ("all=true&rating=x", "400 invalid_query rating invalid_parameter"),
        ("all=true&search=", "400 invalid_query search invalid_parameter"),
        ("all=true&filter=", "400 invalid_query filter invalid_filter"),
        ("all=true&filter=title:x and", "400 invalid_query filter invalid_filter"),
    ] {
        assert_eq!(update(&root, query, json!({ "rank": 1 })).await, refusal, "{query}");
        assert_eq!(delete(&root, query).await.refusal(), refusal, "{query}");
        assert_eq!(update(&ana, query, json!({ "rank": 1 })).await, refusal, "{query}");
    }
    for (body, refusal) in [
        (json!({ "slug": "x" }), "422 validation_failed /slug unknown_member"),
        (json!({ "slug": null }), "422 validation_failed /slug unknown_member"),
        (json!({ "labels": [] }), "422 validation_failed /labels unknown_member"),
        (json!({ "editor": "nobody" }), "422 validation_failed /editor unknown_user"),
        (json!({ "title": "" }), "422 validation_failed /title too_short"),
        (json!({ "title": "x".repeat(257) }), "422 validation_failed /title too_long"),
        (json!({ "content": "x".repeat(200_001) }), "422 validation_failed /content too_long"),
        (json!({ "rating": 6, "rank": 0 }), "422 validation_failed /rating out_of_range, /rank out_of_range"),
        (json!({ "category": "SOX" }), "422 validation_failed /category not_a_choice"),
        (json!({ "published": "true" }), "422 validation_failed /published invalid_type"),
        (json!([]), "422 validation_failed  invalid_type"),
    ] {
        assert_eq!(update(&root, "all=true", body.clone()).await, refusal, "{body}");
        // Also if no row matches.
        assert_eq!(update(&root, "slug=none", body.clone()).await, refusal, "{body}");
    }
    assert_eq!(state(), before);
}

#[actix_web::test]
async fn rules_about_titles_hold_for_many() {
    let app = TestApp::with(&["--title-case", "on"]).await;
    let [ana, ..] = world(&app);
    assert_snapshot!(update(&ana, "all=true", json!({ "title": "in lower case" })).await, @"422 validation_failed /title not_title_case");
    assert_snapshot!(update(&ana, "all=true", json!({ "title": "In Title Case" })).await, @"6");
    let app = TestApp::with(&["--slug-of-title", "on"]).await;
    let [ana, ..] = world(&app);
    // Every slug would have to change, each to a different one.
    let refused = update(&ana, "all=true", json!({ "title": "Another" })).await;
    assert!(refused.starts_with("422 validation_failed /title "), "{refused}");
    assert_eq!(slugs(&app, "title = 'Another'"), "");
    assert_snapshot!(update(&ana, "all=true", json!({ "rank": 1 })).await, @"6");
}

#[actix_web::test]
async fn changes_of_the_same_posts_wait_for_each_other() {
    let app = TestApp::new().await;
    let [ana, bob, _, root] = world(&app);
    app.sql(
        "INSERT INTO posts (slug, title, content, writer_id, editor_id)
             SELECT 'q' || n, 'x', '', w.id, e.id FROM users w, users e, generate_series(1, 300) AS n
             WHERE w.username = 'ana' AND e.username = 'bob'",
    );
    for _ in 0..5 {
        // These two would lock the rows in opposite orders if each followed the order of an index.
        let (up, down) = join(
            update(&ana, "slug__gte=p&title__in=x,Post 2", json!({ "rank": 1, "title": "x" })),
            update(&bob, "slug__lte=z&exclude__title=none", json!({ "rank": 2, "content": "y" })),
        )
        .await;
        assert!(up.parse::<u32>().is_ok() && down == "303", "{up} and {down}");
    }
    let (changes, gone) = join(
        join_all((1..=5).map(|rank| update(&root, "title=x", json!({ "rank": rank })))),
        delete(&ana, "slug__startswith=q&rating=3"),
    )
    .await;
    assert!(changes.iter().all(|updated| updated.parse::<u32>().is_ok()), "{changes:?}");
    assert_eq!(gone.at("/by_type/posts"), 300);
    assert_eq!(app.count("posts WHERE slug LIKE 'q%'"), 0);
}
