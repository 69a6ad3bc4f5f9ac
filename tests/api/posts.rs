//! Posts.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::send;

#[actix_web::test]
async fn a_post_has_all_its_members() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.member("bob");
    ana.patch("/api/v1/profiles/me", json!({ "display_name": "Ana García" })).await;
    let body = json!({
        "title": " Straße & Co ", "content": "…", "category": "TEC", "rating": 5, "rank": 1, "published": true, "editor": "BOB"
    });
    let answer = ana.post("/api/v1/posts", body).await;
    assert_snapshot!(answer.status, @"201 Created");
    assert_eq!(answer.header("location"), format!("{}/api/v1/posts/strasse-co", app.base));
    let post = answer.json();
    assert_eq!(post["title"], "Straße & Co");
    assert_eq!(
        (&post["category_display"], &post["rating_display"]),
        (&json!("Technology"), &json!("Excellent"))
    );
    assert_eq!(post["writer"]["display_name"], "Ana García");
    assert_eq!(post["editor"]["username"], "bob");
    assert_eq!(post["url"], answer.header("location"));
    let time = post["published_at"].as_str().expect("a time");
    assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    assert_eq!(app.guest().get("/api/v1/posts/strasse-co").await.json(), post);
}

#[actix_web::test]
async fn a_post_has_defaults() {
    let app = TestApp::new().await;
    let post = app.member("ana").post("/api/v1/posts", json!({ "title": "Hello" })).await.json();
    let seen = json!([
        post["category"],
        post["rating"],
        post["rank"],
        post["published"],
        post["published_at"],
        post["editor"],
        post["content"]
    ]);
    assert_eq!(seen, json!(["SOC", 3, 3, false, null, null, ""]));
}

#[actix_web::test]
async fn every_fault_of_a_post_is_told_at_once() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let refusal = async |body: Value| ana.post("/api/v1/posts", body).await.refusal();
    assert_snapshot!(refusal(json!({})).await, @"422 validation_failed /title required");
    assert_snapshot!(refusal(json!({ "title": " ", "slug": "a b", "category": "XXX", "rating": 0, "rank": 6, "editor": "nobody" })).await,
        @"422 validation_failed /title too_short, /slug invalid_slug, /category not_a_choice, /rating out_of_range, /rank out_of_range, /editor unknown_user");
    assert_snapshot!(refusal(json!({ "title": "x".repeat(257), "content": "x".repeat(200_001), "published": null })).await,
        @"422 validation_failed /title too_long, /content too_long, /published required");
    assert_snapshot!(refusal(json!({ "title": "x", "rating": 3.5 })).await, @"422 validation_failed /rating invalid_type");
    assert_snapshot!(refusal(json!({ "title": "x", "rating": 9_223_372_036_854_775_807_i64 })).await,
        @"422 validation_failed /rating out_of_range");
    assert_snapshot!(refusal(json!({ "title": "a\u{0}", "writer": "bob" })).await, @"422 validation_failed /writer unknown_member");
    assert_snapshot!(refusal(json!({ "title": "a\u{0}", "editor": "b\u{0}" })).await,
        @"422 validation_failed /title null_character, /editor null_character");
    assert_eq!(app.count("posts") + app.count("post_slugs"), 0);
}

#[actix_web::test]
async fn slugs_are_made_from_titles() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let long = "x".repeat(256);
    let cases = [
        ("日本語", "ri-ben-yu"),
        ("Привет мир", "privet-mir"),
        ("!!!", "post"),
        ("???", "post-2"),
        (&long, &long),
        ("C++ & C#", "c-c"),
    ];
    for (title, slug) in cases {
        assert_eq!(ana.post("/api/v1/posts", json!({ "title": title })).await.text("/slug"), slug, "{title}");
    }
    let second = ana.post("/api/v1/posts", json!({ "title": long })).await.text("/slug");
    assert_eq!(second, format!("{}-2", "x".repeat(254)));
}

#[actix_web::test]
async fn of_20_parallel_posts_of_one_title_each_has_its_slug() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let answers =
        join_all((0..20).map(|_| ana.post("/api/v1/posts", json!({ "title": "Same title" })))).await;
    let slugs: BTreeSet<String> = answers.iter().map(|answer| answer.text("/slug")).collect();
    let expected: BTreeSet<String> =
        (1..=20).map(|n| if n == 1 { "same-title".into() } else { format!("same-title-{n}") }).collect();
    assert_eq!(slugs, expected);
}

#[actix_web::test]
async fn a_slug_stays_when_the_title_changes_and_a_former_one_leads_on() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "First", "published": true })).await;
    assert_eq!(ana.patch("/api/v1/posts/first", json!({ "title": "Second" })).await.text("/slug"), "first");
    assert_eq!(ana.patch("/api/v1/posts/first", json!({ "slug": null })).await.text("/slug"), "second");
    assert_eq!(
        ana.patch("/api/v1/posts/second", json!({ "slug": "Third_1" })).await.text("/slug"),
        "Third_1"
    );

    // After two renames there is still only one redirect, for any method, with subpath and query.
    for former in ["first", "second"] {
        let moved = app.guest().get(&format!("/api/v1/posts/{former}")).await;
        assert_eq!(moved.status, "308 Permanent Redirect", "{former}");
        assert_eq!(moved.header("location"), format!("{}/api/v1/posts/Third_1", app.base));
    }
    let moved = ana.patch("/api/v1/posts/first", json!({ "title": "x" })).await;
    assert_snapshot!(moved.status, @"308 Permanent Redirect");
    let moved = app.guest().get("/api/v1/posts/first/labels?limit=2").await;
    assert_eq!(moved.header("location"), format!("{}/api/v1/posts/Third_1/labels?limit=2", app.base));
    assert_snapshot!(app.guest().delete("/api/v1/posts/first").await.refusal(), @"401 authentication_required");

    // A former slug stays reserved, and its post may take it back.
    assert_eq!(ana.post("/api/v1/posts", json!({ "title": "First" })).await.text("/slug"), "first-2");
    assert_snapshot!(ana.post("/api/v1/posts", json!({ "title": "x", "slug": "first" })).await.refusal(), @"409 slug_taken");
    assert_snapshot!(ana.patch("/api/v1/posts/first-2", json!({ "slug": "second" })).await.refusal(), @"409 slug_taken");
    assert_eq!(ana.patch("/api/v1/posts/Third_1", json!({ "slug": "first" })).await.text("/slug"), "first");
    assert_snapshot!(app.guest().get("/api/v1/posts/first").await.status, @"200 OK");
    assert_snapshot!(app.guest().get("/api/v1/posts/Third_1").await.status, @"308 Permanent Redirect");
}

#[actix_web::test]
async fn making_the_slug_anew_burns_no_numbers() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Hello" })).await;
    ana.post("/api/v1/posts", json!({ "title": "Hello" })).await;
    for _ in 0..3 {
        assert_eq!(
            ana.patch("/api/v1/posts/hello-2", json!({ "slug": null })).await.text("/slug"),
            "hello-2"
        );
    }
    assert_eq!(app.count("post_slugs"), 2);
}

#[actix_web::test]
async fn an_editor_who_is_inactive_may_stay() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.member("bob");
    ana.post("/api/v1/posts", json!({ "title": "Hello", "editor": "bob" })).await;
    app.sql("UPDATE users SET is_active = false WHERE username = 'bob'");
    assert_snapshot!(ana.patch("/api/v1/posts/hello", json!({ "editor": "bob" })).await.status, @"200 OK");
    assert_snapshot!(ana.post("/api/v1/posts", json!({ "title": "x", "editor": "bob" })).await.refusal(),
        @"422 validation_failed /editor unknown_user");
}

#[actix_web::test]
async fn a_former_slug_of_a_draft_tells_strangers_nothing() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Old" })).await;
    ana.patch("/api/v1/posts/old", json!({ "slug": "new" })).await;
    assert_snapshot!(app.guest().get("/api/v1/posts/old").await.refusal(), @"404 not_found");
    assert_snapshot!(ana.get("/api/v1/posts/old").await.status, @"308 Permanent Redirect");
}

#[actix_web::test]
async fn slugs_hold_in_plain_sql_too() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "One", "published": true })).await;
    app.sql("UPDATE posts SET slug = 'renamed'");
    assert_snapshot!(app.guest().get("/api/v1/posts/one").await.status, @"308 Permanent Redirect");
    app.sql("DELETE FROM posts");
    assert_eq!(app.count("post_slugs"), 0);
    assert_eq!(ana.post("/api/v1/posts", json!({ "title": "One" })).await.text("/slug"), "one");
}

#[actix_web::test]
async fn drafts_are_nobodys_business() {
    let app = TestApp::new().await;
    let (ana, bob, eve, staff) = (app.member("ana"), app.member("bob"), app.member("eve"), app.staff("root"));
    ana.post("/api/v1/posts", json!({ "title": "Draft", "editor": "bob" })).await;
    for (client, status) in [
        (&ana, "200 OK"),
        (&bob, "200 OK"),
        (&staff, "200 OK"),
        (&eve, "404 Not Found"),
        (&app.guest(), "404 Not Found"),
    ] {
        assert_eq!(client.get("/api/v1/posts/draft").await.status, status);
        let listed = client.get("/api/v1/posts").await.at("/results/0/slug") == "draft";
        assert_eq!(listed, status == "200 OK");
    }
    let body = json!({ "title": "x" });
    assert_snapshot!(eve.patch("/api/v1/posts/draft", body.clone()).await.refusal(), @"404 not_found");
    assert_snapshot!(eve.delete("/api/v1/posts/draft").await.refusal(), @"404 not_found");
    assert_snapshot!(bob.patch("/api/v1/posts/draft", json!({ "published": true })).await.status, @"200 OK");
    assert_snapshot!(eve.patch("/api/v1/posts/draft", body.clone()).await.refusal(), @"403 forbidden");
    assert_snapshot!(bob.delete("/api/v1/posts/draft").await.refusal(), @"403 forbidden");
    assert_snapshot!(app.guest().patch("/api/v1/posts/draft", body).await.refusal(), @"401 authentication_required");
}

#[actix_web::test]
async fn only_its_writer_and_staff_delete_a_post() {
    let app = TestApp::new().await;
    let (ana, bob, staff) = (app.member("ana"), app.member("bob"), app.staff("root"));
    for title in ["Hello", "World"] {
        ana.post("/api/v1/posts", json!({ "title": title, "published": true })).await;
    }
    assert_snapshot!(bob.delete("/api/v1/posts/hello").await.status, @"403 Forbidden");
    assert_eq!(
        ana.delete("/api/v1/posts/hello").await.json(),
        json!({ "deleted": 1, "by_type": { "posts": 1 } })
    );
    assert_snapshot!(ana.delete("/api/v1/posts/hello").await.status, @"404 Not Found");
    assert_snapshot!(staff.delete("/api/v1/posts/world").await.status, @"200 OK");
}

#[actix_web::test]
async fn the_date_of_publication_is_set_once() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Hello" })).await;
    let first = ana.patch("/api/v1/posts/hello", json!({ "published": true })).await.text("/published_at");
    ana.patch("/api/v1/posts/hello", json!({ "published": false })).await;
    let again = ana.patch("/api/v1/posts/hello", json!({ "published": true })).await.text("/published_at");
    assert_eq!(first, again);
}

#[actix_web::test]
async fn an_edit_of_a_stale_copy_is_refused() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let created = ana.post("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    let tag = created.header("etag").to_owned();
    // Another client's tag may differ in its digest, but only the version counts.
    let strangers = app.guest().get("/api/v1/posts/hello").await.header("etag").to_owned();
    assert_eq!(strangers, tag);
    let saved = ana.patch_if("/api/v1/posts/hello", &tag, json!({ "content": "1" })).await;
    assert_snapshot!(saved.status, @"200 OK");
    assert_ne!(saved.header("etag"), tag);
    assert_snapshot!(ana.patch_if("/api/v1/posts/hello", &tag, json!({ "content": "2" })).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(ana.patch_if("/api/v1/posts/hello", "*", json!({ "rank": 5 })).await.status, @"200 OK");
    let weak = format!("W/{}", ana.get("/api/v1/posts/hello").await.header("etag"));
    assert_snapshot!(ana.patch_if("/api/v1/posts/hello", &weak, json!({ "content": "3" })).await.status, @"200 OK");
    let delete = ana.request(Method::DELETE, "/api/v1/posts/hello").header("If-Match", &tag);
    assert_snapshot!(send(delete).await.refusal(), @"412 precondition_failed");
    assert_eq!(ana.get("/api/v1/posts/hello").await.at("/content"), "3");
}

#[actix_web::test]
async fn of_parallel_edits_of_one_copy_one_wins() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let tag = ana.post("/api/v1/posts", json!({ "title": "Hello" })).await.header("etag").to_owned();
    let edits =
        (0..10).map(|n| ana.patch_if("/api/v1/posts/hello", &tag, json!({ "content": n.to_string() })));
    let answers = join_all(edits).await;
    let won = answers.iter().filter(|answer| answer.status == "200 OK").count();
    assert_eq!(won, 1, "{:?}", answers.iter().map(|answer| &answer.status).collect::<Vec<_>>());
}

#[actix_web::test]
async fn the_newest_post_comes_first_and_no_page_skips_or_repeats() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    // Rows with equal times, on purpose.
    app.sql(
        "INSERT INTO posts (slug, title, content, published, writer_id, created_at)
         SELECT 's' || n, 't' || n, repeat('ä', 400), true, (SELECT id FROM users), timestamptz '2026-01-01' + (n / 3) * interval '1 s'
         FROM generate_series(1, 25) AS n",
    );
    let mut seen = Vec::new();
    let mut path = "/api/v1/posts?limit=4".to_owned();
    loop {
        let page = app.guest().get(&path).await;
        for post in page.at("/results").as_array().expect("results") {
            assert_eq!(post["excerpt"].as_str().map(|text| text.chars().count()), Some(300));
            assert!(post.get("content").is_none());
            seen.push(post["id"].as_i64().expect("an id"));
        }
        // New and deleted posts do not shift any page.
        ana.post("/api/v1/posts", json!({ "title": "New", "published": true })).await;
        match page.at("/next").as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<i64> = (1..=25).rev().collect();
    assert_eq!(seen, expected);
}

#[actix_web::test]
async fn a_page_going_back_is_the_page_one_came_from() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    for n in 0..7 {
        ana.post("/api/v1/posts", json!({ "title": format!("Post {n}"), "published": true })).await;
    }
    let first = app.guest().get("/api/v1/posts?limit=3").await;
    let second = app.guest().get(&first.text("/next")).await;
    let third = app.guest().get(&second.text("/next")).await;
    assert_eq!(third.at("/next"), Value::Null);
    let back = app.guest().get(&third.text("/previous")).await;
    assert_eq!(back.at("/results"), second.at("/results"));
    let back = app.guest().get(&back.text("/previous")).await;
    assert_eq!(back.at("/results"), first.at("/results"));
    assert!(back.header("link").contains("rel=\"next\""), "{}", back.header("link"));
}

#[actix_web::test]
async fn choices_name_every_enumeration() {
    let app = TestApp::new().await;
    let choices = app.guest().get("/api/v1/choices").await.json();
    assert_eq!(
        choices["categories"][4],
        json!({ "name": "TECHNOLOGY", "value": "TEC", "label": "Technology" })
    );
    assert_eq!(choices["ratings"][0], json!({ "name": "VERY_BAD", "value": 1, "label": "Very Bad" }));
    let types: Vec<_> = choices["picture_types"]
        .as_array()
        .expect("types")
        .iter()
        .map(|kind| kind["value"].clone())
        .collect();
    assert_eq!(types, ["image/jpeg", "image/png", "image/webp", "image/gif"]);
    // Each of them is accepted.
    let ana = app.member("ana");
    for choice in choices["categories"].as_array().expect("categories") {
        let post = ana.post("/api/v1/posts", json!({ "title": "x", "category": choice["value"] })).await;
        assert_eq!(post.at("/category_display"), choice["label"]);
    }
}
