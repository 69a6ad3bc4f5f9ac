//! Names that appear in a URL or identify a person. Once parsed, they cannot be invalid.

use email_address::EmailAddress;
use unicode_normalization::UnicodeNormalization;

/// Maximum number of characters of a username.
pub const USERNAME_MAX: usize = 150;
/// Maximum number of characters of an e-mail address (RFC 5321 leaves 254 for it).
pub const EMAIL_MAX: usize = 254;
/// Maximum number of characters of a post's slug.
pub const SLUG_MAX: usize = 256;
/// Maximum number of characters of a label's slug.
pub const LABEL_SLUG_MAX: usize = 128;

/// A username in NFKC, with the key that makes it unique regardless of case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    text: String,
    key: String,
}

impl Username {
    /// Accepts 1 to 150 Unicode letters, digits and `@ . + - _`, as Django's `UnicodeUsernameValidator` does. Rejects dots alone
    /// (a path of dots is another path) and `me` (which stands for the caller).
    pub fn parse(text: &str) -> Option<Self> {
        // Checked before anything whose time grows with the length of the text.
        if text.chars().nth(USERNAME_MAX).is_some() {
            return None;
        }
        let text: String = text.nfkc().collect();
        let key = fold(&text);
        let length = text.chars().count();
        let allowed = |c: char| c.is_alphanumeric() || is_mark(c) || matches!(c, '@' | '.' | '+' | '-' | '_');
        let valid = (1..=USERNAME_MAX).contains(&length)
            && text.chars().all(allowed)
            && text.chars().any(|c| c != '.')
            && key != "me";
        valid.then_some(Self { text, key })
    }

    /// The name as the user writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which names are compared.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Combining marks that NFKC cannot compose. Letters of Indic scripts are written with them, and Python's `\w`, on which Django's
/// rule is based, counts the alphanumeric ones. Rust's `is_alphanumeric` already counts those with the property Alphabetic, which
/// leaves the virama.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{94D}'
            | '\u{9CD}'
            | '\u{A4D}'
            | '\u{ACD}'
            | '\u{B4D}'
            | '\u{BCD}'
            | '\u{C4D}'
            | '\u{CCD}'
            | '\u{D4D}'
            | '\u{DCA}'
    )
}

/// An e-mail address, with the key that makes it unique regardless of case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    text: String,
    key: String,
}

impl Email {
    /// Accepts an address as defined by RFC 5322, without display name and domain literal, of at most 254 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let options = email_address::Options::default().without_display_text().without_domain_literal();
        let valid = text.chars().count() <= EMAIL_MAX
            && !text.chars().any(char::is_control)
            && EmailAddress::parse_with_options(text, options).is_ok()
            // Addresses to which mail cannot be sent are useless, for example those with quoted local parts.
            && text.parse::<lettre::Address>().is_ok();
        valid.then(|| Self { text: text.to_owned(), key: fold(text) })
    }

    /// The address as the user writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which addresses are compared.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Returns the form in which text is compared regardless of case: NFKC, uppercase, then lowercase, which also equates the two
/// lowercase sigmas, and `ß` with `ss`.
pub fn fold(text: &str) -> String {
    text.nfkc().collect::<String>().to_uppercase().to_lowercase().nfkc().collect()
}

/// The slug of a post or a label: ASCII letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// Accepts a slug of 1 to `max` characters, and keeps it unchanged.
    pub fn parse(text: &str, max: usize) -> Option<Self> {
        let valid = (1..=max).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Derives a slug from a post's title; `post` if nothing remains of it.
    pub fn from_title(title: &str) -> Self {
        Self::made_from(title, SLUG_MAX, "post")
    }

    /// Derives a slug from a label's name; `label` if nothing remains of it.
    pub fn from_name(name: &str) -> Self {
        Self::made_from(name, LABEL_SLUG_MAX, "label")
    }

    /// Transliterates the text to lowercase Latin letters, and replaces each sequence of other characters with a single `-`.
    fn made_from(text: &str, max: usize, otherwise: &str) -> Self {
        let mut slug = String::with_capacity(text.len());
        for c in deunicode::deunicode(text).chars() {
            if slug.len() >= max {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { otherwise.to_owned() } else { slug.to_owned() })
    }

    /// The slug itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_compared_whatever_case_and_form() {
        let key = |text| Username::parse(text).expect(text).key().to_owned();
        assert_eq!(key("Ana"), key("aNA"));
        assert_eq!(key("ｆｕｌｌ"), key("full"));
        assert_eq!(key("ασ"), key("ας"));
        assert_eq!(key("Straße"), key("STRASSE"));
        assert_eq!(key("e\u{301}va"), key("Éva"));
        assert_eq!(Username::parse("e\u{301}va").expect("valid").as_str(), "éva");
        assert_eq!(key("हिन्दी"), "हिन्दी");
    }

    #[test]
    fn some_usernames_are_refused() {
        for wrong in
            ["", ".", "...", "me", "ME", "ｍｅ", "a b", "a/b", "a\0b", "<x>", "a\u{202E}b", &"x".repeat(151)]
        {
            assert_eq!(Username::parse(wrong), None, "{wrong:?}");
        }
        assert!(Username::parse(&"x".repeat(150)).is_some());
        assert!(Username::parse("a@b.c+d-e_f").is_some());
    }

    #[test]
    fn emails_are_addresses() {
        for wrong in [
            "",
            "a",
            "a@",
            "@b",
            "Ana <a@b.de>",
            "a b@c.de",
            "a@b.de\n",
            &format!("{}@b.de", "x".repeat(250)),
        ] {
            assert_eq!(Email::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Email::parse("Ana@Example.org").expect("valid").key(), "ana@example.org");
    }

    #[test]
    fn slugs_are_transliterated_and_never_empty() {
        let slug = |title: &str| Slug::from_title(title).as_str().to_owned();
        assert_eq!(slug("Straße & Co"), "strasse-co");
        assert_eq!(slug("Привет мир"), "privet-mir");
        assert_eq!(slug("日本語"), "ri-ben-yu");
        assert_eq!(slug("C++ & C#"), "c-c");
        assert_eq!(slug("!!!"), "post");
        assert_eq!(slug("  --Hello,   World--  "), "hello-world");
        assert_eq!(slug(&"x".repeat(300)).len(), 256);
        assert!(Slug::parse(&slug("émoji 🎉"), SLUG_MAX).is_some());
        assert_eq!(Slug::from_name("???").as_str(), "label");
        assert_eq!(Slug::from_name(&"x".repeat(300)).as_str().len(), 128);
    }
}
