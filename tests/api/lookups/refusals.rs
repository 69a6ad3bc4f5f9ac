//! What no list accepts: invalid values, unknown names, and queries reserved for staff.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{query, two_of_everything};
use crate::app::TestApp;

#[actix_web::test]
async fn what_no_list_knows_is_refused_with_what_comes_near() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    // A query, its error response, and the suggestion.
    for (query, refusal, nearest) in [
        ("posts?titel=x", "titel unknown_parameter", json!("title")),
        ("posts?title__icontain=x", "title__icontain unknown_parameter", json!("title__icontains")),
        (
            "posts?exclude__title__icontain=x",
            "exclude__title__icontain unknown_parameter",
            json!("exclude__title__icontains"),
        ),
        ("posts?writter__username=x", "writter__username unknown_parameter", json!("writer__username")),
        ("posts?writer__usrname=x", "writer__usrname unknown_parameter", json!("writer__username")),
        (
            "posts?writer__username__iexat=x",
            "writer__username__iexat unknown_parameter",
            json!("writer__username__iexact"),
        ),
        ("posts?created_at__yaer=2026", "created_at__yaer unknown_parameter", json!("created_at__year")),
        (
            "posts?created_at__year__gtt=2026",
            "created_at__year__gtt unknown_parameter",
            json!("created_at__year__gt"),
        ),
        ("posts?labels__al=ai", "labels__al unknown_parameter", json!("labels__all")),
        ("posts?labels__slug__all=ai", "labels__slug__all unknown_parameter", Value::Null),
        ("posts?published__in=true", "published__in unknown_parameter", Value::Null),
        ("posts?rating__icontains=1", "rating__icontains unknown_parameter", Value::Null),
        ("posts?title__exact__iexact=x", "title__exact__iexact unknown_parameter", json!("title__exact")),
        ("posts?writer__all=ana", "writer__all unknown_parameter", Value::Null),
        ("posts?writer__icontains=ana", "writer__icontains unknown_parameter", Value::Null),
        ("posts?created_at__year__isnull=true", "created_at__year__isnull unknown_parameter", Value::Null),
        ("posts?created_at__date__year=2026", "created_at__date__year unknown_parameter", Value::Null),
        ("posts?title__year=2026", "title__year unknown_parameter", Value::Null),
        ("posts?odering=title", "odering unknown_parameter", json!("ordering")),
        ("posts?serch=x", "serch unknown_parameter", json!("search")),
        ("posts?exclude=x", "exclude unknown_parameter", Value::Null),
        ("posts?exclude__=x", "exclude__ unknown_parameter", Value::Null),
        ("posts?exclude__exclude__title=x", "exclude__exclude__title unknown_parameter", Value::Null),
        ("posts?__title=x", "__title unknown_parameter", Value::Null),
        ("posts?title__=x", "title__ unknown_parameter", Value::Null),
        ("posts?Title=x", "Title unknown_parameter", json!("title")),
        ("posts?=x", " unknown_parameter", Value::Null),
        ("posts?writer__posts__title=x", "writer__posts__title unknown_parameter", Value::Null),
        ("posts?comments__post__title=x", "comments__post__title unknown_parameter", Value::Null),
        (
            "posts?comments__user__profile__bio=x",
            "comments__user__profile__bio unknown_parameter",
            Value::Null,
        ),
        ("comments?search=x", "search unknown_parameter", Value::Null),
        ("comments?post__labels__posts=x", "post__labels__posts unknown_parameter", Value::Null),
        ("labels?posts__writer=x", "posts__writer unknown_parameter", Value::Null),
        ("users?all=true", "all unknown_parameter", Value::Null),
        ("posts/p/labels?post=p", "post unknown_parameter", Value::Null),
    ] {
        let answer = root.get(&format!("/api/v1/{query}")).await;
        assert_eq!(answer.refusal(), format!("400 invalid_query {refusal}"), "{query}");
        let found = answer.at("/errors/0/params/nearest");
        if nearest.is_null() {
            // If there is a suggestion, it differs from the name that was rejected.
            assert_ne!(found, query.split(['?', '=']).nth(1).expect("a name"), "{query}");
        } else {
            assert_eq!(found, nearest, "{query}: {}", answer.text("/errors/0/detail"));
        }
    }
}

#[actix_web::test]
async fn what_cannot_be_a_value_is_refused() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let long = format!("posts?title__regex={}", "x".repeat(257));
    let long_text = format!("posts?title__icontains={}", "x".repeat(1001));
    for (query, refusal) in [
        ("posts?editor__isnull=garbage", "editor__isnull invalid_parameter"),
        ("posts?editor__isnull=True", "editor__isnull invalid_parameter"),
        ("posts?editor__isnull=1", "editor__isnull invalid_parameter"),
        ("posts?editor__isnull=", "editor__isnull invalid_parameter"),
        ("posts?published_at__isnull=no", "published_at__isnull invalid_parameter"),
        ("posts?published=1", "published invalid_parameter"),
        ("posts?published=yes", "published invalid_parameter"),
        ("posts?published=TRUE", "published invalid_parameter"),
        ("posts?rating__range=1", "rating__range invalid_parameter"),
        ("posts?rating__range=1,2,3", "rating__range invalid_parameter"),
        ("posts?rating__range=", "rating__range invalid_parameter"),
        ("posts?rating__range=1,x", "rating__range invalid_parameter"),
        ("posts?created_at__range=2026-01-01,", "created_at__range invalid_parameter"),
        ("posts?created_at__year__range=2026", "created_at__year__range invalid_parameter"),
        ("posts?rating__in=1,x", "rating__in invalid_parameter"),
        ("posts?rating__in=1,", "rating__in invalid_parameter"),
        ("posts?category=SOX", "category not_a_choice"),
        ("posts?category=soc", "category not_a_choice"),
        ("posts?category__in=SOC,SOX", "category__in not_a_choice"),
        ("posts?category__gt=X", "category__gt not_a_choice"),
        ("posts?rating=five", "rating invalid_parameter"),
        ("posts?rating=1.0", "rating invalid_parameter"),
        ("posts?rating=1e0", "rating invalid_parameter"),
        ("posts?created_at__gt=yesterday", "created_at__gt invalid_parameter"),
        ("posts?created_at__gt=2026-02-30", "created_at__gt invalid_parameter"),
        ("posts?created_at__gt=2026-01-01T00:00:00+02:00", "created_at__gt invalid_parameter"),
        ("posts?created_at__gt=1767225600", "created_at__gt invalid_parameter"),
        ("posts?created_at__gt=infinity", "created_at__gt invalid_parameter"),
        ("posts?created_at__date=2026-01-01T00:00:00Z", "created_at__date invalid_parameter"),
        ("posts?created_at__time=9am", "created_at__time invalid_parameter"),
        ("posts?created_at__time=25:00", "created_at__time invalid_parameter"),
        ("posts?created_at__hour=x", "created_at__hour invalid_parameter"),
        ("posts?created_at__week_day=Monday", "created_at__week_day invalid_parameter"),
        (&long, "title__regex too_long"),
        (&long_text, "title__icontains too_long"),
        ("posts?title__regex=(", "title__regex invalid_pattern"),
        ("posts?title__iregex=%5B", "title__iregex invalid_pattern"),
        ("posts?title__regex=a%7B256%7D", "title__regex invalid_pattern"),
        ("posts?exclude__title__regex=*", "exclude__title__regex invalid_pattern"),
        ("posts?filter=title__regex:%22(%22", "filter invalid_pattern"),
        ("posts?labels__name__iregex=%5Cz%5C", "labels__name__iregex invalid_pattern"),
        ("posts?tz=Mars/Olympus", "tz invalid_parameter"),
        ("posts?tz=europe/madrid", "tz invalid_parameter"),
        ("posts?tz=", "tz invalid_parameter"),
        ("posts?tz=%2B02:00", "tz invalid_parameter"),
        ("posts?limit=3&limit=3", "limit duplicate_parameter"),
        ("posts?ordering=title&ordering=id", "ordering duplicate_parameter"),
        ("posts?filter=id:1&filter=id:2", "filter duplicate_parameter"),
        ("posts?tz=UTC&tz=UTC", "tz duplicate_parameter"),
        ("posts?search=x&search=y", "search duplicate_parameter"),
        ("posts?count=exact&count=exact", "count duplicate_parameter"),
        ("posts?cursor=x&cursor=x", "cursor duplicate_parameter"),
        ("posts?writer__created_at__year=2026", "writer__created_at__year unknown_parameter"),
        ("posts?labels__labeled_at__date=2026-01-01", "labels__labeled_at__date unknown_parameter"),
        (
            "posts?exclude__comments__created_at__hour__gt=3",
            "exclude__comments__created_at__hour__gt unknown_parameter",
        ),
        ("comments?post__published_at__year=2026", "post__published_at__year unknown_parameter"),
        ("posts?ordering=", "ordering not_sortable"),
        ("posts?ordering=,", "ordering not_sortable"),
        ("posts?ordering=title,", "ordering not_sortable"),
        ("posts?ordering=--title", "ordering unknown_field"),
        ("posts?ordering=%2Btitle", "ordering unknown_field"),
        ("posts?ordering=titel", "ordering unknown_field"),
        ("posts?ordering=%3F", "ordering unknown_field"),
        ("posts?ordering=labels__name", "ordering not_sortable"),
        ("posts?ordering=comments", "ordering not_sortable"),
        ("posts?ordering=comments__created_at", "ordering not_sortable"),
        ("posts?ordering=writer", "ordering not_sortable"),
        ("posts?ordering=title__iexact", "ordering not_sortable"),
        ("posts?ordering=title__exact", "ordering not_sortable"),
        ("posts?ordering=created_at__year", "ordering not_sortable"),
        (
            "posts?ordering=id,title,slug,rating,rank,published,category,created_at,updated_at",
            "ordering too_many",
        ),
        ("users?ordering=posts__title", "ordering not_sortable"),
        ("labels?ordering=posts", "ordering not_sortable"),
        ("comments?ordering=post__labels__name", "ordering not_sortable"),
    ] {
        let answer = root.get(&format!("/api/v1/{query}")).await;
        assert_eq!(answer.refusal(), format!("400 invalid_query {refusal}"), "{query}");
    }
    // Several errors at the same time.
    let answer = root.get("/api/v1/posts?limit=x&titel=y&rating=z&filter=(&ordering=q&tz=w").await;
    assert_snapshot!(answer.refusal(), @"400 invalid_query tz invalid_parameter, limit invalid_parameter, titel unknown_parameter, rating invalid_parameter, filter invalid_filter, ordering unknown_field");
    // Over relations, parts of times exist only in `filter`.
    let answer = root.get("/api/v1/posts?writer__created_at__year=2026").await;
    assert_eq!(answer.at("/errors/0/params/nearest"), "filter");
    for filter in ["writer__created_at__year__gte:2020", "labels__labeled_at__date__gt:2020-01-01"] {
        let answer = root.get(&format!("/api/v1/posts?filter={filter}")).await;
        assert_eq!(answer.each("/results", "slug"), "q, p", "{filter}");
    }
}

#[actix_web::test]
async fn what_only_staff_know_nobody_else_asks_for() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let (guest, ana) = (app.guest(), app.member("ana"));
    let of_users = ["email", "is_active", "is_staff", "last_login", "email_verified_at"];
    let value = |field: &str| match field {
        "is_active" | "is_staff" => "true",
        "last_login" | "email_verified_at" => "2026-01-01",
        _ => "x",
    };
    // The path to the field from every list, and whether the list can be sorted by it.
    let ways = [
        ("users", "", true),
        ("posts", "writer__", true),
        ("posts", "editor__", true),
        ("labels/ai/posts", "writer__", true),
        ("posts", "comments__user__", false),
        ("comments", "user__", true),
        ("comments", "post__writer__", true),
        ("posts/p/comments", "user__", true),
        ("profiles", "user__", true),
    ];
    let mut fields: Vec<(String, String, &str, bool)> = Vec::new();
    for (list, way, is_sortable) in ways {
        for field in of_users {
            fields.push((list.into(), format!("{way}{field}"), value(field), is_sortable));
        }
    }
    fields.push(("profiles".into(), "phone".into(), "x", true));
    fields.push(("users".into(), "profile__phone".into(), "x", true));
    for (list, field, value, is_sortable) in fields {
        let mut queries = vec![
            query(&[(field.as_str(), value)]),
            query(&[(format!("exclude__{field}"), value)]),
            query(&[("filter", format!("id__gt:0 or not ({field}:\"{value}\")"))])
                .replace("id__gt%3A0+or+", ""),
            query(&[("title", "x"), ("titel", "y")]).replace("title=x&titel=y", &query(&[(&field, value)])),
            format!("limit=1&count=exact&{}", query(&[(field.as_str(), value)])),
        ];
        if is_sortable {
            queries.push(format!("ordering={field}"));
            queries.push(format!("ordering=id,-{field}").replace("=id,", "=created_at,"));
        }
        if field.ends_with("email") || field.ends_with("phone") {
            queries.push(format!("{field}__istartswith=x"));
            queries.push(format!("{field}__regex=%5Ex"));
            queries.push(format!("{field}__in=x,y"));
        }
        for query in queries {
            let path = format!("/api/v1/{list}?{query}");
            let by_guest = guest.get(&path).await;
            assert_eq!(by_guest.refusal(), "401 authentication_required", "{path}");
            assert_eq!(by_guest.header("www-authenticate"), "Bearer", "{path}");
            assert_eq!(ana.get(&path).await.refusal(), "403 forbidden", "{path}");
            assert_eq!(root.get(&path).await.status, "200 OK", "{path}");
        }
    }
    // In bulk operations, too.
    for path in ["/api/v1/posts?writer__email=ana@example.org", "/api/v1/posts?filter=writer__is_staff:false"]
    {
        assert_eq!(guest.delete(path).await.refusal(), "401 authentication_required");
        assert_eq!(ana.delete(path).await.refusal(), "403 forbidden");
        assert_eq!(ana.patch(path, json!({ "rank": 1 })).await.refusal(), "403 forbidden");
    }
    assert_eq!(app.count("posts WHERE rank = 3"), 2);
}

#[actix_web::test]
async fn what_no_table_tells_of_nobody_asks_for() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let of_users =
        ["password_hash", "username_key", "email_key", "version", "updated_at", "sessions", "key_id"];
    let of_posts =
        ["version", "writer_id", "editor_id", "cover_key", "cover", "document", "comment_count", "excerpt"];
    let mut asked: Vec<(&str, String)> = Vec::new();
    for field in of_users {
        asked.extend([
            ("users", field.into()),
            ("posts", format!("writer__{field}")),
            ("profiles", format!("user__{field}")),
        ]);
    }
    for field in of_posts {
        asked.extend([
            ("posts", field.to_owned()),
            ("users", format!("posts__{field}")),
            ("comments", format!("post__{field}")),
        ]);
    }
    for (list, field) in [
        ("profiles", "user_id"),
        ("profiles", "avatar_key"),
        ("profiles", "version"),
        ("comments", "post_id"),
        ("comments", "user_id"),
        ("comments", "version"),
        ("labels", "version"),
        ("labels", "updated_at"),
        ("labels", "post_count"),
        ("posts", "labels__post_id"),
        ("posts", "labels__label_id"),
        ("posts", "labels__post_created_at"),
        ("auth/sessions", "token_hash"),
        ("auth/sessions", "generation"),
        ("auth/sessions", "user_id"),
        ("auth/sessions", "user"),
        ("auth/sessions", "expires_at"),
        ("auth/sessions", "rotations"),
    ] {
        asked.push((list, field.to_owned()));
    }
    for (list, field) in asked {
        let get = async |query: String| root.get(&format!("/api/v1/{list}?{query}")).await.refusal();
        let unknown = format!("400 invalid_query {field} unknown_parameter");
        assert_eq!(get(format!("{field}=1")).await, unknown, "{list}");
        assert!(get(format!("exclude__{field}=1")).await.ends_with("unknown_parameter"), "{list} {field}");
        assert_eq!(
            get(format!("filter={field}:1")).await,
            "400 invalid_query filter unknown_field",
            "{list} {field}"
        );
        let sorted = get(format!("ordering=-{field}")).await;
        assert_eq!(sorted, "400 invalid_query ordering unknown_field", "{list} {field}");
    }
}
