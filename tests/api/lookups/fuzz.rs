//! Arbitrary query strings: each gets a success or an error response, and none overloads the server.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::property::check;
use super::questions::Values;
use super::{query, two_of_everything};
use crate::app::TestApp;
use crate::soak::many;

/// Values at the limits of each type.
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
    "-9999-01-01",
    "+262142-12-31T23:59:59",
    "23:59:60.5",
    ".*",
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

fn values() -> Values {
    let others = prop_oneof![
        6 => select(EDGES).prop_map(String::from),
        1 => vec(select(EDGES), 2..4).prop_map(|values| values.join(",")),
        1 => any::<String>(),
        1 => ".{0,40}",
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => (0_i32..10_000, 0_u8..14, 0_u8..33).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}")),
    ];
    Values { words: &["p", "ai", "ana", "AI", "x", "_", "%"], others: others.boxed(), wild: 5 }
}

/// What no client should append to a query string.
fn junk() -> impl Strategy<Value = String> {
    const JUNK: &[&str] =
        &["&%ff=1", "&a=%00", "&=", "&&&", "&a", "&filter=((((", "&%E0%80=x", "#x", "&a=b=c", "&a=%u1234"];
    prop_oneof![
        12 => Just(String::new()),
        1 => "&?%[0-9a-fA-Fxz]{0,2}=?",
        1 => select(JUNK).prop_map(String::from),
    ]
}

#[actix_web::test]
async fn no_query_string_is_more_than_a_list_can_bear() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let guest = app.guest();
    check(&(values().question(), junk()), many(500, 2500), async |((list, query), junk)| {
        for (who, client) in [("a guest", &guest), ("staff", &root)] {
            let answer = client.get(&format!("/api/v1/{list}?{query}{junk}")).await;
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
