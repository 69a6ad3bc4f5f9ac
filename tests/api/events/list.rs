//! The list of events: their format, filters and paging.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{EVENTS, Watch, lines};
use crate::app::TestApp;
use crate::client::Client;
use crate::pictures;

/// The event as JSON, with placeholders for what differs between runs.
fn settled(app: &TestApp, event: &Value) -> String {
    let text = serde_json::to_string_pretty(event).expect("JSON").replace(&app.base, "http://plaza");
    let settle = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let comma = if line.ends_with(',') { "," } else { "" };
        match line.trim().split_once(": ") {
            Some((name @ ("\"created_at\"" | "\"published_at\""), time)) if time.starts_with('"') => {
                assert_eq!(time.trim_end_matches(',').len(), 29, "microseconds: {time}");
                format!("{}{name}: \"a time\"{comma}", " ".repeat(indent))
            }
            _ if line.contains("/media/") => format!("{}\"a file\"", " ".repeat(indent)),
            _ => line.to_owned(),
        }
    };
    text.lines().map(settle).collect::<Vec<_>>().join("\n")
}

/// Ana writes a post with a label, on which bob comments, and changes her profile. Then everything is deleted.
async fn busy(app: &TestApp) -> [Client; 2] {
    let [ana, bob] = ["ana", "bob"].map(|name| app.member(name));
    ana.post("/api/v1/posts", json!({ "title": "Ada", "published": true })).await;
    ana.post("/api/v1/posts/ada/labels", json!({ "labels": [{ "name": "Ai" }] })).await;
    bob.post("/api/v1/posts/ada/comments", json!({ "content": "Well done." })).await;
    ana.patch("/api/v1/profiles/me", json!({ "bio": "I write." })).await;
    ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(40, 30)).await;
    bob.patch("/api/v1/comments/1", json!({ "content": "Very well done." })).await;
    ana.patch("/api/v1/posts/ada", json!({ "editor": "bob" })).await;
    app.published().await;
    [ana, bob]
}

#[actix_web::test]
async fn an_event_of_each_resource() {
    let app = TestApp::new().await;
    let mut watch = Watch::begin(&app).await;
    let [ana, _] = busy(&app).await;
    ana.delete("/api/v1/profiles/me/avatar").await;
    app.idle().await;
    let events = watch.events().await;
    let last = |kind: &str| {
        let found = events.iter().rfind(|event| event["type"] == kind);
        settled(&app, found.unwrap_or_else(|| panic!("no {kind} in {}", lines(&events))))
    };
    assert_snapshot!(last("user.created"), @r#"
    {
      "actor": null,
      "changed": [],
      "created_at": "a time",
      "data": {
        "created_at": "a time",
        "username": "bob"
      },
      "id": 3,
      "resource": {
        "id": 3,
        "type": "user",
        "url": "http://plaza/api/v1/users/bob"
      },
      "type": "user.created"
    }
    "#);
    assert_snapshot!(last("profile.updated"), @r#"
    {
      "actor": "ana",
      "changed": [
        "bio"
      ],
      "created_at": "a time",
      "data": {
        "bio": "I write.",
        "display_name": "ana",
        "occupation": null
      },
      "id": 9,
      "resource": {
        "id": 2,
        "type": "profile",
        "url": "http://plaza/api/v1/profiles/ana"
      },
      "type": "profile.updated"
    }
    "#);
    assert_snapshot!(last("avatar.updated"), @r#"
    {
      "actor": "ana",
      "changed": [
        "avatar"
      ],
      "created_at": "a time",
      "data": {
        "avatar_url": null
      },
      "id": 13,
      "resource": {
        "id": 2,
        "type": "avatar",
        "url": "http://plaza/api/v1/profiles/ana/avatar"
      },
      "type": "avatar.updated"
    }
    "#);
    assert_snapshot!(last("post.created"), @r#"
    {
      "actor": "ana",
      "changed": [],
      "created_at": "a time",
      "data": {
        "category": "SOC",
        "created_at": "a time",
        "editor": null,
        "published": true,
        "published_at": "a time",
        "rank": 3,
        "rating": 3,
        "slug": "ada",
        "title": "Ada",
        "writer": "ana"
      },
      "id": 4,
      "resource": {
        "id": 1,
        "type": "post",
        "url": "http://plaza/api/v1/posts/ada"
      },
      "type": "post.created"
    }
    "#);
    assert_snapshot!(last("post.updated"), @r#"
    {
      "actor": "ana",
      "changed": [
        "editor"
      ],
      "created_at": "a time",
      "data": {
        "category": "SOC",
        "created_at": "a time",
        "editor": "bob",
        "published": true,
        "published_at": "a time",
        "rank": 3,
        "rating": 3,
        "slug": "ada",
        "title": "Ada",
        "writer": "ana"
      },
      "id": 12,
      "resource": {
        "id": 1,
        "type": "post",
        "url": "http://plaza/api/v1/posts/ada"
      },
      "type": "post.updated"
    }
    "#);
    assert_snapshot!(last("post.labels_changed"), @r#"
    {
      "actor": "ana",
      "changed": [
        "labels"
      ],
      "created_at": "a time",
      "data": {
        "action": "add",
        "labels": [
          {
            "id": 1,
            "slug": "ai"
          }
        ],
        "slug": "ada"
      },
      "id": 7,
      "resource": {
        "id": 1,
        "type": "post",
        "url": "http://plaza/api/v1/posts/ada"
      },
      "type": "post.labels_changed"
    }
    "#);
    assert_snapshot!(last("label.created"), @r#"
    {
      "actor": "ana",
      "changed": [],
      "created_at": "a time",
      "data": {
        "name": "Ai",
        "slug": "ai"
      },
      "id": 6,
      "resource": {
        "id": 1,
        "type": "label",
        "url": "http://plaza/api/v1/labels/ai"
      },
      "type": "label.created"
    }
    "#);
    assert_snapshot!(last("comment.updated"), @r#"
    {
      "actor": "bob",
      "changed": [
        "content"
      ],
      "created_at": "a time",
      "data": {
        "alias": "bob",
        "author": "bob",
        "created_at": "a time",
        "excerpt": "Very well done.",
        "post_id": 1
      },
      "id": 11,
      "resource": {
        "id": 1,
        "type": "comment",
        "url": "http://plaza/api/v1/comments/1"
      },
      "type": "comment.updated"
    }
    "#);
    assert!(last("media.deleted").contains("\"a file\""), "it names files");
}

#[actix_web::test]
async fn what_is_asked_of_events() {
    let app = TestApp::new().await;
    busy(&app).await;
    let root = app.staff("root");
    app.published().await;
    let found = async |query: &str| {
        let page = root.get(&format!("{EVENTS}?ordering=id&{query}")).await;
        assert_eq!(page.status, "200 OK", "{}", page.json());
        let Value::Array(events) = page.at("/results") else { panic!("no list") };
        lines(&events)
    };
    assert_snapshot!(found("type=post.created").await, @"post.created posts/ada [] ana");
    assert_snapshot!(found("type__in=label.created,comment.updated").await, @"
    label.created labels/ai [] ana
    comment.updated comments/1 [content] bob
    ");
    assert_snapshot!(found("type__startswith=post.").await, @"
    post.created posts/ada [] ana
    post.published posts/ada [] ana
    post.labels_changed posts/ada [labels] ana
    post.updated posts/ada [editor] ana
    ");
    assert_snapshot!(found("resource_type=comment").await, @"
    comment.created comments/1 [] bob
    comment.updated comments/1 [content] bob
    ");
    assert_snapshot!(found("resource_type=post&resource_id=1&exclude__type=post.updated").await, @"
    post.created posts/ada [] ana
    post.published posts/ada [] ana
    post.labels_changed posts/ada [labels] ana
    ");
    assert_snapshot!(found("resource_type=post&resource_id=2").await, @"");
    assert_snapshot!(found("actor=bob").await, @"
    comment.created comments/1 [] bob
    comment.updated comments/1 [content] bob
    ");
    assert_snapshot!(found("actor=ana&resource_type__in=profile,avatar").await, @"
    profile.updated profiles/ana [bio] ana
    avatar.updated profiles/ana/avatar [avatar] ana
    ");
    assert_snapshot!(found("actor__isnull=true").await, @"
    user.created users/ana [] -
    user.created users/bob [] -
    user.created users/root [] -
    ");
    assert_snapshot!(found("created_at__gte=2100-01-01T00:00:00Z").await, @"");
    let updated = root.get(&format!("{EVENTS}?type=comment.updated")).await;
    let since = updated.text("/results/0/created_at");
    assert_snapshot!(found(&format!("created_at__gte={since}&type__startswith=c")).await, @"comment.updated comments/1 [content] bob");
    assert_snapshot!(found(&format!("created_at__lt={since}&type__startswith=c")).await, @"comment.created comments/1 [] bob");
}

#[actix_web::test]
async fn what_is_no_question_is_refused() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let refused = async |query: &str| ana.get(&format!("{EVENTS}?{query}")).await.refusal();
    assert_snapshot!(app.guest().get(EVENTS).await.refusal(), @"401 authentication_required");
    assert_snapshot!(refused("nonsense=1").await, @"400 invalid_query nonsense unknown_parameter");
    assert_snapshot!(refused("data=1").await, @"400 invalid_query data unknown_parameter");
    assert_snapshot!(refused("author_id=1").await, @"400 invalid_query author_id unknown_parameter");
    assert_snapshot!(refused("resource_id=x").await, @"400 invalid_query resource_id invalid_parameter");
    assert_snapshot!(refused("ordering=position").await, @"400 invalid_query ordering unknown_field");
    assert_snapshot!(refused("created_at__gte=yesterday").await, @"400 invalid_query created_at__gte invalid_parameter");
    assert_snapshot!(refused("actor__email=ana@example.org").await, @"403 forbidden");
}

/// Follow the links to the end, while new events are written between the pages.
async fn walk(client: &Client, path: String, way: &str, busy: &Client) -> Vec<i64> {
    let (mut path, mut ids) = (path, Vec::new());
    loop {
        let page = client.get(&path).await;
        assert_eq!(page.status, "200 OK", "{path}: {}", page.json());
        let Value::Array(events) = page.at("/results") else { panic!("no list") };
        let found = events.iter().map(|event| event["id"].as_i64().expect("an id"));
        if way == "next" {
            ids.extend(found);
        } else {
            ids.splice(0..0, found).for_each(drop);
        }
        busy.patch("/api/v1/posts/ada", json!({ "rating": ids.len() % 5 + 1 })).await;
        let next = page.at(&format!("/{way}"));
        let link = page.header("link").to_owned();
        let Some(next) = next.as_str() else {
            assert!(!link.contains(&format!("rel=\"{way}\"")), "{link}");
            return ids;
        };
        assert!(link.contains(&format!("<{next}>; rel=\"{way}\"")), "{link} names {next}");
        next.clone_into(&mut path);
    }
}

#[actix_web::test]
async fn a_walk_misses_and_repeats_nothing_while_events_come() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Ada" })).await;
    for number in 1..30 {
        ana.patch("/api/v1/posts/ada", json!({ "title": format!("Ada {number}") })).await;
    }
    app.published().await;
    let root = app.staff("root");
    let count = root.get(&format!("{EVENTS}?resource_type=post&limit=0&count=exact")).await;
    assert_eq!(count.at("/count"), 30);
    let all = |text: String| text.split(", ").map(|id| id.parse().expect("an id")).collect::<Vec<i64>>();
    let list = format!("{EVENTS}?resource_type=post");
    let before = all(root.get(&format!("{list}&limit=100")).await.each("/results", "id"));
    assert!(before.is_sorted_by(|a, b| a > b), "the last one first: {before:?}");
    // From new to old, no new event appears.
    assert_eq!(walk(&root, format!("{list}&limit=7"), "next", &ana).await, before);
    // From old to new, new events appear at the end. The walk ends when it has caught up.
    let forwards = walk(&root, format!("{list}&ordering=id&limit=7"), "next", &ana).await;
    app.published().await;
    let now = all(root.get(&format!("{list}&ordering=id&limit=100")).await.each("/results", "id"));
    assert!(forwards.len() >= 30 && now.starts_with(&forwards), "{forwards:?} is how {now:?} begins");
    // And from the end of one walk in the other direction.
    let page = root.get(&format!("{list}&ordering=id&limit=30")).await;
    let end = page.at("/next").as_str().expect("there are more").to_owned();
    let page = root.get(&end).await;
    let back = page.at("/previous").as_str().expect("there are others before").to_owned();
    let (first, rest) = (walk(&root, back, "previous", &ana).await, page.each("/results", "id"));
    assert_eq!([first, all(rest)].concat()[..now.len()], now[..]);
}
