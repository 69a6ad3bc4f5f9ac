//! Concurrent changes of labels: one row per post and label, one label per name, and no deadlocks.

use std::collections::BTreeSet;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Client};

/// A node with enough connections for transactions to run concurrently.
async fn node() -> TestApp {
    TestApp::with(&["--database-pool", "12"]).await
}

async fn write_posts(client: &Client, number: usize) {
    for n in 0..number {
        let made = client.post("/api/v1/posts", json!({ "title": format!("p{n}"), "published": true })).await;
        assert_eq!(made.status, "201 Created");
    }
}

fn all_ok(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, "200 OK", "{answer:?}");
    }
}

#[actix_web::test]
async fn of_20_parallel_adds_of_one_label_one_row_is_left() {
    let app = node().await;
    let (ana, other) = (app.member("ana"), app.beside(&[]));
    let there = other.guest().with_token(ana.token.as_deref().expect("a token"));
    write_posts(&ana, 3).await;
    ana.post("/api/v1/labels", json!({ "name": "there" })).await;
    for (post, label) in [
        ("p0", json!({ "slug": "there" })),
        ("p1", json!({ "name": "New" })),
        ("p2", json!({ "name": "nEW", "slug": "own" })),
    ] {
        let path = format!("/api/v1/posts/{post}/labels");
        let adds = (0..20).map(|n| {
            let mut label = label.clone();
            label["reason"] = json!(n.to_string());
            // The same name in upper or lower case.
            if let Some(name) = label["name"].as_str() {
                label["name"] = if n % 3 == 0 { name.to_uppercase().into() } else { name.into() };
            }
            let client = if n % 2 == 0 { &ana } else { &there };
            client.post(&path, json!({ "labels": [label] }))
        });
        let answers = join_all(adds).await;
        all_ok(&answers);
        let times: BTreeSet<String> =
            answers.iter().map(|answer| answer.text("/labels/0/labeled_at")).collect();
        assert_eq!(times.len(), 1, "{post}: the first one's time stays");
    }
    assert_eq!(
        (app.count("post_labels"), app.count("labels")),
        (3, 3),
        "{}",
        app.lines("SELECT slug FROM labels")
    );
}

#[actix_web::test]
async fn of_20_posts_that_bring_one_new_name_one_label_is_left() {
    let app = node().await;
    let ana = app.member("ana");
    let answers = join_all((0..20).map(|n| {
        let label = json!({ "name": if n % 2 == 0 { "Straße" } else { "STRASSE" } });
        ana.post("/api/v1/posts", json!({ "title": format!("p{n}"), "published": true, "labels": [label] }))
    }))
    .await;
    for answer in &answers {
        assert_eq!(
            (answer.status.as_str(), answer.each("/labels", "slug").as_str()),
            ("201 Created", "strasse"),
            "{answer:?}"
        );
    }
    assert_eq!(
        (app.count("labels"), ana.get("/api/v1/labels/strasse").await.at("/post_count")),
        (1, json!(20))
    );
}

#[actix_web::test]
async fn of_20_parallel_labels_of_one_name_each_has_its_slug() {
    let app = node().await;
    let ana = app.member("ana");
    let answers = join_all((0..20).map(|_| ana.post("/api/v1/labels", json!({ "name": "Same name" })))).await;
    let slugs: BTreeSet<String> = answers.iter().map(|answer| answer.text("/slug")).collect();
    let expected: BTreeSet<String> =
        (1..=20).map(|n| if n == 1 { "same-name".into() } else { format!("same-name-{n}") }).collect();
    assert_eq!(slugs, expected);
    let wished = json!({ "name": "x", "slug": "wished" });
    let statuses = join_all((0..20).map(|_| ana.post("/api/v1/labels", wished.clone()))).await;
    let count = |status: &str| statuses.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count("201 Created"), count("409 Conflict")), (1, 19));
}

#[actix_web::test]
async fn a_set_that_is_replaced_while_another_adds_is_one_or_the_other() {
    let app = node().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/posts", json!({ "title": "p", "editor": "bob" })).await;
    let labels = "/api/v1/posts/p/labels";
    let of = |names: &[&str]| json!({ "labels": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() });
    let mut seen = BTreeSet::new();
    for round in 0..20 {
        ana.put(labels, of(&["old", "older"])).await;
        let (set, added) = if round % 2 == 0 {
            join(ana.put(labels, of(&["a", "b"])), bob.post(labels, of(&["c", "d"]))).await
        } else {
            let (added, set) =
                join(bob.post(labels, of(&["c", "d"])), ana.put(labels, of(&["a", "b"]))).await;
            (set, added)
        };
        let now = app
            .guest()
            .with_token(ana.token.as_deref().expect("a token"))
            .get(labels)
            .await
            .each("/results", "slug");
        let told = (set.each("/labels", "slug"), added.each("/labels", "slug"));
        // Either the set was replaced first and the others were added, or the other way round.
        let set_first = ("a, b".to_owned(), "a, b, c, d".to_owned());
        let added_first = ("a, b".to_owned(), "c, d, old, older".to_owned());
        let expected = if told == set_first { "a, b, c, d" } else { "a, b" };
        assert!(told == set_first || told == added_first, "{told:?}");
        assert_eq!(now, expected, "{told:?}");
        seen.insert(now);
        ana.delete(labels).await;
    }
    assert_eq!(app.count("labels"), 6, "{seen:?}");
}

#[actix_web::test]
async fn new_labels_in_opposite_orders_keep_nobody_waiting_in_a_circle() {
    let app = node().await;
    let (ana, other) = (app.member("ana"), app.beside(&["--database-pool", "12"]));
    let there = other.guest().with_token(ana.token.as_deref().expect("a token"));
    write_posts(&ana, 12).await;
    for round in 0..8 {
        // Name the labels by name or by slug, in ascending or descending order, so that many requests need the same
        // label.
        let label = |n: usize| json!({ "name": format!("Round {round} label {n}") });
        let both = |n: usize| json!({ "slug": format!("round-{round}-label-{n}"), "name": format!("Other {round} {n}") });
        let requests = (0..12).map(|post| {
            let mut labels: Vec<Value> =
                (post..post + 8).map(|n| if (n + post) % 2 == 0 { label(n) } else { both(n) }).collect();
            if post % 2 == 1 {
                labels.reverse();
            }
            let client = if post % 3 == 0 { &there } else { &ana };
            let path = format!("/api/v1/posts/p{post}/labels");
            async move {
                let body = json!({ "labels": labels });
                if post % 4 == 0 { client.put(&path, body).await } else { client.post(&path, body).await }
            }
        });
        for answer in join_all(requests).await {
            // A slug and a name may turn out to denote the same label, which is then a duplicate.
            let is_twice = answer.status.starts_with("422") && answer.refusal().ends_with(" duplicate");
            assert!(answer.status == "200 OK" || is_twice, "{answer:?}");
        }
    }
    assert_eq!(app.count("(SELECT slug FROM labels GROUP BY slug HAVING count(*) > 1) AS twice"), 0);
}

#[actix_web::test]
async fn both_sides_at_once_keep_nobody_waiting_in_a_circle() {
    let app = node().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    write_posts(&ana, 10).await;
    let names = |from: usize| json!({ "labels": (from..from + 5).map(|n| json!({ "name": format!("l{}", n % 7) })).collect::<Vec<_>>() });
    ana.post("/api/v1/posts/p0/labels", names(0)).await;
    ana.post("/api/v1/posts/p0/labels", names(5)).await;
    let posts = |from: usize| json!({ "posts": (from..from + 6).rev().map(|n| json!({ "slug": format!("p{}", n % 10), "reason": "x" })).collect::<Vec<_>>() });
    for round in 0..8 {
        let requests = (0..21_usize).map(|n| {
            let (ana, root) = (&ana, &root);
            async move {
                let (post, label) =
                    (format!("/api/v1/posts/p{}/labels", n % 10), format!("/api/v1/labels/l{}/posts", n % 7));
                match (n + round) % 7 {
                    0 => ana.post(&post, names(n)).await,
                    1 => ana.put(&post, names(n)).await,
                    2 => ana.post(&label, posts(n)).await,
                    3 => ana.put(&label, posts(n)).await,
                    4 => root.put(&label, posts(n)).await,
                    5 => ana.delete(&label).await,
                    _ => {
                        ana.patch(&format!("/api/v1/posts/p{}", n % 10), json!({ "content": n.to_string() }))
                            .await
                    }
                }
            }
        });
        for answer in join_all(requests).await {
            assert!(["200", "204"].contains(&&answer.status[..3]), "{answer:?}");
        }
    }
    assert_eq!(app.count("labels"), 7);
}

#[actix_web::test]
async fn a_label_that_is_deleted_while_posts_take_it_costs_nobody_a_5xx() {
    let app = node().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    write_posts(&ana, 6).await;
    for round in 0..15 {
        ana.post("/api/v1/posts/p0/labels", json!({ "labels": [{ "name": "ai" }, { "name": "tech" }] }))
            .await;
        let requests = (0..14_usize).map(|n| {
            let (ana, root) = (&ana, &root);
            let path = format!("/api/v1/posts/p{}/labels", n % 6);
            let some = json!({ "posts": [{ "slug": "p5" }, { "slug": "p1" }, { "slug": "p3" }] });
            async move {
                match (n + round) % 7 {
                    0 => root.delete("/api/v1/labels/ai").await,
                    1 => ana.post(&path, json!({ "labels": [{ "slug": "ai" }] })).await,
                    2 => ana.put(&path, json!({ "labels": [{ "slug": "tech" }, { "slug": "ai" }] })).await,
                    3 => ana.put(&format!("{path}/ai"), json!({ "reason": "x" })).await,
                    4 => ana.post("/api/v1/labels/ai/posts", some).await,
                    5 => ana.put("/api/v1/labels/ai/posts", some).await,
                    _ => root.patch("/api/v1/labels/ai", json!({ "name": format!("ai {n}") })).await,
                }
            }
        });
        for answer in join_all(requests).await {
            assert!(["200", "404", "422"].contains(&&answer.status[..3]), "round {round}: {answer:?}");
        }
    }
    assert_eq!(app.count("post_labels WHERE label_id NOT IN (SELECT id FROM labels)"), 0);
}
