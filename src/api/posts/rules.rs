//! Rules about posts that settings can enable.

use serde_json::json;

use crate::api::input::Check;
use crate::error::Violation;
use crate::models::names::Slug;

/// Maximum number of characters of a title.
const TITLE_MAX: usize = 256;

/// The optional rules, off by default.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Titles must be in title case.
    pub title_case: bool,
    /// Slugs must be made of the title.
    pub slug_of_title: bool,
}

impl Rules {
    /// Check and return a title: 1 to 256 characters, in title case if the setting requires it.
    pub(super) fn title(self, check: &mut Check, text: &str) -> String {
        let title = check.text("title", text, 1, TITLE_MAX);
        if self.title_case && !is_title_case(&title) {
            let detail =
                "Each word of the title must begin with a capital letter and continue in lower case.";
            check.fault(Violation::body("/title", "not_title_case", detail));
        }
        title
    }

    /// Note a fault if posts with different slugs may not have the same title.
    pub(super) fn same_title(self, check: &mut Check) {
        if self.slug_of_title {
            let detail = "Posts with different slugs cannot have one title. Change the posts one by one.";
            check.fault(Violation::body("/title", "slug_mismatch", detail));
        }
    }

    /// Note a fault if a post with this title may not have the slug. It must be the slug that is derived from the title, with or
    /// without a number.
    pub(super) fn slug(self, check: &mut Check, title: &str, slug: &str) {
        let expected = Slug::from_title(title);
        if self.slug_of_title && !is_numbered(slug, expected.as_str()) {
            let detail = "The slug must be the one derived from the title. Send `null` to have it generated.";
            let params = json!({ "expected": expected.as_str() });
            check.fault(Violation::body("/slug", "slug_mismatch", detail).with(params));
        }
    }
}

/// Whether cased letters are upper case at the beginning of a word and lower case elsewhere, as Python's `str.istitle` defines
/// it. Unlike in Python, titles in scripts without case pass.
fn is_title_case(title: &str) -> bool {
    let mut is_in_word = false;
    for c in title.chars() {
        // Digraphs with a separate title case, such as `ǅ`, are neither upper case nor lower case.
        let is_capital =
            c.is_uppercase() || (!c.is_lowercase() && !c.to_lowercase().eq([c]) && !c.to_uppercase().eq([c]));
        if (is_capital && is_in_word) || (c.is_lowercase() && !is_in_word) {
            return false;
        }
        is_in_word = is_capital || c.is_lowercase();
    }
    true
}

/// Whether `slug` is `expected`, or `expected` with the number that keeps it unique. If there is no room for the number,
/// `expected` is cut off.
fn is_numbered(slug: &str, expected: &str) -> bool {
    if slug == expected {
        return true;
    }
    slug.rsplit_once('-').is_some_and(|(stem, number)| {
        let is_number = number.parse::<u32>().is_ok_and(|n| n >= 2 && n.to_string() == number);
        let is_cut = slug.len() == crate::models::names::SLUG_MAX && expected.starts_with(stem);
        is_number && (stem == expected || is_cut)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_case_is_pythons() {
        for right in [
            "Hello",
            "Hello World",
            "Hello, World 2",
            "L'Été",
            "It'S",
            "X1Y",
            "日本語",
            "123",
            "ǅungla",
            "Ünï Cödé",
        ] {
            assert!(is_title_case(right), "{right}");
        }
        for wrong in ["hello", "Hello world", "HELLO", "HeLlo", "It's", "ÜNï", "2nd Try", "iPhone"] {
            assert!(!is_title_case(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_slug_may_carry_the_number_that_keeps_it_unique() {
        for right in ["hello", "hello-2", "hello-31"] {
            assert!(is_numbered(right, "hello"), "{right}");
        }
        for wrong in ["hello-1", "hello-0", "hello-02", "hello-", "hello-x", "hell-2", "hello-2-2", "Hello"] {
            assert!(!is_numbered(wrong, "hello"), "{wrong}");
        }
        let long = "x".repeat(256);
        assert!(is_numbered(&format!("{}-2", "x".repeat(254)), &long));
        assert!(!is_numbered(&format!("{}-2", "x".repeat(250)), &long));
    }
}
