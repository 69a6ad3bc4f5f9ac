//! `search`: words as in a web search.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;

use super::query;
use crate::app::TestApp;
use crate::client::{Client, send};

const POSTS: &str = "/api/v1/posts";

async fn found(client: &Client, parameters: &[(&str, &str)]) -> String {
    let answer = client.get(&format!("{POSTS}?{}", query(parameters))).await;
    if answer.status == "200 OK" { answer.each("/results", "slug") } else { answer.refusal() }
}

async fn write(client: &Client, slug: &str, title: &str, content: &str) {
    let body = json!({ "slug": slug, "title": title, "content": content, "published": true });
    assert_eq!(client.post(POSTS, body).await.status, "201 Created", "{slug}");
}

async fn world(app: &TestApp) -> Client {
    let ana = app.member("ana");
    for (slug, title, content) in [
        ("a", "Quick brown foxes", "jump over the lazy dog"),
        ("b", "A fox", "is quick, and brown is its fur"),
        ("c", "Café Straße", "ﬁne ﬂour, naïve Ærøskøbing, ΣΊΣΥΦΟΣ, Łódź"),
        ("d", "東京 tower", "Über 333 metres, well-known, e-mail me@example.org"),
        ("e", "Nothing", "but dogs"),
    ] {
        write(&ana, slug, title, content).await;
    }
    app.guest()
}

#[actix_web::test]
async fn words_phrases_or_and_not_find_what_they_say() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    for (search, expected) in [
        ("quick", "a, b"),
        ("quick brown", "a, b"),
        ("brown quick", "a, b"),
        ("\"quick brown\"", "a"),
        ("\"brown quick\"", ""),
        ("\"is quick and brown\"", "b"),
        ("quick dog", "a"),
        ("lazy or fur", "a, b"),
        ("lazy OR fur", "a, b"),
        ("lazy or fur or tower", "a, b, d"),
        ("quick lazy or tower", "a, d"),
        ("quick -lazy", "b"),
        ("quick -\"brown foxes\"", "b"),
        ("-quick -tower", "c, e"),
        ("dog", "a"),
        ("dog*", "a, e"),
        ("do* -lazy", "e"),
        ("qui* bro*", "a, b"),
        ("dog* or tow*", "a, d, e"),
        ("tow* 33*", "d"),
        ("-dog*", "b, c, d"),
        // Words are matched as written, without stemming and stop words.
        ("fox", "b"),
        ("the", "a"),
        ("is", "b"),
        // Case, accents and ligatures do not matter.
        ("QUICK", "a, b"),
        ("cafe", "c"),
        ("CAFÉ", "c"),
        ("cafe\u{301}", "c"),
        ("strasse", "c"),
        ("STRASSE", "c"),
        ("straße", "c"),
        ("STRAẞE", "c"),
        ("fine flour naive", "c"),
        ("ﬁne", "c"),
        ("aeroskobing", "c"),
        ("Ærøskøbing", "c"),
        ("σίσυφος", "c"),
        ("Σισυφοσ", "c"),
        ("lodz", "c"),
        ("ŁÓDŹ", "c"),
        ("uber", "d"),
        ("üb*", "d"),
        ("東京", "d"),
        ("３３３", "d"),
        ("well-known", "d"),
        ("known", "d"),
        ("e-mail", "d"),
        ("me@example.org", "d"),
        // One word in the title and the other in the content.
        ("foxes dog", "a"),
        ("nowhere", ""),
    ] {
        assert_eq!(found(&guest, &[("search", search), ("ordering", "slug")]).await, expected, "{search}");
    }
}

#[actix_web::test]
async fn the_best_answer_comes_first_unless_another_order_is_asked_for() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    write(&ana, "content", "Something", "about whales").await;
    write(&ana, "title", "Whales", "about something").await;
    write(&ana, "both", "Whales", "about whales and whales").await;
    write(&ana, "neither", "Sharks", "about sharks").await;
    let guest = app.guest();
    assert_snapshot!(found(&guest, &[("search", "whales")]).await, @"both, title, content");
    assert_snapshot!(found(&guest, &[("search", "whales"), ("ordering", "created_at")]).await, @"content, title, both");
    assert_snapshot!(found(&guest, &[("search", "whales"), ("ordering", "-title,slug")]).await, @"both, title, content");
    // Together with conditions.
    assert_snapshot!(found(&guest, &[("search", "whales"), ("title", "Whales")]).await, @"both, title");
    assert_snapshot!(found(&guest, &[("search", "whales"), ("exclude__slug", "both"), ("filter", "not slug:x")]).await, @"title, content");
    assert_snapshot!(found(&guest, &[("search", "whales"), ("writer", "bob")]).await, @"");
    // The index follows changes.
    ana.patch(&format!("{POSTS}/neither"), json!({ "content": "and no whales" })).await;
    assert_snapshot!(found(&guest, &[("search", "whales -about")]).await, @"neither");
    assert_snapshot!(found(&guest, &[("search", "sharks")]).await, @"neither");
}

#[actix_web::test]
async fn pages_in_the_order_of_relevance_visit_every_answer_once() {
    let app = TestApp::new().await;
    app.member("ana");
    app.sql(
        "INSERT INTO posts (slug, title, content, published, writer_id)
             SELECT 'p' || n, CASE WHEN n % 3 = 0 THEN 'Whale' ELSE 'Other' END, repeat('whale ', n % 7) || 'x', true, id
             FROM users, generate_series(1, 90) AS n WHERE username = 'ana'",
    );
    let guest = app.guest();
    let whole = found(&guest, &[("search", "whale"), ("limit", "100")]).await;
    // Some of these numbers have the word neither in the title nor in the content.
    assert_eq!(whole.split(", ").count(), 90 - (1..=90).filter(|n| n % 3 != 0 && n % 7 == 0).count());
    for limit in [1, 7, 40] {
        let (mut seen, mut pages) = (Vec::new(), Vec::new());
        let mut path = Some(format!("{POSTS}?search=whale&limit={limit}"));
        while let Some(url) = path {
            let page = guest.get(&url).await;
            seen.push(page.each("/results", "slug"));
            path = page.at("/next").as_str().map(str::to_owned);
            pages.push(page);
        }
        assert_eq!(seen.join(", "), whole, "by {limit}");
        let mut back = vec![seen.last().cloned().expect("a page")];
        let mut path = pages.last().and_then(|page| page.at("/previous").as_str().map(str::to_owned));
        while let Some(url) = path {
            let page = guest.get(&url).await;
            back.insert(0, page.each("/results", "slug"));
            path = page.at("/previous").as_str().map(str::to_owned);
        }
        assert_eq!(back.join(", "), whole, "back by {limit}");
    }
}

#[actix_web::test]
async fn whatever_is_searched_for_is_answered() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    // A search without letters or digits matches nothing.
    for search in [
        "*", "**", "\"", "\"\"", "-", "--", "'", "\\", ":*", ":", "&", "|", "!", "(", ")", "<->", "&|!()<->",
        "-*", "\u{301}*", "\"*\"", ". , ;", "…", "😀", "!*", ".*", "(*", "'*", "\\*", "<2>", "%", "_",
    ] {
        assert_eq!(found(&guest, &[("search", search)]).await, "", "{search}");
    }
    for search in [
        "a:*",
        "quick:*",
        "quick:A",
        "quick & fox",
        "quick | fox",
        "quick <-> brown",
        "!quick",
        "(quick",
        "quick)",
        "'quick'",
        "qu'ick",
        "quick\\",
        "\\'",
        "$$",
        "''",
        "a'b'c*",
        "\"unclosed",
        "or",
        "or or",
        "or quick",
        "quick or",
        "-or",
        "- quick",
        "--quick",
        "* quick",
        "quick*fox",
        "quick **",
        "\"a*\"",
        "\"\" quick",
        "'; DROP TABLE posts; --",
        "zqprefixqz",
        "1e5*",
        "1.5*",
        "http://x.y/z*",
        "<b>*",
        "&amp;*",
        "a\tb\nc",
        "\u{feff}",
        "\u{200b}x",
        "\u{10ffff}",
        "ﷺ*",
    ] {
        let answer = guest.get(&format!("{POSTS}?{}", query(&[("search", search)]))).await;
        assert_eq!(answer.status, "200 OK", "{search}");
    }
    let longest = ["😀", "ﷺ", "x", "-", "\"", "*", "a*", "a ", "'", "ß", "İ"]
        .map(|piece| piece.repeat(256 / piece.chars().count()));
    for search in longest {
        let answer = guest.get(&format!("{POSTS}?{}", query(&[("search", search.as_str())]))).await;
        let is_blank = search.trim().is_empty();
        assert_eq!(answer.status == "200 OK", !is_blank, "{search}: {}", answer.status);
    }
    for search in ["", " ", "\t\n", "\u{3000}"] {
        assert_eq!(
            found(&guest, &[("search", search)]).await,
            "400 invalid_query search invalid_parameter",
            "{search:?}"
        );
    }
    let long = "😀".repeat(257);
    assert_snapshot!(found(&guest, &[("search", long.as_str())]).await, @"400 invalid_query search too_long");
    assert_snapshot!(guest.get(&format!("{POSTS}?search=a%00")).await.refusal(), @"400 invalid_query search null_character");
}

#[actix_web::test]
async fn the_longest_posts_are_written_and_found() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let fill = |mut word: Box<dyn FnMut(usize) -> String>| {
        let mut text = String::from("needle ");
        for n in 0.. {
            let next = word(n);
            if text.chars().count() + next.chars().count() > 200_000 {
                break;
            }
            text.push_str(&next);
        }
        text
    };
    let texts = [
        ("distinct", fill(Box::new(|n| format!("word{n:060} ")))),
        ("wide", fill(Box::new(|n| format!("ẃörđ{n:040}é ")))),
        ("short", fill(Box::new(|n| format!("{n:x} ")))),
        ("one", fill(Box::new(|_| "x".repeat(1000)))),
        ("joined", fill(Box::new(|n| format!("{:x}-", n % 4096)))),
        ("dotted", fill(Box::new(|n| format!("{}.", n % 1000)))),
        ("marks", fill(Box::new(|_| "e\u{301}".repeat(100)))),
    ];
    for (slug, content) in &texts {
        let length = content.chars().count();
        assert!((199_000..=200_000).contains(&length), "{slug}: {length}");
        write(&ana, slug, &format!("Long {slug}"), content).await;
        assert_eq!(found(&app.guest(), &[("search", &format!("needle {slug}"))]).await, *slug);
    }
    assert_eq!(app.count("posts"), 7);
    // Also through a change of one post, and of many.
    let (_, longest) = &texts[0];
    let changed = ana.patch(&format!("{POSTS}/short"), json!({ "content": longest })).await;
    assert_snapshot!(changed.status, @"200 OK");
    let request = ana.request(Method::PATCH, &format!("{POSTS}?slug__in=one,dotted"));
    assert_snapshot!(send(request.json(&json!({ "content": longest }))).await.at("/updated"), @"2");
    let last = format!("word{:060}", 100);
    assert_eq!(
        found(&app.guest(), &[("search", &last), ("ordering", "slug")]).await,
        "distinct, dotted, one, short"
    );
}

#[actix_web::test]
async fn drafts_are_found_by_those_who_may_read_them() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post(POSTS, json!({ "title": "Unheard", "content": "of words", "editor": "bob" })).await;
    for (client, finds) in [
        (app.guest(), ""),
        (app.member("eve"), ""),
        (bob, "unheard"),
        (ana, "unheard"),
        (app.staff("root"), "unheard"),
    ] {
        for search in ["unheard", "\"of words\"", "unh*", "words or x", "-nothing"] {
            assert_eq!(found(&client, &[("search", search)]).await, finds, "{search}");
        }
        let count = client.get(&format!("{POSTS}?search=unheard&limit=0&count=exact")).await.at("/count");
        assert_eq!(count == 1, finds == "unheard");
    }
}
