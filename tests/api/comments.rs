//! Users' comments on posts.

use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Client, send};

const COMMENTS: &str = "/api/v1/comments";
const ON_P: &str = "/api/v1/posts/p/comments";

/// Create Ana's published post `p`, with the title `Hidden words`.
async fn world(app: &TestApp) -> (Client, Client) {
    let (ana, carl) = (app.member("ana"), app.member("carl"));
    let post = json!({ "title": "Hidden words", "slug": "p", "published": true });
    assert_eq!(ana.post("/api/v1/posts", post).await.status, "201 Created");
    (ana, carl)
}

/// Comment on `p`, and return the comment's path.
async fn say(client: &Client, content: &str) -> String {
    let said = client.post(ON_P, json!({ "content": content })).await;
    assert_eq!(said.status, "201 Created", "{said:?}");
    format!("{COMMENTS}/{}", said.at("/id"))
}

#[actix_web::test]
async fn a_comment_has_all_its_members() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    carl.patch("/api/v1/profiles/me", json!({ "display_name": "Carl Gauß" })).await;
    let said = carl.post(ON_P, json!({ "content": " You are absolutely right! " })).await;
    assert_snapshot!(said.status, @"201 Created");
    let comment = said.json();
    assert_eq!(comment["url"], said.header("location"));
    assert_eq!(comment["url"], format!("{}/api/v1/comments/{}", app.base, comment["id"]));
    let post = json!({ "slug": "p", "title": "Hidden words", "url": format!("{}/api/v1/posts/p", app.base) });
    assert_eq!(comment["post"], post);
    let user: Vec<&String> = comment["user"].as_object().expect("a user").keys().collect();
    assert_eq!(user, ["avatar_url", "display_name", "url", "username"]);
    assert_eq!(
        (&comment["user"]["username"], &comment["alias"], &comment["content"]),
        (&json!("carl"), &json!("Carl Gauß"), &json!("You are absolutely right!"))
    );
    let members: Vec<&String> = comment.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["alias", "content", "created_at", "id", "post", "updated_at", "url", "user"]);
    for member in ["created_at", "updated_at"] {
        let time = comment[member].as_str().expect("a time");
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{time}");
    }
    let read = app.guest().get(said.header("location")).await;
    assert_eq!((read.json(), read.header("etag")), (comment.clone(), said.header("etag")));
    for list in [COMMENTS, ON_P] {
        assert_eq!(app.guest().get(list).await.at("/results"), json!([comment]), "{list}");
    }
    // Create a comment through the list of all comments instead.
    let other = carl.post(COMMENTS, json!({ "content": "x", "post": "p", "alias": " C. " })).await;
    assert_eq!((other.at("/post"), other.at("/alias")), (post, json!("C.")));
    assert_eq!(app.guest().get("/api/v1/posts/p").await.at("/comment_count"), 2);
    assert_eq!(app.guest().get("/api/v1/posts").await.at("/results/0/comment_count"), 2);
}

#[actix_web::test]
async fn an_alias_is_the_display_name_of_the_time() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    let rename = async |name: &str| carl.patch("/api/v1/profiles/me", json!({ "display_name": name })).await;
    let alias = async |path: &str| carl.get(path).await.text("/alias");
    let mut paths = Vec::new();
    for given in [json!({}), json!({ "alias": null }), json!({ "alias": "  " }), json!({ "alias": "Own" })] {
        let mut body = given;
        body["content"] = json!("x");
        paths.push(carl.post(ON_P, body).await.text("/url"));
    }
    rename("Carl Gauß").await;
    for (path, expected) in paths.iter().zip(["carl", "carl", "carl", "Own"]) {
        assert_eq!(alias(path).await, expected);
        assert_eq!(carl.get(path).await.at("/user/display_name"), "Carl Gauß");
    }
    // A cleared alias becomes the current display name: that of the author, even if staff clears it.
    let own = &paths[3];
    assert_eq!(carl.patch(own, json!({ "content": "y" })).await.text("/alias"), "Own");
    assert_eq!(carl.patch(own, json!({ "alias": null })).await.text("/alias"), "Carl Gauß");
    rename("Princeps").await;
    assert_eq!(alias(own).await, "Carl Gauß");
    assert_eq!(app.staff("root").patch(own, json!({ "alias": "" })).await.text("/alias"), "Princeps");
    assert_eq!(carl.patch(own, json!({ "alias": " C " })).await.text("/alias"), "C");
}

#[actix_web::test]
async fn a_comment_is_edited_by_its_author() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    let path = say(&carl, "Hello").await;
    let before = carl.get(&path).await.json();
    let after = carl.patch(&path, json!({ "content": " Bye " })).await;
    assert_eq!(
        (after.at("/content"), after.at("/post"), after.at("/created_at")),
        (json!("Bye"), before["post"].clone(), before["created_at"].clone())
    );
    assert_ne!(after.at("/updated_at"), before["updated_at"]);
    assert_eq!(app.guest().get(&path).await.json(), after.json());
    let moved = json!({ "title": "q", "published": true });
    carl.post("/api/v1/posts", moved).await;
    let moved = carl.patch(&path, json!({ "post": "q", "content": "There" })).await;
    assert_eq!((moved.at("/post/slug"), moved.at("/content")), (json!("q"), json!("There")));
    let counts = app.guest().get("/api/v1/posts").await.each("/results", "comment_count");
    assert_snapshot!(counts, @"1, 0");
    // The comment shows the current slug and title of its post.
    carl.patch("/api/v1/posts/q", json!({ "slug": "r", "title": "New" })).await;
    let post = carl.get(&path).await.at("/post");
    assert_eq!(post, json!({ "slug": "r", "title": "New", "url": format!("{}/api/v1/posts/r", app.base) }));
}

#[actix_web::test]
async fn comments_have_versions() {
    let app = TestApp::new().await;
    let (ana, carl) = world(&app).await;
    let path = say(&carl, "Hello").await;
    let tag = carl.get(&path).await.header("etag").to_owned();
    assert_snapshot!(app.guest().get_with(&path, "if-none-match", &tag).await.status, @"304 Not Modified");
    // An empty patch changes nothing.
    assert_eq!(carl.patch(&path, json!({})).await.header("etag"), tag);
    // A new title of the post is shown, but does not change the comment's version.
    ana.patch("/api/v1/posts/p", json!({ "title": "Other" })).await;
    assert_snapshot!(app.guest().get_with(&path, "if-none-match", &tag).await.status, @"200 OK");
    let edited = carl.patch_if(&path, &tag, json!({ "content": "1" })).await;
    assert_snapshot!(edited.status, @"200 OK");
    for (method, body) in [
        (Method::PATCH, json!({ "content": "2" })),
        (Method::PATCH, json!({ "post": null })),
        (Method::DELETE, Value::Null),
    ] {
        let request = carl.request(method.clone(), &path).header("If-Match", &tag);
        let request = if body.is_null() { request } else { request.json(&body) };
        assert_eq!(send(request).await.refusal(), "412 precondition_failed", "{method} {body}");
    }
    // 403 has precedence over 412, and 412 over 422.
    assert_snapshot!(ana.patch_if(&path, &tag, json!({ "content": "2" })).await.refusal(), @"403 forbidden");
    assert_snapshot!(carl.patch_if(&path, &tag, json!({ "content": "" })).await.refusal(), @"412 precondition_failed");
    let comments_tag = app.guest().get("/api/v1/posts/p").await.header("etag").to_owned();
    ana.patch("/api/v1/posts/p", json!({ "rank": 1 })).await;
    assert_snapshot!(ana.delete_if(ON_P, &comments_tag).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(carl.delete_if(&path, edited.header("etag")).await.status, @"204 No Content");
    assert_snapshot!(carl.delete(&path).await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn of_parallel_edits_of_one_comment_one_wins() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    let path = say(&carl, "Hello").await;
    let tag = carl.get(&path).await.header("etag").to_owned();
    let answers =
        join_all((0..10).map(|n| carl.patch_if(&path, &tag, json!({ "content": n.to_string() })))).await;
    let count = |status: &str| answers.iter().filter(|answer| answer.status.starts_with(status)).count();
    assert_eq!((count("200"), count("412")), (1, 9));
}

#[actix_web::test]
async fn a_comment_that_is_sent_again_is_said_once() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    for (path, body) in
        [(COMMENTS, json!({ "content": "x", "post": "p" })), (ON_P, json!({ "content": "x" }))]
    {
        let first = carl.post_once(path, "k", body.clone()).await;
        assert_eq!(
            (first.status.as_str(), first.header("idempotency-replayed")),
            ("201 Created", ""),
            "{path}"
        );
        // The response is replayed even after the comment was deleted.
        carl.delete(first.header("location")).await;
        let again = carl.post_once(path, "k", body).await;
        assert_eq!(
            (again.status.as_str(), again.header("idempotency-replayed")),
            ("201 Created", "true"),
            "{path}"
        );
        assert_eq!((&again.bytes, again.header("location")), (&first.bytes, first.header("location")));
        let other = carl.post_once(path, "k", json!({ "content": "y" })).await;
        assert_eq!(other.refusal(), "422 idempotency_key_reused Idempotency-Key idempotency_key_reused");
        assert_eq!(app.count("comments"), 0);
    }
    let answers = join_all((0..10).map(|_| carl.post_once(ON_P, "race", json!({ "content": "x" })))).await;
    assert!(answers.iter().all(|answer| ["201", "409"].contains(&&answer.status[..3])), "{answers:?}");
    assert_eq!(app.count("comments"), 1);
}

#[actix_web::test]
async fn a_comment_is_detached_and_attached() {
    let app = TestApp::new().await;
    let (ana, carl) = world(&app).await;
    let (eve, root, guest) = (app.member("eve"), app.staff("root"), app.guest());
    let path = say(&carl, "Hello").await;
    let detached = carl.patch(&path, json!({ "post": "" })).await;
    assert_eq!((detached.at("/post"), detached.at("/content")), (Value::Null, json!("Hello")));
    assert_eq!(guest.get("/api/v1/posts/p").await.at("/comment_count"), 0);
    for (client, sees) in [(&carl, true), (&root, true), (&ana, false), (&eve, false), (&guest, false)] {
        assert_eq!(client.get(&path).await.status == "200 OK", sees);
        assert_eq!(client.get(COMMENTS).await.at("/results/0/content") == "Hello", sees);
        assert_eq!(client.get(ON_P).await.at("/results"), json!([]));
    }
    // Only the author can still access the comment; not even the writer of its former post can.
    assert_snapshot!(ana.patch(&path, json!({ "post": "p" })).await.refusal(), @"404 not_found");
    assert_snapshot!(carl.patch(&path, json!({ "post": "p" })).await.at("/post/slug"), @r#""p""#);
    assert_eq!(guest.get("/api/v1/posts/p").await.at("/comment_count"), 1);

    // The author can attach it only to a post that the author may see.
    ana.post("/api/v1/posts", json!({ "title": "draft" })).await;
    ana.post("/api/v1/posts", json!({ "title": "shared", "editor": "carl" })).await;
    assert_snapshot!(carl.patch(&path, json!({ "post": "draft" })).await.refusal(), @"422 validation_failed /post unknown_post");
    assert_snapshot!(carl.patch(&path, json!({ "post": "shared" })).await.at("/post/slug"), @r#""shared""#);
    assert_snapshot!(eve.get(&path).await.refusal(), @"404 not_found");
    assert_snapshot!(root.patch(&path, json!({ "post": "draft" })).await.at("/post/slug"), @r#""draft""#);
    // The author may not see the post, but can still read the comment and detach it.
    assert_snapshot!(carl.get(&path).await.at("/post"), @"null");
    assert_snapshot!(carl.patch(&path, json!({ "post": null })).await.status, @"200 OK");
    assert_snapshot!(ana.get(&path).await.refusal(), @"404 not_found");
    assert_snapshot!(root.patch(&path, json!({ "post": "draft" })).await.at("/post/slug"), @r#""draft""#);
    assert_snapshot!(ana.patch(&path, json!({ "post": null })).await.at("/post"), @"null");
    assert_snapshot!(carl.get(&path).await.status, @"200 OK");
}

#[actix_web::test]
async fn the_writer_of_a_post_takes_comments_off_and_edits_none() {
    let app = TestApp::new().await;
    let (ana, carl) = world(&app).await;
    let path = say(&carl, "Hello").await;
    for body in [
        json!({}),
        json!({ "content": "Bye" }),
        json!({ "alias": "x" }),
        json!({ "post": "p" }),
        json!({ "post": null, "content": "Bye" }),
        json!({ "post": null, "alias": null }),
        // 403 comes first, so the response does not reveal validation errors.
        json!({ "content": 7 }),
        json!({ "post": null, "other": 1 }),
    ] {
        assert_eq!(ana.patch(&path, body.clone()).await.refusal(), "403 forbidden", "{body}");
    }
    let detached = ana.patch(&path, json!({ "post": null })).await;
    assert_eq!((detached.status.as_str(), detached.at("/post")), ("200 OK", Value::Null));
    assert_snapshot!(ana.patch(&path, json!({ "post": null })).await.refusal(), @"404 not_found");
    assert_snapshot!(ana.delete(&path).await.refusal(), @"404 not_found");
    let path = say(&carl, "Again").await;
    assert_snapshot!(ana.delete(&path).await.status, @"204 No Content");
    assert_eq!(app.count("comments"), 1);
    // You are also the author of your own comment on your own post.
    let path = say(&ana, "Mine").await;
    assert_snapshot!(ana.patch(&path, json!({ "content": "Still mine" })).await.status, @"200 OK");
}

#[actix_web::test]
async fn comments_come_in_pages_the_oldest_first() {
    let app = TestApp::new().await;
    let (_, carl) = world(&app).await;
    // Rows with equal times, on purpose.
    app.sql(
        "INSERT INTO posts (slug, title, content, published, writer_id)
             SELECT 'other', 'x', '', true, id FROM users WHERE username = 'ana';
         INSERT INTO comments (post_id, user_id, alias, content, created_at)
             SELECT (SELECT id FROM posts WHERE slug = CASE WHEN n % 3 = 0 THEN 'other' ELSE 'p' END),
                 (SELECT id FROM users WHERE username = 'carl'), 'x', n::text, timestamptz '2026-01-01' - (n / 4) * interval '1 s'
             FROM generate_series(1, 25) AS n",
    );
    let in_order = |only_p: bool| {
        let mut all: Vec<i32> = (1..=25).filter(|n| !only_p || n % 3 != 0).collect();
        all.sort_by_key(|n| (-(n / 4), *n));
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    for (list, only_p) in [(COMMENTS, false), (ON_P, true)] {
        let (mut pages, mut path) = (Vec::new(), format!("{list}?limit=4"));
        loop {
            let page = app.guest().get(&path).await;
            let next = page.at("/next");
            pages.push(page);
            // New comments appear at the end and do not shift any page.
            let Some(next) = next.as_str() else { break };
            path = next.to_owned();
        }
        let seen: Vec<String> = pages.iter().map(|page| page.each("/results", "content")).collect();
        assert_eq!(seen.join(", "), in_order(only_p), "{list}");
        for pair in pages.windows(2).rev() {
            let back = app.guest().get(&pair[1].text("/previous")).await;
            assert_eq!(back.at("/results"), pair[0].at("/results"), "{list}");
            assert!(back.header("link").contains("rel=\"next\""), "{}", back.header("link"));
        }
        assert_eq!(pages[0].at("/previous"), Value::Null);
    }
    say(&carl, "new").await;
    let cursor = app.guest().get(&format!("{ON_P}?limit=1")).await.text("/next_cursor");
    for other in [COMMENTS, "/api/v1/posts/other/comments", "/api/v1/posts"] {
        let answer = app.guest().get(&format!("{other}?cursor={cursor}")).await;
        assert_eq!(answer.refusal(), "400 invalid_query cursor invalid_cursor", "{other}");
    }
}

#[actix_web::test]
async fn nothing_is_told_of_a_draft_by_its_comments() {
    let app = TestApp::new().await;
    let (ana, carl) = world(&app).await;
    let (eve, guest) = (app.member("eve"), app.guest());
    let path = say(&carl, "about it").await;
    let cursor = format!("{ON_P}?limit=1");
    say(&carl, "about it, too").await;
    let next = guest.get(&cursor).await.text("/next");
    ana.patch("/api/v1/posts/p", json!({ "slug": "secret-slug" })).await;
    ana.patch("/api/v1/posts/secret-slug", json!({ "published": false })).await;
    for (client, is_author) in [(&carl, true), (&eve, false), (&guest, false)] {
        let answers = [
            client.get(&path).await,
            client.get(COMMENTS).await,
            client.get(ON_P).await,
            client.get("/api/v1/posts/secret-slug/comments").await,
            client.get(&next).await,
            client.patch(&path, json!({ "alias": "x" })).await,
            client.post(ON_P, json!({ "content": "x" })).await,
            client.get("/api/v1/users/carl").await,
        ];
        for answer in answers {
            let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.bytes));
            assert!(!told.contains("Hidden") && !told.contains("secret-slug"), "{told}");
            assert!(is_author || !told.contains("about it"), "{told}");
        }
        let own = if is_author { "about it, about it, too" } else { "" };
        assert_eq!(client.get(COMMENTS).await.each("/results", "content"), own);
    }
    let export = carl.get("/api/v1/users/me/export").await.json();
    assert_eq!(
        (&export["comments"][0]["post"], &export["comments"][0]["content"]),
        (&Value::Null, &json!("about it"))
    );
    assert!(!export.to_string().contains("Hidden") && !export.to_string().contains("secret-slug"));
    // The writer still sees everything.
    assert_eq!(ana.get(COMMENTS).await.each("/results", "content"), "about it, about it, too");
    assert_snapshot!(ana.get(&path).await.at("/post/slug"), @r#""secret-slug""#);
}

#[actix_web::test]
async fn all_comments_of_a_post_are_deleted_and_counted() {
    let app = TestApp::new().await;
    let (ana, carl) = world(&app).await;
    ana.post("/api/v1/posts", json!({ "title": "other", "published": true })).await;
    carl.post("/api/v1/posts/other/comments", json!({ "content": "stays" })).await;
    let detached = say(&carl, "detached").await;
    carl.patch(&detached, json!({ "post": null })).await;
    for (client, content) in [(&carl, "1"), (&ana, "2"), (&carl, "3")] {
        say(client, content).await;
    }
    let tag = ana.get("/api/v1/posts/p").await.header("etag").to_owned();
    let deleted = ana.delete_if(ON_P, &tag).await;
    assert_eq!(deleted.json(), json!({ "deleted": 3, "by_type": { "comments": 3 } }));
    assert_eq!(ana.delete(ON_P).await.json(), json!({ "deleted": 0, "by_type": {} }));
    assert_eq!(app.lines("SELECT content FROM comments ORDER BY id"), "stays\ndetached");
    assert_eq!(ana.get("/api/v1/posts/p").await.at("/comment_count"), 0);
    // Deleting the post deletes the comment.
    ana.put("/api/v1/posts/other/labels", json!({ "labels": [{ "name": "A" }, { "name": "B" }] })).await;
    let deleted = ana.delete("/api/v1/posts/other").await;
    assert_eq!(
        deleted.json(),
        json!({ "deleted": 4, "by_type": { "comments": 1, "post_labels": 2, "posts": 1 } })
    );
    assert_eq!((app.count("comments"), app.count("labels")), (1, 2));
}
