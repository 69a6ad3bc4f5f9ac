//! The rules that a new password must meet.

use std::cmp::Ordering;

use serde_json::json;

use crate::error::Violation;
use crate::models::names::fold;

/// Minimum number of characters of a password.
pub const MIN: usize = 8;
/// Maximum number of characters of a password.
pub const MAX: usize = 256;

/// The 10,000 most common passwords, folded, one per line, sorted by their bytes. `common-passwords.LICENSE` names their source.
static COMMON: &str = include_str!("common-passwords.txt");

/// Return every rule that a new password breaks, as faults of the field at `pointer`.
pub fn judge(password: &str, username: &str, email: &str, pointer: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let length = password.chars().count();
    if length < MIN {
        violations.push(
            Violation::body(
                pointer,
                "too_short",
                format!("The password must have at least {MIN} characters."),
            )
            .with(json!({ "min": MIN })),
        );
    }
    if length > MAX {
        violations.push(
            Violation::body(pointer, "too_long", format!("The password must have at most {MAX} characters."))
                .with(json!({ "max": MAX })),
        );
    }
    if length <= MAX && has_line(COMMON, &fold(password)) {
        violations.push(Violation::body(
            pointer,
            "password_common",
            "The password is one of the most common passwords.",
        ));
    }
    if length > 0 && password.chars().all(char::is_numeric) {
        violations.push(Violation::body(
            pointer,
            "password_numeric",
            "The password consists of digits only.",
        ));
    }
    let local_part = email.split('@').next().unwrap_or_default();
    if length <= MAX && [username, email, local_part].iter().any(|other| is_near(password, other)) {
        violations.push(Violation::body(
            pointer,
            "password_similar",
            "The password is too similar to the username or the e-mail address.",
        ));
    }
    violations
}

/// Whether a password is too similar to another value. Works like Django's `UserAttributeSimilarityValidator`, with another
/// measure: a Sørensen-Dice coefficient of at least 0.7, or a password that contains the other value and is hardly longer.
fn is_near(password: &str, other: &str) -> bool {
    let (password, other) = (fold(password), fold(other));
    if other.chars().count() < 4 {
        return password == other;
    }
    let holds = password.contains(&other) && other.chars().count() * 10 >= password.chars().count() * 7;
    holds || strsim::sorensen_dice(&password, &other) >= 0.7
}

/// Whether `text`, whose lines are sorted by their bytes, contains this line. A binary search finds it, so nothing needs to be
/// built from the text at startup.
fn has_line(text: &str, line: &str) -> bool {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let is_end = |byte: &u8| *byte == b'\n';
        let start = rest[..rest.len() / 2].iter().rposition(is_end).map_or(0, |end| end + 1);
        let end = rest[start..].iter().position(is_end).map_or(rest.len(), |length| start + length);
        match rest[start..end].cmp(line.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => rest = rest.get(end + 1..).unwrap_or_default(),
            Ordering::Greater => rest = &rest[..start],
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<String> {
        judge(password, "ana.garcia", "ana@example.org", "/password")
            .into_iter()
            .map(|v| v.code.into_owned())
            .collect()
    }

    /// Parameters with which hashing takes almost no time.
    #[test]
    fn every_broken_rule_is_told() {
        assert_eq!(codes("1234"), ["too_short", "password_common", "password_numeric"]);
        assert_eq!(codes("58261"), ["too_short", "password_numeric"]);
        assert_eq!(codes("ana.garcia"), ["password_similar"]);
        assert_eq!(codes("Ana.Garcia1"), ["password_similar"]);
        assert_eq!(codes("ana@example.org"), ["password_similar"]);
        assert_eq!(codes(&"x".repeat(257)), ["too_long"]);
        assert_eq!(codes("correct horse battery"), Vec::<String>::new());
        assert_eq!(codes("ÄÖÜäöü12"), Vec::<String>::new());
    }

    #[test]
    fn common_passwords_are_refused_whatever_their_case_and_width() {
        for common in ["password", "PassWord", "iloveyou", "Jennifer", "QWERTYUIOP", "ｐａｓｓｗｏｒｄ"]
        {
            assert_eq!(codes(common), ["password_common"], "{common}");
        }
        for fine in ["passwordpassword", "passwo rd", "password ", "password\niloveyou", ""] {
            assert!(!codes(fine).contains(&"password_common".to_owned()), "{fine:?}");
        }
    }

    #[test]
    fn the_common_passwords_are_ten_thousand_and_each_is_found() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert_eq!(lines.len(), 10_000);
        assert!(lines.is_sorted_by(|a, b| a < b), "sorted, none twice");
        for line in lines {
            assert_eq!(fold(line), line);
            assert!(has_line(COMMON, line), "{line}");
            assert!(!has_line(COMMON, &format!("{line}\n")), "{line}");
        }
    }

    #[test]
    fn a_line_is_found_wherever_it_stands() {
        for text in ["a\nbb\nccc\n", "a\nbb\nccc", "bb", "bb\n", "a\nbb\n", "bb\nccc\n"] {
            assert!(has_line(text, "bb"), "{text:?}");
            for other in ["", "0", "b", "bbb", "c", "zz", "\n", "a\nbb"] {
                assert!(!has_line(text, other), "{other:?} in {text:?}");
            }
        }
        assert!(!has_line("", "a"));
    }
}
