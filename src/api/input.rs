//! The parts of request bodies: fields with three states, and a check that collects every fault.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::error::{Code, Error, Result, Violation};
use crate::models::names::Slug;

/// A field of a body: absent, `null` or given. It needs `#[serde(default)]`, since serde calls a deserialiser only for fields
/// that are present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Member<T> {
    /// The field is not in the body.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The field has a value.
    Given(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Given))
    }
}

/// A JSON object inside a body. A type that derives `Deserialize` would also accept an array, field by field.
#[derive(Clone, Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<Self::Value, M::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Collects the faults of a body, so that one response reports all of them.
#[derive(Clone, Debug, Default)]
pub struct Check {
    violations: Vec<Violation>,
}

impl Check {
    /// Note a fault.
    pub fn fault(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Note several faults.
    pub fn faults(&mut self, violations: impl IntoIterator<Item = Violation>) {
        self.violations.extend(violations);
    }

    /// Return the number of faults so far.
    pub fn count(&self) -> usize {
        self.violations.len()
    }

    /// Return the value of a field that must be present and not `null`.
    pub fn required<T>(&mut self, name: &str, member: Member<T>) -> Option<T> {
        match member {
            Member::Given(value) => Some(value),
            Member::Absent | Member::Null => {
                self.fault(Violation::body(
                    pointer(name),
                    "required",
                    format!("`{name}` must be given and must not be null."),
                ));
                None
            }
        }
    }

    /// Return the value of a field that may be absent, but not `null`.
    pub fn optional<T>(&mut self, name: &str, member: Member<T>) -> Option<T> {
        match member {
            Member::Absent => None,
            member => self.required(name, member),
        }
    }

    /// Return the trimmed text, which must have `min` to `max` Unicode scalars and no U+0000.
    pub fn text(&mut self, name: &str, text: &str, min: usize, max: usize) -> String {
        let text = text.trim();
        self.characters(name, text);
        let length = text.chars().count();
        if length < min {
            let detail = if min == 1 {
                Cow::Owned(format!("`{name}` must not be empty."))
            } else {
                Cow::Owned(format!("`{name}` must have at least {min} characters."))
            };
            self.fault(Violation::body(pointer(name), "too_short", detail).with(json!({ "min": min })));
        }
        if length > max {
            let detail = format!("`{name}` must have at most {max} characters.");
            self.fault(Violation::body(pointer(name), "too_long", detail).with(json!({ "max": max })));
        }
        text.to_owned()
    }

    /// Note a fault if the text contains U+0000, which PostgreSQL cannot store.
    pub fn characters(&mut self, name: &str, text: &str) {
        if text.contains('\0') {
            self.fault(Violation::body(
                pointer(name),
                "null_character",
                format!("`{name}` must not contain U+0000."),
            ));
        }
    }

    /// Return a text that can be cleared, by `null` or by nothing but white space. `None` keeps the value, `Some(None)` clears
    /// it.
    pub fn clearable(&mut self, name: &str, member: Member<String>, max: usize) -> Option<Option<String>> {
        match member {
            Member::Absent => None,
            Member::Null => Some(None),
            Member::Given(text) => Some(Some(self.text(name, &text, 0, max)).filter(|text| !text.is_empty())),
        }
    }

    /// Return a slug that can be left to the program. `None` keeps the slug, `Some(None)` derives it.
    pub fn slug(&mut self, name: &str, member: Member<String>, max: usize) -> Option<Option<Slug>> {
        let text = match self.clearable(name, member, max)? {
            Some(text) if text.chars().count() <= max => text,
            Some(_) => return None,
            None => return Some(None),
        };
        let slug = Slug::parse(&text, max);
        if slug.is_none() {
            let detail = "A slug may contain only letters, digits, `-` and `_`.";
            self.fault(Violation::body(pointer(name), "invalid_slug", detail));
        }
        slug.map(Some)
    }

    /// Return a whole number, which must be within the bounds.
    pub fn number(&mut self, name: &str, number: i64, min: i16, max: i16) -> i16 {
        match i16::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => number,
            _ => {
                let detail = format!("`{name}` must be from {min} to {max}.");
                let params = json!({ "min": min, "max": max });
                self.fault(Violation::body(pointer(name), "out_of_range", detail).with(params));
                min
            }
        }
    }

    /// Return the value if there are no faults; otherwise 422 with every fault.
    pub fn finish<T>(self, value: impl FnOnce() -> Option<T>) -> Result<T> {
        if !self.violations.is_empty() {
            return Err(Error::violations(Code::ValidationFailed, self.violations));
        }
        value().ok_or_else(|| Error::internal("a value is missing, but no fault was recorded"))
    }
}

fn pointer(name: &str) -> String {
    format!("/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default)]
        bio: Member<String>,
    }

    fn bio(json: &str) -> Member<String> {
        serde_json::from_str::<Sample>(json).unwrap().bio
    }

    #[test]
    fn absent_null_and_given_are_three_things() {
        assert_eq!(bio("{}"), Member::Absent);
        assert_eq!(bio(r#"{"bio": null}"#), Member::Null);
        assert_eq!(bio(r#"{"bio": "x"}"#), Member::Given("x".into()));
    }

    #[test]
    fn empty_text_clears_as_null_does() {
        let mut check = Check::default();
        assert_eq!(check.clearable("bio", bio("{}"), 5), None);
        assert_eq!(check.clearable("bio", bio(r#"{"bio": null}"#), 5), Some(None));
        assert_eq!(check.clearable("bio", bio(r#"{"bio": "  "}"#), 5), Some(None));
        assert_eq!(check.clearable("bio", bio(r#"{"bio": " x "}"#), 5), Some(Some("x".into())));
        assert!(check.finish(|| Some(())).is_ok());
    }

    #[test]
    fn text_is_counted_in_scalars() {
        let mut check = Check::default();
        check.text("title", "日本語", 1, 3);
        assert!(check.violations.is_empty());
        check.text("title", "日本語!", 1, 3);
        check.text("title", " ", 1, 3);
        check.text("title", "a\0", 1, 3);
        let codes: Vec<_> = check.violations.iter().map(|v| v.code.as_ref()).collect();
        assert_eq!(codes, ["too_long", "too_short", "null_character"]);
    }
}
