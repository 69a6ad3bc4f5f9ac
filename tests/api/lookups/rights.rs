//! A query reveals nothing that the caller may not read: drafts, detached comments, inactive users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::property::sample;
use super::questions::Values;
use crate::app::TestApp;
use crate::client::Client;
use crate::soak::many;

/// Ana's post `p` and her draft `d`, which bob edits. Carl has commented on `d` (`c2`) and on `p` (`c1`). Dan's draft
/// `e`. Ida is inactive: her post `i`, her comment `c4` on `p`, and ana's post `x`, which ida edits. Carl's detached
/// comment `c3`.
const ROWS: &str = "
    UPDATE users SET is_active = username <> 'ida';
    UPDATE profiles SET bio = 'Idas bio' FROM users WHERE username = 'ida' AND id = user_id;
    INSERT INTO posts (id, slug, title, content, published, writer_id, editor_id)
        SELECT place, slug, title, 'About ' || title, published, w.id, e.id
        FROM (VALUES (1, 'd', 'A secret', false, 'ana', 'bob'), (2, 'p', 'Open', true, 'ana', NULL),
            (3, 'x', 'Shared', true, 'ana', 'ida'), (4, 'i', 'Idas', true, 'ida', NULL), (5, 'e', 'Dans', false, 'dan', NULL))
            AS given (place, slug, title, published, writer, editor)
        JOIN users w ON w.username = writer LEFT JOIN users e ON e.username = editor;
    INSERT INTO labels (id, slug, name) VALUES (1, 'ai', 'AI'), (2, 'hush', 'Hush');
    INSERT INTO post_labels (post_id, label_id, reason) VALUES (2, 1, 'open'), (1, 1, 'secret'), (1, 2, 'secret');
    INSERT INTO comments (id, post_id, user_id, alias, content)
        SELECT place, post, id, 'c' || place, content
        FROM (VALUES (1, 2, 'carl', 'remark'), (2, 1, 'carl', 'hushed'), (3, NULL, 'carl', 'loose'), (4, 2, 'ida', 'idas'))
            AS given (place, post, author, content)
        JOIN users ON username = author;";

/// What each caller finds: a guest, a stranger, the author of comments, the editor, the writer, staff.
const TABLE: &str = "
posts                                        | p x i | p x i | p x i | d p x i | d p x i | d p x i e
posts?published=false                        |       |       |       | d       | d       | d e
posts?title__startswith=A                    |       |       |       | d       | d       | d
posts?search=secret                          |       |       |       | d       | d       | d
posts?writer=ana                             | p x   | p x   | p x   | d p x   | d p x   | d p x
posts?writer=dan                             |       |       |       |         |         | e
posts?writer=ida                             |       |       |       |         |         | i
posts?writer__username__startswith=i         |       |       |       |         |         | i
posts?writer__isnull=true                    | i     | i     | i     | i       | i       |
posts?exclude__writer=ana                    | i     | i     | i     | i       | i       | i e
posts?exclude__writer__username=ida          | p x i | p x i | p x i | d p x i | d p x i | d p x e
posts?editor=bob                             |       |       |       | d       | d       | d
posts?editor=ida                             |       |       |       |         |         | x
posts?editor__isnull=true                    | p x i | p x i | p x i | p x i   | p x i   | p i e
posts?exclude__editor__isnull=true           |       |       |       | d       | d       | d x
posts?labels=hush                            |       |       |       | d       | d       | d
posts?labels__all=ai,hush                    |       |       |       | d       | d       | d
posts?labels__reason=secret                  |       |       |       | d       | d       | d
posts?exclude__labels=hush                   | p x i | p x i | p x i | p x i   | p x i   | p x i e
posts?comments__content=hushed               |       |       |       | d       | d       | d
posts?comments__content=loose                |       |       |       |         |         |
posts?comments__content=idas                 | p     | p     | p     | p       | p       | p
posts?comments__user=carl                    | p     | p     | p     | d p     | d p     | d p
posts?comments__user=ida                     |       |       |       |         |         | p
posts?comments__isnull=true                  | x i   | x i   | x i   | x i     | x i     | x i e
posts?exclude__comments__user=carl           | x i   | x i   | x i   | x i     | x i     | x i e
labels                                       | ai hush | ai hush | ai hush | ai hush | ai hush | ai hush
labels?posts=d                               |       |       |       | ai hush | ai hush | ai hush
labels?posts__title=A secret                 |       |       |       | ai hush | ai hush | ai hush
labels?posts__published=false                |       |       |       | ai hush | ai hush | ai hush
labels?posts__isnull=true                    | hush  | hush  | hush  |         |         |
labels?posts__isnull=false                   | ai    | ai    | ai    | ai hush | ai hush | ai hush
labels?exclude__posts=d                      | ai hush | ai hush | ai hush |       |         |
labels?exclude__posts__published=true        | hush  | hush  | hush  | hush    | hush    | hush
labels?posts__in=d,p                         | ai    | ai    | ai    | ai hush | ai hush | ai hush
comments                                     | c1 c4 | c1 c4 | c1 c2 c3 c4 | c1 c2 c4 | c1 c2 c4 | c1 c2 c3 c4
comments?content__in=hushed,loose            |       |       | c2 c3 | c2      | c2      | c2 c3
comments?post=d                              |       |       |       | c2      | c2      | c2
comments?post__title__startswith=A           |       |       |       | c2      | c2      | c2
comments?post__labels=hush                   |       |       |       | c2      | c2      | c2
comments?post__writer=ana                    | c1 c4 | c1 c4 | c1 c4 | c1 c2 c4 | c1 c2 c4 | c1 c2 c4
comments?post__isnull=true                   |       |       | c2 c3 |         |         | c3
comments?post__isnull=false                  | c1 c4 | c1 c4 | c1 c4 | c1 c2 c4 | c1 c2 c4 | c1 c2 c4
comments?exclude__post__title=A secret       | c1 c4 | c1 c4 | c1 c2 c3 c4 | c1 c4 | c1 c4 | c1 c3 c4
comments?exclude__post__published=true       |       |       | c2 c3 | c2      | c2      | c2 c3
comments?user=ida                            |       |       |       |         |         | c4
comments?user__isnull=true                   | c4    | c4    | c4    | c4      | c4      |
comments?exclude__user=ida                   | c1 c4 | c1 c4 | c1 c2 c3 c4 | c1 c2 c4 | c1 c2 c4 | c1 c2 c3
users                                        | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve ida root
users?username=ida                           |       |       |       |         |         | ida
users?posts__title=A secret                  |       |       |       | ana     | ana     | ana
users?posts__published=false                 |       |       |       | ana     | ana     | ana dan
users?posts=e                                |       |       |       |         |         | dan
users?posts__isnull=true                     | bob carl dan eve root | bob carl dan eve root | bob carl dan eve root | bob carl dan eve root | bob carl dan eve root | bob carl eve root
users?exclude__posts__published=false        | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | bob carl dan eve root | bob carl dan eve root | bob carl eve ida root
users?profile__bio=Idas bio                  |       |       |       |         |         | ida
profiles?bio=Idas bio                        |       |       |       |         |         | ida
profiles?user=ida                            |       |       |       |         |         | ida
profiles?exclude__bio=Idas bio               | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root | ana bob carl dan eve root
labels/hush/posts                            |       |       |       | d       | d       | d
labels/ai/posts?comments__isnull=false       | p     | p     | p     | d p     | d p     | d p
comments?ordering=post__title                | c1 c4 | c1 c4 | c1 c4 c2 c3 | c2 c1 c4 | c2 c1 c4 | c2 c1 c4 c3
comments?ordering=-post__title               | c4 c1 | c4 c1 | c3 c2 c4 c1 | c4 c1 c2 | c4 c1 c2 | c3 c4 c1 c2
comments?ordering=post__published,id         | c1 c4 | c1 c4 | c1 c4 c2 c3 | c2 c1 c4 | c2 c1 c4 | c2 c1 c4 c3
comments?ordering=-user__username            | c4 c1 | c4 c1 | c4 c3 c2 c1 | c4 c2 c1 | c4 c2 c1 | c4 c3 c2 c1
comments?ordering=user__username,-id         | c1 c4 | c1 c4 | c3 c2 c1 c4 | c2 c1 c4 | c2 c1 c4 | c3 c2 c1 c4
posts?ordering=writer__username,title        | p x i | p x i | p x i | d p x i | d p x i | d p x e i
posts?ordering=-editor__username,title       | i p x | i p x | i p x | i p x d | i p x d | e i p x d
";

async fn world() -> (TestApp, Vec<(&'static str, Client)>) {
    let app = TestApp::new().await;
    for name in ["ida", "dan"] {
        app.member(name);
    }
    let members = ["eve", "carl", "bob", "ana"].map(|name| (name, app.member(name)));
    let clients = [("a guest", app.guest())].into_iter().chain(members).chain([("staff", app.staff("root"))]);
    let clients = clients.collect();
    app.sql(ROWS);
    (app, clients)
}

/// The rows of a response, such as `p x i`.
fn found(list: &str, answer: &crate::client::Answer) -> String {
    let key = match list.rsplit('/').next() {
        Some("posts" | "labels") => "slug",
        Some("comments") => "alias",
        _ => "username",
    };
    answer.each("/results", key).replace(", ", " ")
}

#[actix_web::test]
async fn everybody_finds_what_the_table_says_and_nothing_else() {
    let (_app, clients) = world().await;
    let mut wrong = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{line}");
        let (list, query) = cells[0].split_once('?').unwrap_or((cells[0], ""));
        let (name, value) = query.split_once('=').unwrap_or_default();
        let order = match list.rsplit('/').next() {
            _ if name == "ordering" || name == "search" => "",
            Some("posts") => "&ordering=id",
            _ => "",
        };
        let mut queries = vec![query.to_owned()];
        // The same condition as an expression, alone and in equivalent forms.
        let denied = name.strip_prefix("exclude__");
        if !name.is_empty() && !["ordering", "search"].contains(&name) {
            let condition = match denied {
                Some(name) => format!("not {name}:\"{value}\""),
                None => format!("{name}:\"{value}\""),
            };
            queries.push(format!("filter={condition}"));
            queries.push(format!("filter=not (not ({condition}))"));
            queries.push(format!("filter=({condition} or {condition}) and {condition}"));
        }
        for query in queries {
            for ((who, client), expected) in clients.iter().zip(&cells[1..]) {
                let answer = client.get(&format!("/api/v1/{list}?{query}{order}&count=exact")).await;
                assert_eq!(answer.status, "200 OK", "{list}?{query}: {answer:?}");
                let rows = found(list, &answer);
                let number = expected.split_whitespace().count();
                if rows != *expected || answer.at("/count") != number {
                    wrong.push(format!(
                        "{list}?{query} by {who}: {rows} ({}), not {expected}",
                        answer.at("/count")
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn no_cursor_holds_what_may_not_be_read() {
    let (_app, clients) = world().await;
    for (who, client) in &clients {
        let knows = ["bob", "ana", "staff"].contains(who);
        let mut told = String::new();
        for ordering in
            ["post__title,post__slug", "-post__content", "-post__writer__username", "user__username"]
        {
            let mut path = Some(format!("/api/v1/comments?limit=1&ordering={ordering}"));
            while let Some(url) = path {
                let page = client.get(&url).await;
                for cursor in ["/next_cursor", "/previous_cursor"] {
                    let cursor = page.at(cursor);
                    let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str().unwrap_or_default()).expect("base64");
                    told.push_str(&String::from_utf8_lossy(&bytes));
                }
                path = page.at("/next").as_str().map(str::to_owned);
            }
        }
        assert!(told.contains("Open") && told.contains("carl"), "{who}: {told}");
        assert_eq!(told.contains("secret"), knows, "{who}: {told}");
        assert_eq!(told.contains("ida"), *who == "staff", "{who}: {told}");
    }
}

/// Changes or deletes everything in [`ROWS`] that a guest, a stranger and the author of comments may not read.
const CHANGED: &str = "
    UPDATE posts SET title = 'Other', content = 'Other', category = 'TEC', rating = 1, rank = 5, slug = 'other', editor_id = NULL,
        created_at = '2020-02-02', published_at = '2020-02-02' WHERE slug = 'd';
    DELETE FROM post_labels WHERE post_id = 1;
    INSERT INTO comments (id, post_id, user_id, alias, content) SELECT 91, 1, id, 'More', 'more' FROM users WHERE username = 'bob';
    DELETE FROM posts WHERE slug = 'e';
    INSERT INTO posts (id, slug, title, content, writer_id) SELECT 91, 'more', 'More', 'more', id FROM users WHERE username = 'root';
    INSERT INTO comments (id, user_id, alias, content) SELECT 92, id, 'Loose', 'loose' FROM users WHERE username = 'bob';
    UPDATE users SET created_at = '2020-02-02' WHERE username = 'ida';
    UPDATE profiles SET bio = 'x', occupation = 'x', created_at = '2020-02-02' FROM users WHERE username = 'ida' AND id = user_id;
    UPDATE users SET email = username || '@other.org', email_verified_at = '2020-02-02'
        WHERE username NOT IN ('eve', 'carl');
    UPDATE profiles SET phone = '123' FROM users WHERE id = user_id AND username NOT IN ('eve', 'carl')";

#[actix_web::test]
async fn what_may_not_be_read_makes_no_difference_to_any_answer() {
    let (app, clients) = world().await;
    // Otherwise the change would show in `updated_at`.
    app.sql("ALTER TABLE profiles DISABLE TRIGGER profiles_touch");
    let words = &[
        "A secret", "Other", "hush", "ai", "d", "p", "e", "ana", "bob", "carl", "ida", "dan", "secret",
        "open", "hushed", "Idas bio", "a", "s", "",
    ];
    let strategy = Values { words, others: Just(String::new()).boxed(), wild: 0 }.question();
    let questions: Vec<String> = sample(&strategy, many(300, 1000))
        .into_iter()
        // A user's own sessions differ between users anyway.
        .filter(|(list, _)| *list != "auth/sessions")
        .map(|(list, query)| format!("/api/v1/{list}?{query}&count=exact"))
        .collect();
    let ask = async || {
        let (mut answers, mut answered) = (Vec::new(), 0);
        for question in &questions {
            for (_, client) in &clients[..3] {
                let answer = client.get(question).await;
                let is_answered = answer.status == "200 OK";
                answered += usize::from(is_answered && answer.at("/count") != 0);
                answers.push(if is_answered {
                    String::from_utf8_lossy(&answer.bytes).into_owned()
                } else {
                    answer.refusal()
                });
            }
        }
        (answers, answered)
    };
    let (before, answered) = ask().await;
    assert!(answered > questions.len() / 3, "{answered} answers with rows say too little");
    app.sql(CHANGED);
    let (after, _) = ask().await;
    for (place, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before, after, "{} by {}", questions[place / 3], clients[place % 3].0);
    }
}

#[actix_web::test]
async fn me_is_who_asks() {
    let (app, clients) = world().await;
    let ana = app.member("ana");
    let rows = async |client: &Client, query: &str| {
        let answer = client.get(&format!("/api/v1/{query}")).await;
        let list = query.split('?').next().expect("a list");
        if answer.status == "200 OK" { found(list, &answer) } else { answer.refusal() }
    };
    for (query, by_ana, by_bob, by_carl) in [
        ("posts?ordering=id&writer=me", "d p x", "", ""),
        ("posts?ordering=id&editor=me", "", "d", ""),
        ("posts?ordering=id&exclude__writer=me", "i", "d p x i", "p x i"),
        ("posts?ordering=id&writer__in=me,bob", "d p x", "", ""),
        ("posts?ordering=id&writer__username=me", "d p x", "", ""),
        ("posts?ordering=id&filter=editor:me or writer:[me]", "400", "400", "400"),
        ("posts?ordering=id&filter=editor:me or writer__in:[me]", "d p x", "d", ""),
        ("posts?comments__user=me", "", "", "p"),
        ("comments?user=me", "", "", "c1 c2 c3"),
        ("comments?exclude__user=me", "c1 c2 c4", "c1 c2 c4", "c4"),
        ("comments?post__writer=me", "c1 c2 c4", "", ""),
        ("users?username=me", "ana", "bob", "carl"),
        ("profiles?user=me", "ana", "bob", "carl"),
        ("profiles?username=me", "ana", "bob", "carl"),
        // Where a name is not compared as a whole, `me` is ordinary text.
        ("users?username__icontains=me", "", "", ""),
    ] {
        let of =
            |name: &str| clients.iter().find(|(who, _)| *who == name).map(|(_, client)| client).expect("one");
        for (client, expected) in
            [(of("ana"), by_ana), (of("bob"), by_bob), (of("carl"), by_carl), (&ana, by_ana)]
        {
            let found = rows(client, query).await;
            assert!(
                found == expected || found[..3] == *expected && expected == "400",
                "{query}: {found}, not {expected}"
            );
        }
    }
    let guest = app.guest();
    for name in ["writer", "editor", "writer__in", "exclude__writer", "comments__user", "writer__username"] {
        let refusal = rows(&guest, &format!("posts?{name}=me")).await;
        assert_eq!(refusal, "401 authentication_required", "{name}");
    }
    assert_snapshot!(rows(&guest, "posts?filter=writer:me").await, @"401 authentication_required");
    assert_snapshot!(rows(&guest, "users?username=me").await, @"401 authentication_required");
    assert_snapshot!(rows(&guest, "comments?user=me").await, @"401 authentication_required");
}

#[actix_web::test]
async fn the_posts_of_a_user_who_is_not_active_stay() {
    let (app, _) = world().await;
    let (guest, ana, root) = (app.guest(), app.member("ana"), app.staff("root"));
    assert_eq!(guest.get("/api/v1/posts/i").await.at("/writer/username"), "ida");
    assert_eq!(guest.get("/api/v1/users/ida").await.status, "404 Not Found");
    for (client, finds) in [(&guest, 0), (&ana, 0), (&root, 1)] {
        for query in [
            "writer=ida",
            "writer__in=ida",
            "writer__username=ida",
            "writer__username__iexact=IDA",
            "filter=writer:ida",
        ] {
            let count = client.get(&format!("/api/v1/posts?limit=0&count=exact&{query}")).await.at("/count");
            assert_eq!(count, finds, "{query}");
        }
        assert_eq!(client.get("/api/v1/posts?slug=i").await.each("/results", "slug"), "i");
    }
    app.sql("UPDATE users SET is_active = true WHERE username = 'ida'");
    assert_eq!(guest.get("/api/v1/posts?writer=ida").await.each("/results", "slug"), "i");
}
