//! The parser of `filter`: it reads what it prints, and no input makes it panic.

use plaza::lookups::condition::Raw;
use plaza::lookups::filter::{Condition, DEPTH_MAX, Expression, FILTER_MAX};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::property::runner;

/// Text of the grammar's tokens, and arbitrary text.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9 ,:()\\[\\]\"\\\\]{0,12}",
        2 => any::<String>().prop_map(|text| text.chars().take(12).collect()),
        1 => select(["", "and", "or", "not", "(", "[", "]", ",", "\"", "\\", "\\\"", "\\\\", "\n", "\u{0}", "a:b", "😀"].as_slice())
            .prop_map(String::from),
    ]
}

fn condition() -> impl Strategy<Value = Expression> {
    let name = prop_oneof![
        4 => "[A-Za-z][A-Za-z0-9_]{0,16}",
        1 => select(["and", "or", "not", "And", "nothing", "order", "not_", "title__icontains"].as_slice()).prop_map(String::from),
    ];
    let value = prop_oneof![text().prop_map(Raw::One), vec(text(), 0..4).prop_map(Raw::Many)];
    (name, value)
        .prop_map(|(name, value)| Expression::Condition(Condition { name, value, name_at: 0, value_at: 0 }))
}

fn expression() -> impl Strategy<Value = Expression> {
    condition().prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expression::All),
            vec(inner.clone(), 2..4).prop_map(Expression::Any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

#[test]
fn any_expression_prints_and_is_read_as_itself() {
    let outcome = runner().run(&expression(), |expression| {
        let printed = expression.to_string();
        let read = Expression::parse(&printed);
        if printed.chars().count() > FILTER_MAX {
            prop_assert_eq!(read.unwrap_err().at, FILTER_MAX);
            return Ok(());
        }
        prop_assert_eq!(read.as_ref(), Ok(&expression), "{}", printed);
        // Printing it again gives the same text, and other white space gives the same expression.
        prop_assert_eq!(read.map(|read| read.to_string()), Ok(printed.clone()));
        prop_assert_eq!(Expression::parse(&format!(" \t(\r\n{printed} )\n")), Ok(expression));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_condition_tells_where_it_stands_in_characters() {
    let outcome = runner().run(&(text(), condition()), |(before, condition)| {
        let start = format!("title:\"{}\" or ", before.replace('\\', "\\\\").replace('"', "\\\""));
        let Ok(Expression::Any(parts)) = Expression::parse(&format!("{start}{condition}")) else {
            return Err(TestCaseError::fail(format!("{start}{condition} is not read")));
        };
        let (Some(Expression::Condition(read)), Expression::Condition(condition)) = (parts.last(), condition)
        else {
            return Err(TestCaseError::fail("no condition"));
        };
        let at = start.chars().count();
        prop_assert_eq!((read.name_at, read.value_at), (at, at + condition.name.len() + 1));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_text_is_too_much_to_read() {
    let pieces = [
        "(", ")", "[", "]", "\"", "\\", ":", ",", " ", "and ", "or ", "not ", "a", "a:1", "a:\"", "ä",
        "\u{0}", "\n",
    ];
    let soup =
        vec(prop_oneof![6 => select(pieces.to_vec()).prop_map(String::from), 1 => any::<String>()], 0..60);
    let outcome = runner().run(&prop_oneof![soup.prop_map(|soup| soup.concat()), any::<String>()], |text| {
        match Expression::parse(&text) {
            Ok(read) => prop_assert_eq!(Expression::parse(&read.to_string()), Ok(read)),
            Err(error) => {
                prop_assert!(error.at <= text.chars().count(), "{} of {:?}", error.at, text);
                prop_assert!(!error.detail.is_empty());
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_is_nearly_an_expression_is_one_or_is_told_where_it_is_not() {
    let changes =
        vec((any::<Index>(), 0_u8..3, select("()[]\"\\:, aA1_ä\n".chars().collect::<Vec<_>>())), 1..4);
    let outcome = runner().run(&(expression(), changes), |(expression, changes)| {
        let mut characters: Vec<char> = expression.to_string().chars().collect();
        for (place, change, c) in changes {
            let place = place.index(characters.len() + 1);
            match change {
                0 => characters.insert(place, c),
                1 if place < characters.len() => drop(characters.remove(place)),
                _ => characters.truncate(characters.len().max(1) - 1),
            }
        }
        let text: String = characters.iter().collect();
        match Expression::parse(&text) {
            Ok(read) => prop_assert_eq!(Expression::parse(&read.to_string()), Ok(read)),
            Err(error) => prop_assert!(error.at <= characters.len(), "{} of {}", error.at, text),
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn expressions_are_as_deep_and_as_long_as_they_may_be() {
    let nested =
        |open: &str, close: &str, depth: usize| format!("{}a:1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("(", ")"), ("not ", ""), ("NOT\t", ""), ("( ", " )")] {
        assert!(Expression::parse(&nested(open, close, DEPTH_MAX)).is_ok(), "{open}");
        for depth in [DEPTH_MAX + 1, 100, 900] {
            let error = Expression::parse(&nested(open, close, depth)).expect_err("too deep");
            assert!(error.detail.contains("at most 16 deep"), "{open} {depth}: {error:?}");
            assert!(error.at <= open.len() * (DEPTH_MAX + 2), "{open} {depth}: {error:?}");
        }
    }
    let half = DEPTH_MAX / 2;
    assert!(Expression::parse(&nested("not (", ")", half)).is_ok());
    assert!(Expression::parse(&nested("not (", ")", half + 1)).is_err());
    // Conditions in a row do not add depth, nor does quoted text.
    let wide = ["not (a:1)"; 100].join(" and ");
    assert!(matches!(Expression::parse(&wide), Ok(Expression::All(parts)) if parts.len() == 100));
    let list = format!("a:[{}]", ["not"; 100].join(","));
    assert!(Expression::parse(&list).is_ok());
    let quoted = format!("a:\"{}\"", "(not ".repeat(100));
    assert!(Expression::parse(&quoted).is_ok());
    // The limit counts characters, not bytes.
    let long = |length: usize| format!("a:\"{}\"", "ä".repeat(length - 4));
    assert!(Expression::parse(&long(FILTER_MAX)).is_ok());
    assert_eq!(Expression::parse(&long(FILTER_MAX + 1)).map_err(|error| error.at), Err(FILTER_MAX));
}
