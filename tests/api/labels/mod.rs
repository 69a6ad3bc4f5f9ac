//! Labels: names, slugs, counts.

mod counts;
mod of_posts;
mod races;
mod sides;

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::TestApp;

const LABELS: &str = "/api/v1/labels";

#[actix_web::test]
async fn a_label_has_all_its_members() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let made = ana.post(LABELS, json!({ "name": " Künstliche Intelligenz " })).await;
    assert_snapshot!(made.status, @"201 Created");
    assert_eq!(made.header("location"), format!("{}/api/v1/labels/kunstliche-intelligenz", app.base));
    let label = made.json();
    assert_eq!(label["url"], made.header("location"));
    assert_eq!(
        (&label["name"], &label["slug"], &label["post_count"]),
        (&json!("Künstliche Intelligenz"), &json!("kunstliche-intelligenz"), &json!(0))
    );
    let time = label["created_at"].as_str().expect("a time");
    assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    let members: Vec<&String> = label.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["created_at", "id", "name", "post_count", "slug", "url"]);
    let read = app.guest().get("/api/v1/labels/kunstliche-intelligenz").await;
    assert_eq!((read.json(), read.header("etag")), (label, made.header("etag")));
    assert_snapshot!(app.guest().head("/api/v1/labels/kunstliche-intelligenz").await.status, @"200 OK");
}

#[actix_web::test]
async fn slugs_of_labels_are_made_from_names() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let long = "x".repeat(128);
    let cases = [
        ("日本語", "ri-ben-yu"),
        ("Привет мир", "privet-mir"),
        ("!!!", "label"),
        ("???", "label-2"),
        ("Straße & Co", "strasse-co"),
        ("STRASSE & CO", "strasse-co-2"),
        ("C++ & C#", "c-c"),
        ("me", "me"),
        (&long, &long),
    ];
    for (name, slug) in cases {
        let made = ana.post(LABELS, json!({ "name": name })).await;
        assert_eq!(made.text("/slug"), slug, "{name}");
        assert_eq!(app.guest().get(made.header("location")).await.text("/name"), name);
    }
    let second = ana.post(LABELS, json!({ "name": long, "slug": "" })).await.text("/slug");
    assert_eq!(second, format!("{}-2", "x".repeat(126)));
    let third = ana.post(LABELS, json!({ "name": long, "slug": null })).await.text("/slug");
    assert_eq!(third, format!("{}-3", "x".repeat(126)));
    // A label whose slug already ends with a number.
    ana.post(LABELS, json!({ "name": "x", "slug": "rust-2" })).await;
    assert_eq!(ana.post(LABELS, json!({ "name": "Rust" })).await.text("/slug"), "rust");
    assert_eq!(ana.post(LABELS, json!({ "name": "Rust" })).await.text("/slug"), "rust-3");
}

#[actix_web::test]
async fn a_slug_of_a_label_is_taken_once() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    assert_snapshot!(ana.post(LABELS, json!({ "name": "One", "slug": "Mixed_1" })).await.text("/slug"), @"Mixed_1");
    assert_snapshot!(ana.post(LABELS, json!({ "name": "Two", "slug": "Mixed_1" })).await.refusal(), @"409 slug_taken");
    // Slugs are case-sensitive.
    assert_snapshot!(ana.post(LABELS, json!({ "name": "Two", "slug": "mixed_1" })).await.text("/slug"), @"mixed_1");
    let change = json!({ "slug": "Mixed_1" });
    assert_snapshot!(root.patch("/api/v1/labels/mixed_1", change.clone()).await.refusal(), @"409 slug_taken");
    assert_snapshot!(root.patch("/api/v1/labels/Mixed_1", change).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_label_is_renamed_and_nothing_leads_on() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    ana.post(LABELS, json!({ "name": "Old" })).await;
    let post = json!({ "title": "p", "published": true, "labels": [{ "slug": "old", "reason": "why" }] });
    ana.post("/api/v1/posts", post).await;
    let renamed = root.patch("/api/v1/labels/old", json!({ "name": "New" })).await;
    assert_eq!((renamed.text("/name"), renamed.text("/slug")), ("New".into(), "old".into()));
    let labels = ana.get("/api/v1/posts/p").await;
    assert_eq!(
        (labels.each("/labels", "name"), labels.each("/labels", "reason")),
        ("New".into(), "why".into())
    );
    let renamed = root.patch("/api/v1/labels/old", json!({ "slug": null })).await;
    assert_eq!((renamed.text("/slug"), renamed.at("/post_count")), ("new".into(), json!(1)));
    assert_eq!(renamed.text("/url"), format!("{}/api/v1/labels/new", app.base));
    assert_snapshot!(root.get("/api/v1/labels/old").await.refusal(), @"404 not_found");
    assert_snapshot!(ana.post(LABELS, json!({ "name": "Old" })).await.text("/slug"), @"old");
    // `null` generates the slug again from the current name, with a number if it is taken. The label's own slug does
    // not count as taken.
    ana.post(LABELS, json!({ "name": "Third" })).await;
    let both = json!({ "name": "Third", "slug": null });
    for _ in 0..2 {
        let slug = root.patch("/api/v1/labels/new", both.clone()).await;
        assert_eq!(slug.text("/slug"), "third-2");
        root.patch("/api/v1/labels/third-2", json!({ "slug": "new" })).await;
    }
    assert_eq!(root.patch("/api/v1/labels/third", both).await.text("/slug"), "third");
}

#[actix_web::test]
async fn labels_have_versions() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    let label = "/api/v1/labels/ai";
    let tag = ana.post(LABELS, json!({ "name": "AI" })).await.header("etag").to_owned();
    assert_snapshot!(ana.get_with(label, "if-none-match", &tag).await.status, @"304 Not Modified");
    let fresh = root.patch_if(label, &tag, json!({ "name": "Ai" })).await;
    assert_snapshot!(fresh.status, @"200 OK");
    assert_snapshot!(ana.get_with(label, "if-none-match", &tag).await.status, @"200 OK");
    assert_snapshot!(root.patch_if(label, &tag, json!({ "name": "aI" })).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(root.delete_if(label, &tag).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(root.put_if("/api/v1/labels/ai/posts", &tag, json!({ "posts": [] })).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(root.delete_if("/api/v1/labels/ai/posts", &tag).await.refusal(), @"412 precondition_failed");
    // 403 has precedence over 412.
    assert_snapshot!(ana.patch_if(label, &tag, json!({ "name": "aI" })).await.refusal(), @"403 forbidden");
    // An empty patch changes nothing. Labelling a post does not change the label's version.
    let same = root.patch_if(label, fresh.header("etag"), json!({})).await;
    assert_eq!(same.header("etag"), fresh.header("etag"));
    ana.post("/api/v1/posts", json!({ "title": "p", "published": true, "labels": [{ "slug": "ai" }] })).await;
    let counted = ana.get(label).await;
    assert_ne!(counted.header("etag"), fresh.header("etag"));
    assert_snapshot!(root.put_if("/api/v1/labels/ai/posts", fresh.header("etag"), json!({ "posts": [] })).await.status, @"200 OK");
    let deleted = root.delete_if(label, fresh.header("etag")).await;
    assert_eq!(deleted.json(), json!({ "deleted": 1, "by_type": { "labels": 1 } }));
}

#[actix_web::test]
async fn a_label_that_is_sent_again_is_made_once() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "p" })).await;
    let requests = [
        (LABELS, json!({ "name": "AI" }), json!({ "name": "Other" }), "201 Created"),
        (
            "/api/v1/posts/p/labels",
            json!({ "labels": [{ "slug": "ai" }, { "name": "Tech" }] }),
            json!({ "labels": [] }),
            "200 OK",
        ),
        (
            "/api/v1/labels/ai/posts",
            json!({ "posts": [{ "slug": "p", "reason": "x" }] }),
            json!({ "posts": [] }),
            "200 OK",
        ),
    ];
    for (path, body, other, status) in requests {
        let first = ana.post_once(path, "k", body.clone()).await;
        assert_eq!((first.status.as_str(), first.header("idempotency-replayed")), (status, ""), "{path}");
        // The repeated response ignores later changes.
        ana.delete("/api/v1/posts/p/labels").await;
        let again = ana.post_once(path, "k", body).await;
        assert_eq!((again.status.as_str(), again.header("idempotency-replayed")), (status, "true"), "{path}");
        assert_eq!(again.bytes, first.bytes, "{path}");
        for header in ["location", "etag"] {
            assert_eq!(again.header(header), first.header(header), "{path}");
        }
        assert_eq!(app.count("post_labels"), 0, "{path}: done once");
        let reused = ana.post_once(path, "k", other).await;
        assert_eq!(reused.refusal(), "422 idempotency_key_reused Idempotency-Key idempotency_key_reused");
    }
    assert_eq!(app.count("labels"), 2);
}

#[actix_web::test]
async fn a_label_counts_its_published_posts() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    for (number, published) in [(1, true), (2, true), (3, false)] {
        let post =
            json!({ "title": format!("p{number}"), "published": published, "labels": [{ "name": "AI" }] });
        ana.post("/api/v1/posts", post).await;
    }
    let count = async |client: &crate::client::Client| {
        let listed = client.get(LABELS).await.at("/results/0/post_count");
        assert_eq!(client.get("/api/v1/labels/ai").await.at("/post_count"), listed);
        listed
    };
    // The count is the same for every client, even if a client may see more posts.
    for client in [&app.guest(), &ana, &root] {
        assert_eq!(count(client).await, 2);
    }
    ana.patch("/api/v1/posts/p3", json!({ "published": true })).await;
    assert_eq!(count(&ana).await, 3);
    ana.patch("/api/v1/posts/p1", json!({ "published": false })).await;
    ana.delete("/api/v1/posts/p2/labels/ai").await;
    assert_eq!(count(&ana).await, 1);
    ana.delete("/api/v1/posts/p3").await;
    assert_eq!(count(&ana).await, 0);
}

#[actix_web::test]
async fn labels_are_listed_by_name_in_pages() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    // In dictionary order. Labels with the same name are sorted by age.
    for (name, slug) in
        [("b", "3"), ("a", "1"), ("Ä", "2"), ("Zebra", "7"), ("b", "4"), ("C", "6"), ("b", "5")]
    {
        ana.post(LABELS, json!({ "name": name, "slug": slug })).await;
    }
    let first = app.guest().get("/api/v1/labels?limit=3").await;
    let second = app.guest().get(&first.text("/next")).await;
    let third = app.guest().get(&second.text("/next")).await;
    let slugs = [&first, &second, &third].map(|page| page.each("/results", "slug"));
    assert_eq!(slugs, ["1, 2, 3", "4, 5, 6", "7"]);
    assert_eq!((third.at("/next"), first.at("/previous")), (Value::Null, Value::Null));
    let back = app.guest().get(&third.text("/previous")).await;
    assert_eq!(back.at("/results"), second.at("/results"));
    let back = app.guest().get(&back.text("/previous")).await;
    assert_eq!((back.at("/results"), back.at("/previous")), (first.at("/results"), Value::Null));
    let ids: BTreeSet<String> = (1..=7).map(|n| n.to_string()).collect();
    assert_eq!(
        app.guest()
            .get(LABELS)
            .await
            .each("/results", "slug")
            .split(", ")
            .map(str::to_owned)
            .collect::<BTreeSet<_>>(),
        ids
    );
    assert_snapshot!(app.guest().get("/api/v1/labels?nam=b").await.refusal(), @"400 invalid_query nam unknown_parameter");
    assert_snapshot!(app.guest().get(&format!("/api/v1/posts?cursor={}", first.text("/next_cursor"))).await.refusal(),
        @"400 invalid_query cursor invalid_cursor");
}

#[actix_web::test]
async fn a_label_deleted_leaves_its_posts() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    for title in ["p", "q"] {
        let post =
            json!({ "title": title, "published": true, "labels": [{ "name": "AI" }, { "name": "Tech" }] });
        ana.post("/api/v1/posts", post).await;
    }
    let tag = ana.get("/api/v1/posts/p").await.header("etag").to_owned();
    let deleted = root.delete("/api/v1/labels/ai").await;
    assert_eq!(deleted.json(), json!({ "deleted": 3, "by_type": { "labels": 1, "post_labels": 2 } }));
    assert_snapshot!(root.delete("/api/v1/labels/ai").await.refusal(), @"404 not_found");
    for title in ["p", "q"] {
        assert_eq!(ana.get(&format!("/api/v1/posts/{title}")).await.each("/labels", "slug"), "tech");
    }
    let edit = ana.patch_if("/api/v1/posts/p", &tag, json!({ "rank": 1 })).await;
    assert_snapshot!(edit.refusal(), @"412 precondition_failed");
}
