//! `filter`: conditions in one expression.

use insta::assert_snapshot;
use serde_json::json;

use super::query;
use crate::app::TestApp;
use crate::client::Client;

/// Create posts `a` to `e`, rated 1 to 5. Their labels, with reasons: `a` has ai (x) and tech (y), `b` has ai (y),
/// `c` has tech (x), `d` and `e` have none.
async fn world(app: &TestApp) -> Client {
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    let label = |slug: &str, reason: &str| json!({ "slug": slug, "name": slug, "reason": reason });
    for (slug, title, rating, labels) in [
        ("a", "Alpha", 1, json!([label("ai", "x"), label("tech", "y")])),
        ("b", "Beta", 2, json!([label("ai", "y")])),
        ("c", "Gamma, or not", 3, json!([label("tech", "x")])),
        ("d", "say \"(and)\" \\", 4, json!([])),
        ("e", "50% [日本] 😀: a,b", 5, json!([])),
    ] {
        let body =
            json!({ "title": title, "slug": slug, "rating": rating, "labels": labels, "published": true });
        ana.post("/api/v1/posts", body).await;
    }
    for (client, slug, content) in [(&ana, "a", "first"), (&bob, "a", "second"), (&bob, "b", "first")] {
        client.post(&format!("/api/v1/posts/{slug}/comments"), json!({ "content": content })).await;
    }
    app.guest()
}

async fn rows(guest: &Client, parameters: &[(&str, &str)]) -> String {
    let answer = guest.get(&format!("/api/v1/posts?ordering=slug&{}", query(parameters))).await;
    if answer.status == "200 OK" {
        answer.each("/results", "slug")
    } else {
        format!("{} {}", answer.refusal(), answer.text("/detail"))
    }
}

#[actix_web::test]
async fn an_expression_chooses_what_it_says() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    for (filter, expected) in [
        // `not` binds tighter than `and`, and `and` tighter than `or`. Keywords are case-insensitive.
        ("rating:1 or rating:2 and title:Gamma", "a"),
        ("(rating:1 or rating:2) and title:Beta", "b"),
        ("rating:5 and rating:1 or rating:2", "b"),
        ("not rating:1 and rating__lt:3", "b"),
        ("not (rating:1 and rating__lt:3)", "b, c, d, e"),
        ("not (rating:1 or rating:2) and rating__lte:4", "c, d"),
        ("not rating:1 or rating:1", "a, b, c, d, e"),
        ("not not rating:1", "a"),
        ("NOT rating:1 AND rating__lt:4 Or rating:5", "b, c, e"),
        ("not(rating:1)and(rating__lt:3)", "b"),
        ("((rating:1))or(((rating:2)))", "a, b"),
        (" \t\r\nrating : 1\nor\trating\n:\n2 ", "a, b"),
        // Words, strings and escapes.
        ("title:Alpha", "a"),
        ("title:\"Alpha\"", "a"),
        ("title:\"Gamma, or not\"", "c"),
        (r#"title:"say \"(and)\" \\""#, "d"),
        ("title:\"50% [日本] 😀: a,b\"", "e"),
        ("title__contains:\"%\"", "e"),
        ("title__contains:%", "e"),
        (r#"title__contains:"\\""#, "d"),
        (r"title__contains:\", "d"),
        ("title__contains:😀:", "e"),
        ("title__icontains:\" OR \"", "c"),
        ("title__startswith:\"\"", "a, b, c, d, e"),
        ("title:\" Alpha\"", ""),
        ("slug:and or slug:or or slug:not", ""),
        (
            "created_at__gt:2026-01-01T00:00:00Z and created_at__lt:2999-12-31T23:59:59.999999+14:00",
            "a, b, c, d, e",
        ),
        // Lists, in brackets or as in a query string.
        ("rating__in:[1,2]", "a, b"),
        ("rating__in:[ 1 , \"2\" ]", "a, b"),
        ("rating__in:1,2", "a, b"),
        ("rating__in:\"1,2\"", "a, b"),
        ("rating__in:[]", ""),
        ("not rating__in:[]", "a, b, c, d, e"),
        ("rating__in:\"\"", ""),
        ("rating__range:[2,4]", "b, c, d"),
        ("rating__range:2,4", "b, c, d"),
        ("title__in:[Alpha,\"Gamma, or not\"]", "a, c"),
        (r#"title__in:"Alpha,""Gamma, or not""""#, "400"),
        (r#"title__in:"Alpha,\"Gamma, or not\"""#, "a, c"),
        ("labels__all:[ai,tech]", "a"),
        ("labels__all:ai,tech", "a"),
        ("labels__in:[ai,tech] and not labels__all:[ai,tech]", "b, c"),
        ("labels__isnull:true", "d, e"),
        ("published_at__date__gte:2026-01-01 and writer__created_at__year__gte:2026", "a, b, c, d, e"),
    ] {
        let found = rows(&guest, &[("filter", filter)]).await;
        let is_right = if expected == "400" { found.starts_with("400") } else { found == expected };
        assert!(is_right, "{filter}: {found}, not {expected}");
    }
}

#[actix_web::test]
async fn conditions_of_one_group_are_of_one_related_row() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    for (filter, expected) in [
        ("labels:ai and labels__reason:y", "b"),
        ("labels__slug:ai and labels__name:ai and labels__reason:x", "a"),
        ("labels:ai and rating__gt:0 and labels__reason:y", "b"),
        ("labels:ai and (rating__gt:0 and labels__reason:y)", "b"),
        ("(labels:ai) and (labels__reason:y)", "b"),
        // This includes an `or` within the group.
        ("(labels:ai or labels:tech) and labels__reason:x", "a, c"),
        ("labels__reason:x and (labels:ai or rating:3)", "a, c"),
        ("labels:ai and labels__reason:y or labels:tech and labels__reason:y", "a, b"),
        ("labels:ai and (labels__reason:x or comments__content:first)", "a, b"),
        ("labels:ai and labels:tech", ""),
        // A negation means that no related row matches.
        ("labels:ai and not labels__reason:x", "b"),
        ("labels:ai and not (labels__reason:y)", ""),
        ("not (labels:ai and labels__reason:y)", "a, c, d, e"),
        ("not labels:ai and not labels__reason:y", "c, d, e"),
        ("not (labels:ai or labels__reason:y)", "c, d, e"),
        ("not not (labels:ai and labels__reason:y)", "b"),
        ("not not labels:ai and not not labels__reason:y", "a, b"),
        // Each relation is a group of its own.
        ("labels:ai and comments__user:bob and comments__content:first", "b"),
        ("labels__reason:y and comments__user__username:bob and comments__content:second", "a"),
        ("comments__user:ana and not comments__user:bob", ""),
        ("comments__user:bob and not comments__user:ana", "b"),
    ] {
        assert_eq!(rows(&guest, &[("filter", filter)]).await, expected, "{filter}");
    }
    // The parameters together are one group, and the filter is another.
    let labels = [("labels", "ai"), ("labels__reason", "y")];
    assert_snapshot!(rows(&guest, &labels).await, @"b");
    assert_snapshot!(rows(&guest, &[labels[0], ("filter", "labels__reason:y")]).await, @"a, b");
    assert_snapshot!(rows(&guest, &[("exclude__labels", "ai"), ("exclude__labels__reason", "y")]).await, @"c, d, e");
    assert_snapshot!(rows(&guest, &[labels[0], ("exclude__labels__reason", "x")]).await, @"b");
    assert_snapshot!(rows(&guest, &[("labels", "ai"), ("labels", "tech")]).await, @"");
    assert_snapshot!(rows(&guest, &[("labels__all", "ai,tech"), ("labels__reason", "y")]).await, @"a");
}

#[actix_web::test]
async fn a_filter_says_what_parameters_say() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    app.sql("UPDATE posts SET published_at = NULL WHERE slug IN ('b', 'd')");
    for (parameters, filter) in [
        ("title=Alpha", "title:Alpha"),
        ("title__iexact=aLPHA", "title__iexact:aLPHA"),
        ("title__icontains=A&rating__gt=1", "title__icontains:A and rating__gt:1"),
        ("title__regex=^[A-C]", "title__regex:\"^[A-C]\""),
        ("title__iregex=\\(and\\)", "title__iregex:\"\\\\(and\\\\)\""),
        ("exclude__title__endswith=a", "not title__endswith:a"),
        ("exclude__rating=1&exclude__rating=2", "not rating:1 and not rating:2"),
        ("exclude__published_at__lt=2999-01-01", "not published_at__lt:2999-01-01"),
        ("exclude__published_at__isnull=true", "not published_at__isnull:true"),
        ("rating__in=1,5", "rating:1 or rating:5"),
        ("rating__range=2,3", "rating__gte:2 and rating__lte:3"),
        ("exclude__rating__range=2,3", "rating__lt:2 or rating__gt:3"),
        ("published=true", "published:true"),
        ("category__in=SOC,EDU", "category__in:[SOC,EDU]"),
        ("created_at__year__gte=2026&tz=Asia/Kolkata", "created_at__year__gte:2026"),
        ("created_at__week_day__in=1,2,3,4", "created_at__week_day__in:[1,2,3,4]"),
        ("writer=ana", "writer:ana"),
        ("writer__username__istartswith=A", "writer__username__istartswith:A"),
        ("editor__isnull=true", "editor__isnull:true"),
        ("exclude__editor__username=bob", "not editor__username:bob"),
        ("labels__isnull=false", "not labels__isnull:true"),
        ("labels__all=tech,ai", "labels__all:[tech,ai]"),
        ("comments__user=bob&comments__content=first", "comments__user:bob and comments__content:first"),
        ("exclude__comments__user=ana", "not comments__user:ana"),
        ("labels=ai&exclude__labels__reason=x", "labels:ai and not labels__reason:x"),
        ("search=alpha or beta&rating=2", "rating:2 and title__in:[Alpha,Beta]"),
    ] {
        let get = async |query: &str| {
            let answer = guest.get(&format!("/api/v1/posts?count=exact&{query}")).await;
            assert_eq!(answer.status, "200 OK", "{query}: {answer:?}");
            (answer.at("/count"), answer.each("/results", "slug"))
        };
        let found = get(&parameters.replace('\\', "%5C").replace('^', "%5E")).await;
        assert_eq!(get(&query(&[("filter", filter)])).await, found, "{parameters}");
        // In parentheses, with a double negation.
        let turned = format!("not (not ({filter}))");
        assert_eq!(get(&query(&[("filter", turned)])).await, found, "{parameters}");
        let opposite = get(&query(&[("filter", format!("not ({filter})"))])).await;
        assert_eq!(found.0.as_i64().zip(opposite.0.as_i64()).map(|(a, b)| a + b), Some(5), "{parameters}");
    }
}

#[actix_web::test]
async fn a_faulty_expression_is_told_where() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    for (filter, code, position, nearest) in [
        ("", "invalid_filter", 0, None),
        ("   ", "invalid_filter", 3, None),
        ("rating", "invalid_filter", 0, None),
        ("rating:", "invalid_filter", 7, None),
        (":1", "invalid_filter", 0, None),
        ("1:1", "invalid_filter", 0, None),
        ("id:1 and", "invalid_filter", 8, None),
        ("id:1 id:2", "invalid_filter", 5, None),
        ("and id:1", "invalid_filter", 0, None),
        ("(id:1", "invalid_filter", 5, None),
        ("id:1)", "invalid_filter", 4, None),
        ("()", "invalid_filter", 1, None),
        ("id:1 & id:2", "invalid_filter", 5, None),
        ("id=1", "invalid_filter", 0, None),
        ("title:\"ä😀\" andd id:1", "invalid_filter", 11, None),
        ("titel:x", "unknown_field", 0, Some("title")),
        ("id:1 and titel:x", "unknown_field", 9, Some("title")),
        ("id:1 or (rating:1 and writer__usernam:x)", "unknown_field", 22, Some("writer__username")),
        ("title:\"ä😀\" and raiting:1", "unknown_field", 15, Some("rating")),
        ("title__icontain:x", "unknown_field", 0, Some("title__icontains")),
        ("exclude__title:x", "unknown_field", 0, None),
        ("limit:3", "unknown_field", 0, None),
        ("password_hash:x", "unknown_field", 0, None),
        ("rating:five", "invalid_parameter", 7, None),
        ("title:\"ä😀\" and rating : \"x\"", "invalid_parameter", 24, None),
        ("rating:[1,2]", "invalid_parameter", 7, None),
        ("rating__in:[1,x]", "invalid_parameter", 11, None),
        ("rating__range:[1]", "invalid_parameter", 14, None),
        ("editor__isnull:garbage", "invalid_parameter", 15, None),
        ("category:SOX", "not_a_choice", 9, None),
        ("created_at__gt:yesterday", "invalid_parameter", 15, None),
    ] {
        let answer = guest.get(&format!("/api/v1/posts?{}", query(&[("filter", filter)]))).await;
        assert_eq!(answer.refusal(), format!("400 invalid_query filter {code}"), "{filter}");
        let params = answer.at("/errors/0/params");
        assert_eq!(params["position"], position, "{filter}: {}", answer.text("/errors/0/detail"));
        // The message counts from one, the parameter from zero.
        let detail = answer.text("/errors/0/detail");
        assert!(detail.starts_with(&format!("`filter`, character {}: ", position + 1)), "{detail}");
        if let Some(nearest) = nearest {
            assert_eq!(params["nearest"], nearest, "{filter}");
            assert!(detail.contains(&format!("did you mean `{nearest}`?")), "{detail}");
        }
    }
    let answer = guest.get("/api/v1/posts?filter=titel:x and rating:y or not (slog:z)").await;
    let positions: Vec<_> = (0..3).map(|n| answer.at(&format!("/errors/{n}/params/position"))).collect();
    assert_eq!(positions, [json!(0), json!(19), json!(29)]);
}

#[actix_web::test]
async fn conditions_and_values_are_as_many_as_they_may_be() {
    let app = TestApp::new().await;
    let guest = world(&app).await;
    let parameters = |number: usize| vec![("id__gt", "0"); number];
    let filter = |number: usize| vec!["id__gt:0"; number].join(" and ");
    let excluded = |number: usize| vec![("exclude__id", "0"); number];
    let every = "a, b, c, d, e";
    let many = |refusal: &str| format!("400 invalid_query {refusal} too_many ");
    assert_eq!(rows(&guest, &parameters(32)).await, every);
    assert!(rows(&guest, &parameters(33)).await.starts_with(&many("id__gt")));
    assert_eq!(rows(&guest, &excluded(32)).await, every);
    assert!(rows(&guest, &excluded(33)).await.starts_with(&many("exclude__id")));
    assert_eq!(rows(&guest, &[("filter", filter(32).as_str())]).await, every);
    assert!(rows(&guest, &[("filter", filter(33).as_str())]).await.starts_with(&many("filter")));
    let both =
        |number: usize, in_filter: &'static str| [parameters(number), vec![("filter", in_filter)]].concat();
    let sixteen: &'static str = filter(16).leak();
    assert_eq!(rows(&guest, &both(16, sixteen)).await, every);
    assert!(rows(&guest, &both(17, sixteen)).await.starts_with(&many("filter")));
    // Many conditions over relations, in one group or in separate groups, still make one query.
    let deep = ["labels__reason__icontains:x", "not comments__user__username:q"].repeat(16).join(" and ");
    assert_eq!(rows(&guest, &[("filter", deep.as_str())]).await, "a, c");

    let values = |number: usize| (1..=number).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    for name in ["id__in", "rating__in", "title__in", "writer__in", "labels__all", "created_at__year__in"] {
        assert!(!rows(&guest, &[(name, values(100).as_str())]).await.starts_with('4'), "{name}");
        assert!(rows(&guest, &[(name, values(101).as_str())]).await.starts_with(&many(name)), "{name}");
        let filter = |number| format!("{name}:[{}]", values(number));
        assert!(!rows(&guest, &[("filter", filter(100).as_str())]).await.starts_with('4'), "{name}");
        assert!(
            rows(&guest, &[("filter", filter(101).as_str())]).await.starts_with(&many("filter")),
            "{name}"
        );
    }
}
