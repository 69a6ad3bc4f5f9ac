//! Pages: cursors and what they are bound to, links, offsets, counts.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{keys, query};
use crate::app::TestApp;
use crate::client::Client;

const POSTS: &str = "/api/v1/posts";

/// Create 250 posts of ana's, an hour apart, with a comment each.
fn world(app: &TestApp) -> Client {
    let ana = app.member("ana");
    app.sql(
        "INSERT INTO posts (slug, title, content, rating, published, writer_id, created_at)
             SELECT 'p' || n, 'Title', 'words', 1 + n % 5, true, id, timestamptz '2026-01-01' + n * interval '1 hour'
             FROM users, generate_series(1, 250) AS n WHERE username = 'ana';
         INSERT INTO comments (post_id, user_id, alias, content)
             SELECT posts.id, writer_id, 'Ana', 'words' FROM posts;
         INSERT INTO labels (slug, name) VALUES ('ai', 'AI');
         INSERT INTO post_labels (post_id, label_id) SELECT posts.id, labels.id FROM posts, labels",
    );
    ana
}

#[actix_web::test]
async fn a_cursor_is_good_for_its_own_list_filter_and_order_alone() {
    let app = TestApp::new().await;
    world(&app);
    let guest = app.guest();
    let own = [
        ("rating__gte", "2"),
        ("rating__lte", "4"),
        ("ordering", "-rating,title"),
        ("filter", "title:Title"),
        ("search", "words"),
        ("tz", "Asia/Kolkata"),
    ];
    let cursor = guest.get(&format!("{POSTS}?limit=7&{}", query(&own))).await.text("/next_cursor");
    let follow = async |path: &str, parameters: &[(&str, &str)]| {
        let answer = guest.get(&format!("{path}?{}&cursor={cursor}", query(parameters))).await;
        if answer.status == "200 OK" { answer.each("/results", "slug") } else { answer.refusal() }
    };
    let page = follow(POSTS, &own).await;
    assert_eq!(page.split(", ").count(), 20, "{page}");
    // Parameters that affect neither the rows nor their order may change, and so may the order of the parameters.
    let mut turned = own;
    turned.reverse();
    assert_eq!(follow(POSTS, &turned).await, page);
    let with = |more: &'static [(&'static str, &'static str)]| [&own, more].concat();
    assert_eq!(follow(POSTS, &with(&[("count", "exact")])).await, page);
    assert!(page.starts_with(&follow(POSTS, &with(&[("limit", "3")])).await));
    for (place, (name, value)) in own.into_iter().enumerate() {
        let mut without = own.to_vec();
        without.remove(place);
        assert_eq!(follow(POSTS, &without).await, "400 invalid_query cursor invalid_cursor", "no {name}");
        let other = match name {
            "ordering" => "rating,title",
            "tz" => "UTC",
            "filter" => "title:Title or title:x",
            "search" => "words or x",
            _ => "3",
        };
        without.push((name, other));
        assert_eq!(
            follow(POSTS, &without).await,
            "400 invalid_query cursor invalid_cursor",
            "{name}={other}"
        );
        without.push((name, value));
        let is_condition = name.starts_with("rating");
        let twice = follow(POSTS, &without).await;
        assert_eq!(twice == "400 invalid_query cursor invalid_cursor", is_condition, "{name} twice: {twice}");
    }
    let more = follow(POSTS, &with(&[("rank", "3")])).await;
    assert_snapshot!(more, @"400 invalid_query cursor invalid_cursor");
    // The same query on another list.
    let other = follow("/api/v1/labels/ai/posts", &own).await;
    assert_snapshot!(other, @"400 invalid_query cursor invalid_cursor");
    let exclusion = follow(POSTS, &with(&[("exclude__rank", "5")])).await;
    assert_snapshot!(exclusion, @"400 invalid_query cursor invalid_cursor");
}

#[actix_web::test]
async fn a_cursor_of_the_default_order_is_good_for_no_other() {
    let app = TestApp::new().await;
    let ana = world(&app);
    let guest = app.guest();
    let cursor = guest.get(&format!("{POSTS}?limit=1")).await.text("/next_cursor");
    let lists = ["labels", "labels/ai/posts", "comments", "posts/p1/comments", "posts/p1/labels", "users"];
    for list in lists {
        let answer = guest.get(&format!("/api/v1/{list}?cursor={cursor}")).await;
        assert_eq!(answer.refusal(), "400 invalid_query cursor invalid_cursor", "{list}");
    }
    let answer = ana.get(&format!("/api/v1/auth/sessions?cursor={cursor}")).await;
    assert_snapshot!(answer.refusal(), @"400 invalid_query cursor invalid_cursor");
    for ordering in ["id", "-id", "created_at", "-created_at,-title", "title"] {
        let answer = guest.get(&format!("{POSTS}?ordering={ordering}&cursor={cursor}")).await;
        assert_eq!(answer.refusal(), "400 invalid_query cursor invalid_cursor", "{ordering}");
    }
    // Nodes share the secret, so they accept each other's cursors.
    let node = app.beside(&[]);
    let there = node.guest().get(&format!("{POSTS}?cursor={cursor}")).await;
    assert_eq!(there.at("/results"), guest.get(&format!("{POSTS}?cursor={cursor}")).await.at("/results"));
    assert_eq!(there.at("/results/0/slug"), "p249");
}

#[actix_web::test]
async fn a_cursor_that_was_tampered_with_is_refused() {
    let app = TestApp::new().await;
    world(&app);
    let guest = app.guest();
    let cursor = guest.get(&format!("{POSTS}?limit=1&ordering=rating")).await.text("/next_cursor");
    let refused = async |cursor: &str| {
        let answer =
            guest.get(&format!("{POSTS}?{}", query(&[("ordering", "rating"), ("cursor", cursor)]))).await;
        assert_eq!(answer.refusal(), "400 invalid_query cursor invalid_cursor", "{cursor}");
    };
    for (at, c) in cursor.char_indices() {
        let other = if c == 'A' { "B" } else { "A" };
        refused(&format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])).await;
        refused(&cursor[..at]).await;
        refused(&format!("{}{}", &cursor[..at], &cursor[at + 1..])).await;
    }
    for cursor in [
        "null".to_owned(),
        "eyJ2IjpbIjEiLCIxIl19".into(),
        format!("{cursor}="),
        format!("{cursor}A"),
        format!(" {cursor}"),
        format!("{cursor}{cursor}"),
        "💣".into(),
        "A".repeat(16_384),
    ] {
        refused(&cursor).await;
    }
    let untouched = guest.get(&format!("{POSTS}?ordering=rating&cursor={cursor}")).await;
    assert_snapshot!(untouched.status, @"200 OK");
}

/// The expected header, such as `<url>; rel="next", <url>; rel="prev"`.
fn links(page: &Value) -> String {
    let link =
        |member: &str, relation| page[member].as_str().map(|url| format!("<{url}>; rel=\"{relation}\""));
    [link("next", "next"), link("previous", "prev")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[actix_web::test]
async fn links_lead_where_next_and_previous_do() {
    let app = TestApp::new().await;
    world(&app);
    let guest = app.guest();
    let asked = [
        ("limit", "40"),
        ("title__in", "Title,\"a,b & c\""),
        ("filter", "rating:1 or not (title:\"ä+%\")"),
        ("ordering", "-title,created_at"),
        ("count", "exact"),
    ];
    let mut url = format!("{POSTS}?{}", query(&asked));
    let (mut seen, mut numbers) = (0, Vec::new());
    loop {
        let answer = guest.get(&url).await;
        let page = answer.json();
        assert_eq!(answer.header("link"), links(&page), "{url}");
        assert_eq!(answer.at("/count"), 250);
        for (member, cursor) in [("next", "next_cursor"), ("previous", "previous_cursor")] {
            let Some(link) = page[member].as_str() else {
                assert_eq!(page[cursor], Value::Null);
                continue;
            };
            let parsed = url::Url::parse(link).expect("a URL");
            assert_eq!(format!("{}{POSTS}", app.base), link.split('?').next().expect("a path"));
            let (last, others): (Vec<_>, Vec<_>) =
                parsed.query_pairs().partition(|(name, _)| name == "cursor");
            assert_eq!(others.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>(), asked);
            assert_eq!(
                last.iter().map(|(_, v)| Value::from(&**v)).collect::<Vec<_>>(),
                [page[cursor].clone()]
            );
        }
        seen += keys(&page, "slug").len();
        numbers.push(keys(&page, "slug").len());
        let Some(next) = page["next"].as_str() else { break };
        url = next.to_owned();
    }
    assert_eq!((seen, numbers.len()), (250, 7));
    // Nested lists link to themselves.
    for list in ["/api/v1/labels/ai/posts", "/api/v1/posts/p1/comments", "/api/v1/posts/p1/labels"] {
        app.sql(
            "INSERT INTO comments (post_id, user_id, alias, content)
                 SELECT id, writer_id, 'Ana', 'again' FROM posts WHERE slug = 'p1';
             INSERT INTO labels (slug, name) SELECT 'x' || count(*), 'X' FROM labels;
             INSERT INTO post_labels (post_id, label_id)
                 SELECT posts.id, labels.id FROM posts, labels WHERE posts.slug = 'p1' ON CONFLICT DO NOTHING",
        );
        let next = guest.get(&format!("{list}?limit=1")).await.text("/next");
        assert!(next.starts_with(&format!("{}{list}?limit=1&cursor=", app.base)), "{next}");
        assert_eq!(guest.get(&next).await.status, "200 OK", "{list}");
    }
}

#[actix_web::test]
async fn numbered_pages_are_slices_and_go_on_by_cursor() {
    let app = TestApp::new().await;
    world(&app);
    let guest = app.guest();
    let page = async |query: &str| guest.get(&format!("{POSTS}?ordering=rating&{query}")).await.json();
    let mut all = Vec::new();
    for offset in ["0", "100", "200"] {
        all.extend(keys(&page(&format!("limit=100&offset={offset}")).await, "slug"));
    }
    assert_eq!(all.len(), 250);
    for (offset, limit) in [(0, 7), (1, 1), (7, 7), (133, 20), (243, 7), (245, 20), (249, 1)] {
        let numbered = page(&format!("offset={offset}&limit={limit}")).await;
        let (first, last) = (offset, (offset + limit).min(250));
        assert_eq!(keys(&numbered, "slug"), all[first..last], "{offset}");
        assert_eq!(numbered["previous"].is_null(), first == 0);
        assert_eq!(numbered["next"].is_null(), last == 250);
        if let Some(next) = numbered["next"].as_str() {
            assert!(next.contains("cursor=") && !next.contains("offset="), "{next}");
            let next = guest.get(next).await.json();
            assert_eq!(keys(&next, "slug"), all[last..(last + limit).min(250)], "after {offset}");
        }
        if let Some(previous) = numbered["previous"].as_str() {
            let previous = guest.get(previous).await.json();
            assert_eq!(keys(&previous, "slug"), all[first.saturating_sub(limit)..first], "before {offset}");
            assert_eq!(previous["previous"].is_null(), first <= limit);
        }
    }
    let beyond = page("offset=250").await;
    assert_eq!((&beyond["results"], &beyond["next"]), (&json!([]), &Value::Null));
    let cursor = page("limit=1").await["next_cursor"].as_str().expect("a cursor").to_owned();
    for (query, refusal) in [
        (format!("offset=1&cursor={cursor}"), "400 invalid_query offset invalid_parameter"),
        ("offset=10001".into(), "400 invalid_query offset out_of_range"),
        ("offset=-1".into(), "400 invalid_query offset out_of_range"),
        ("offset=1.0".into(), "400 invalid_query offset invalid_parameter"),
        ("offset=".into(), "400 invalid_query offset invalid_parameter"),
        ("offset=1&offset=1".into(), "400 invalid_query offset duplicate_parameter"),
        ("limit=101".into(), "400 invalid_query limit out_of_range"),
        ("limit=-1".into(), "400 invalid_query limit out_of_range"),
        ("count=true".into(), "400 invalid_query count not_a_choice"),
        ("count=".into(), "400 invalid_query count not_a_choice"),
    ] {
        assert_eq!(
            guest.get(&format!("{POSTS}?ordering=rating&{query}")).await.refusal(),
            refusal,
            "{query}"
        );
    }
    assert_eq!(page("offset=10000").await["results"], json!([]));
    assert_eq!(page(&format!("offset=0&limit=1&cursor={cursor}")).await["results"][0]["slug"], all[1]);
}

#[actix_web::test]
async fn rows_are_counted_when_somebody_asks() {
    let app = TestApp::new().await;
    world(&app);
    app.sql("UPDATE posts SET published = false WHERE slug LIKE 'p1%'");
    let (guest, root) = (app.guest(), app.staff("root"));
    let counted = async |client: &Client, query: &str| {
        let page = client.get(&format!("{POSTS}?{query}")).await.json();
        format!("{} of {}", keys(&page, "slug").len(), page["count"])
    };
    assert_snapshot!(counted(&guest, "").await, @"20 of null");
    assert_snapshot!(counted(&guest, "limit=0").await, @"0 of null");
    assert_snapshot!(counted(&guest, "limit=0&count=exact").await, @"0 of 139");
    assert_snapshot!(counted(&root, "limit=0&count=exact").await, @"0 of 250");
    assert_snapshot!(counted(&guest, "rating=1&limit=3&count=exact").await, @"3 of 28");
    assert_snapshot!(counted(&guest, "search=words&offset=130&count=exact").await, @"9 of 139");
    assert_snapshot!(counted(&guest, "title=none&count=exact").await, @"0 of 0");
    // A small number is counted exactly. A large one is an estimate, which is close.
    assert_snapshot!(counted(&guest, "limit=1&count=estimated").await, @"1 of 139");
    let page = root.get(&format!("{POSTS}?limit=0&count=exact")).await;
    assert_eq!(
        [page.at("/next"), page.at("/previous"), page.at("/next_cursor"), page.at("/previous_cursor")],
        [Value::Null, Value::Null, Value::Null, Value::Null]
    );
    // Every page has the count of all rows, not of the remaining ones.
    let next = guest.get(&format!("{POSTS}?limit=100&count=exact")).await.text("/next");
    let next = guest.get(&next).await;
    assert_eq!((next.at("/count"), keys(&next.json(), "slug").len()), (json!(139), 39));
    let lists = ["labels/ai/posts", "comments", "posts/p2/comments", "posts/p2/labels", "users", "profiles"];
    for (list, number) in lists.into_iter().zip([139, 139, 1, 1, 2, 2]) {
        for way in ["exact", "estimated"] {
            let count = guest.get(&format!("/api/v1/{list}?limit=0&count={way}")).await.at("/count");
            assert_eq!(count, number, "{list} {way}");
        }
    }
}
