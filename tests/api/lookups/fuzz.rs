//! Whatever anybody makes up: a query string is answered or refused, and never more than it can bear.

use plaza::lookups::lookup::{Lookup, PARTS};
use plaza::lookups::table::{Kind, Resource};
use plaza::models::resources::RESOURCES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::property::check;
use super::{query, two_of_everything};
use crate::app::TestApp;

const LISTS: [&str; 9] = [
    "posts",
    "labels",
    "labels/ai/posts",
    "comments",
    "posts/p/comments",
    "posts/p/labels",
    "users",
    "profiles",
    "auth/sessions",
];

/// The table of each list.
fn resource(list: &str) -> &'static Resource {
    let name = match list {
        "labels/ai/posts" => "posts",
        "posts/p/comments" => "comments",
        "posts/p/labels" => "a post's labels",
        "auth/sessions" => "sessions",
        name => name,
    };
    RESOURCES.into_iter().find(|resource| resource.name == name).expect("a resource")
}

/// Every name of a field or a relation, as far as one can go.
fn names(resource: &'static Resource) -> Vec<(String, Option<Kind>)> {
    let of = |resource: &'static Resource, way: &str| {
        let fields = resource.fields.iter();
        fields.map(|field| (format!("{way}{}", field.name), Some(field.kind))).collect::<Vec<_>>()
    };
    let mut names = of(resource, "");
    for relation in resource.relations {
        names.push((relation.name.into(), None));
        names.extend(of(relation.target, &format!("{}__", relation.name)));
        let links = relation.link_fields().iter();
        names.extend(links.map(|field| (format!("{}__{}", relation.name, field.name), Some(field.kind))));
        for next in relation.onward() {
            names.push((format!("{}__{}", relation.name, next.name), None));
            names.extend(of(next.target, &format!("{}__{}__", relation.name, next.name)));
        }
    }
    names
}

/// What could be appended to a name.
fn endings(kind: Option<Kind>) -> Vec<String> {
    let plain = |lookups: &[Lookup]| lookups.iter().map(|lookup| format!("__{}", lookup.name())).collect();
    let mut endings: Vec<String> = match kind {
        Some(kind) => plain(Lookup::of(kind)),
        None => ["__in", "__all", "__isnull", "__exact", "__isnull"].map(String::from).to_vec(),
    };
    if kind == Some(Kind::Time) {
        for part in PARTS {
            let lookups =
                Lookup::of_part().iter().map(|lookup| format!("__{}__{}", part.name(), lookup.name()));
            endings.extend(lookups.chain([format!("__{}", part.name())]));
        }
    }
    endings.push(String::new());
    endings
}

/// Values at the edges of what there can be.
const EDGES: &[&str] = &[
    "",
    " ",
    "0",
    "-0",
    "-1",
    "1",
    "3",
    "+3",
    " 3 ",
    "99999",
    "32768",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e400",
    "NaN",
    "infinity",
    "-infinity",
    "now",
    "today",
    "epoch",
    "0000-01-01",
    "0001-01-01",
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.9999999999Z",
    "9999-12-31T23:59:59-23:59",
    "2026-01-31T09:30:00.123456789Z",
    "2026-12-31T23:59:60Z",
    "2026-02-29",
    "2024-02-29",
    "2026-03-29T02:30:00",
    "1800-01-01",
    "00:00",
    "23:59:59.999999",
    "24:00",
    "true",
    "false",
    "null",
    "me",
    "ana",
    "ANA",
    "SOC",
    "SOC,EDU",
    "1,2",
    "2,1",
    "1,,2",
    ",",
    "\"a,b\",c",
    "\"",
    "\"\"",
    "a\nb",
    "a\r\nb",
    "%",
    "_",
    "\\",
    "\\\\",
    "'",
    "''; DROP TABLE posts; --",
    "$1",
    "x%00",
    "(",
    "[",
    "*",
    "+",
    "a{2,1}",
    "(?i)a",
    "***=a",
    "***:a",
    "[[:alpha:]]",
    "[[.x.]]",
    "\\1",
    "(a)\\1",
    "\\m",
    "\\y*",
    "^$",
    "(?!x)",
    "😀",
    "ß",
    "İ",
    "ı",
    "e\u{301}",
    "\u{200b}",
    "\u{feff}",
    "\u{fdfa}",
    "\u{10ffff}",
    "\u{1}",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(EDGES).prop_map(String::from),
        1 => vec(select(EDGES), 2..4).prop_map(|values| values.join(",")),
        1 => any::<String>(),
        1 => ".{0,40}",
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => (0_i32..10_000, 0_u8..14, 0_u8..33).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}")),
    ]
}

/// `name=value`, mostly of things that there are.
fn parameter(resource: &'static Resource) -> impl Strategy<Value = (String, String)> {
    let condition = select(names(resource)).prop_flat_map(|(name, kind)| {
        (Just(name), select(endings(kind)), value(), prop_oneof![4 => Just(""), 1 => Just("exclude__")])
    });
    let condition =
        condition.prop_map(|(name, ending, value, prefix)| (format!("{prefix}{name}{ending}"), value));
    let in_filter = vec((select(names(resource)), any::<prop::sample::Index>(), value(), 0_u8..6), 1..4);
    let filter = in_filter.prop_map(|conditions| {
        let mut text = String::new();
        for (place, ((name, kind), ending, value, shape)) in conditions.into_iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            let condition = format!("{name}{}:\"{value}\"", ending.get(&endings(kind)));
            text.push_str(if place == 0 { "" } else { [" and ", " or "][usize::from(shape) % 2] });
            text.push_str(&match shape {
                0 => format!("not {condition}"),
                1 => format!("({condition})"),
                2 => format!("not (not {condition} and {condition})"),
                3 => format!("{name}:[\"{value}\",x]"),
                _ => condition,
            });
        }
        ("filter".to_owned(), text)
    });
    let term = (select(names(resource)), any::<bool>());
    let ordering = vec(term, 1..4).prop_map(|terms| {
        let terms =
            terms.into_iter().map(|((name, _), down)| format!("{}{name}", if down { "-" } else { "" }));
        ("ordering".to_owned(), terms.collect::<Vec<_>>().join(","))
    });
    const CONTROLS: &[&str] = &["limit", "offset", "cursor", "count", "ordering", "filter", "tz", "all"];
    let zones = select(
        ["UTC", "Asia/Kolkata", "America/New_York", "Etc/GMT+12", "Factory", "Pacific/Apia"].as_slice(),
    );
    prop_oneof![
        8 => condition,
        2 => filter,
        1 => ordering,
        1 => (select(CONTROLS), value()).prop_map(|(name, value)| (name.to_owned(), value)),
        1 => zones.prop_map(|zone| ("tz".to_owned(), zone.to_owned())),
        1 => select(["exact", "estimated"].as_slice()).prop_map(|way| ("count".to_owned(), way.to_owned())),
        1 => ("[a-z_]{0,12}", value()),
    ]
}

fn request() -> impl Strategy<Value = (&'static str, String)> {
    let query = select(LISTS.as_slice()).prop_flat_map(|list| {
        let parameters = vec(parameter(resource(list)), 1..4);
        // As a client would send it, or with bytes that no client should.
        let junk = prop_oneof![
            12 => Just(String::new()),
            1 => "&?%[0-9a-fA-Fxz]{0,2}=?",
            1 => select(["&%ff=1", "&a=%00", "&=", "&&&", "&a", "&filter=((((", "&%E0%80=x", "#x", "&a=b=c", "&a=%u1234"].as_slice())
                .prop_map(String::from),
        ];
        (Just(list), parameters, junk)
    });
    query.prop_map(|(list, parameters, junk)| (list, query_of(&parameters) + &junk))
}

fn query_of(parameters: &[(String, String)]) -> String {
    query(parameters)
}

#[actix_web::test]
async fn no_query_string_is_more_than_a_list_can_bear() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let guest = app.guest();
    check(&request(), 1500, async |(list, query)| {
        for (who, client) in [("a guest", &guest), ("staff", &root)] {
            let answer = client.get(&format!("/api/v1/{list}?{query}")).await;
            match &answer.status[..3] {
                "200" => {}
                "400" | "401" | "403" => drop(answer.refusal()),
                _ => return Err(format!("{who}: {} {}", answer.status, answer.refusal())),
            }
        }
        Ok(())
    })
    .await;
}

#[actix_web::test]
async fn every_time_zone_is_known_or_refused_by_name() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let mut known = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        let parameters =
            [("tz", zone.name()), ("created_at__hour__gte", "0"), ("created_at__date__gt", "2020-01-01")];
        let answer = root.get(&format!("/api/v1/posts?{}", query(&parameters))).await;
        match answer.status.as_str() {
            "200 OK" => known += 1,
            _ => assert_eq!(answer.refusal(), "400 invalid_query tz invalid_parameter", "{zone}"),
        }
    }
    assert!(known > 400, "{known} known");
}
