//! The values that a condition compares with: text, as the right kind of value.

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::fragment::Bind;
use super::lookup::Part;
use super::name::nearest;
use super::table::{Field, Kind};

/// Maximum length of a text to compare with, in characters.
pub const TEXT_MAX: usize = 1000;
/// Maximum length of a regular expression, in characters.
pub const PATTERN_MAX: usize = 256;
/// Maximum length of a list, in characters.
pub const LIST_MAX: usize = 8000;
/// Maximum number of values of a list.
pub const VALUES_MAX: usize = 100;

/// The code for a value that requires authentication.
pub const NEEDS_USER: &str = "authentication_required";

/// Why a text is not a valid value: the code of the rule, and a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// The code, as in `errors[].code`.
    pub code: &'static str,
    /// What would be valid.
    pub detail: String,
    /// The values of the rule, such as a maximum.
    pub params: Value,
}

impl ValueError {
    /// Create an error by this rule.
    pub fn by(code: &'static str, detail: impl Into<String>, params: Value) -> Self {
        Self { code, detail: detail.into(), params }
    }

    /// Create an error for a text that is not a value of the right kind.
    pub fn new(detail: impl Into<String>) -> Self {
        Self::by("invalid_parameter", detail, json!({}))
    }
}

/// Parses the values that conditions compare with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The time zone of times that do not have one.
    pub zone: Tz,
    /// The username that `me` stands for.
    pub caller: Option<&'a str>,
}

impl Values<'_> {
    /// Parse one value of a field, or of a part of it.
    pub fn one(&self, field: &Field, part: Option<Part>, text: &str) -> Result<Bind, ValueError> {
        match part {
            Some(Part::Date) => date(text).map(Bind::Date),
            Some(Part::Time) => time_of_day(text).map(Bind::Time),
            Some(_) => integer(text).map(Bind::Integer),
            None => self.whole(field, text),
        }
    }

    fn whole(&self, field: &Field, text: &str) -> Result<Bind, ValueError> {
        let text = match field.kind {
            Kind::Username if text == "me" => self.caller.ok_or_else(|| {
                ValueError::by(NEEDS_USER, "must not be `me` unless you send an access token.", json!({}))
            })?,
            _ => text,
        };
        match field.kind {
            Kind::Text | Kind::Ascii | Kind::Username => {
                checked(text, TEXT_MAX)?;
                Ok(Bind::Text(field.fold.map_or_else(|| text.to_owned(), |fold| fold(text))))
            }
            Kind::Integer => integer(text).map(Bind::Integer),
            Kind::Choice(choices) => choice(text, choices).map(Bind::Text),
            Kind::Time => self.instant(text).map(Bind::Instant),
            Kind::Boolean => boolean(text).map(Bind::Boolean),
        }
    }

    /// Parse several values as one list.
    pub fn many(&self, field: &Field, part: Option<Part>, texts: &[String]) -> Result<Bind, ValueError> {
        if texts.len() > VALUES_MAX {
            let detail = format!("must have at most {VALUES_MAX} values.");
            return Err(ValueError::by("too_many", detail, json!({ "max": VALUES_MAX })));
        }
        let mut list = match (field.kind, part) {
            (_, Some(Part::Date)) => Bind::Dates(Vec::new()),
            (_, Some(Part::Time)) => Bind::Times(Vec::new()),
            (_, Some(_)) | (Kind::Integer, None) => Bind::Integers(Vec::new()),
            (Kind::Time, None) => Bind::Instants(Vec::new()),
            (Kind::Boolean, None) => Bind::Booleans(Vec::new()),
            (Kind::Text | Kind::Ascii | Kind::Username | Kind::Choice(_), None) => Bind::Texts(Vec::new()),
        };
        for text in texts {
            match (&mut list, self.one(field, part, text)?) {
                (Bind::Texts(list), Bind::Text(value)) => list.push(value),
                (Bind::Integers(list), Bind::Integer(value)) => list.push(value),
                (Bind::Booleans(list), Bind::Boolean(value)) => list.push(value),
                (Bind::Instants(list), Bind::Instant(value)) => list.push(value),
                (Bind::Dates(list), Bind::Date(value)) => list.push(value),
                (Bind::Times(list), Bind::Time(value)) => list.push(value),
                _ => return Err(ValueError::new("must be a list of values of one kind.")),
            }
        }
        Ok(list)
    }

    /// Parse a time by RFC 3339. A time without an offset, or only a date, is in the requested time zone.
    fn instant(&self, text: &str) -> Result<DateTime<Utc>, ValueError> {
        let local = |text: &str| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
                .or_else(|| date(text).ok().map(|date| date.and_time(NaiveTime::MIN)))
        };
        let instant = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok().or_else(|| {
            local(text).filter(|local| is_usual(local.year())).map(|local| in_zone(local, self.zone))
        });
        instant.filter(|instant| is_usual(instant.year())).ok_or_else(|| {
            ValueError::new(
                "must be a time such as `2026-01-31T09:30:00Z`, or a date. In a query string, send `+` as `%2B`.",
            )
        })
    }
}

/// Whether a year has four digits, as in RFC 3339 and Python. The database knows others, but no post has them.
fn is_usual(year: i32) -> bool {
    (1..=9999).contains(&year)
}

/// Return the moment when the clocks of a time zone show this time. If they show it twice, it is the first moment. If they skip
/// it, it is the moment when they would have shown it without the change. For years of four digits.
pub fn in_zone(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.to_utc(),
        LocalResult::None => {
            let before = zone.offset_from_utc_datetime(&(local - Duration::days(1)));
            (local - chrono::Offset::fix(&before)).and_utc()
        }
    }
}

/// Parse the name of a time zone.
pub fn zone(text: &str) -> Result<Tz, ValueError> {
    // PostgreSQL takes these names for abbreviations, which know no summer time; tzdata has them as links to these zones.
    let text = match text {
        "CET" | "MET" => "Europe/Brussels",
        "EET" => "Europe/Athens",
        "WET" => "Europe/Lisbon",
        text => text,
    };
    text.parse().map_err(|_| {
        let nearest = nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = nearest.map_or_else(|| ".".to_owned(), |nearest| format!("; did you mean `{nearest}`?"));
        ValueError::new(format!("must be the IANA name of a time zone, such as `Europe/Madrid`{hint}"))
    })
}

/// Check the length of a text.
pub fn checked(text: &str, max: usize) -> Result<(), ValueError> {
    if text.chars().nth(max).is_none() {
        return Ok(());
    }
    Err(ValueError::by("too_long", format!("must have at most {max} characters."), json!({ "max": max })))
}

/// Parse `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    text.parse().map_err(|_| ValueError::new("must be `true` or `false`."))
}

/// Return the values of a list: comma-separated as in RFC 4180, where `"a,b"` is one value, and `""` a quotation mark within it.
/// An empty text is an empty list. This is written by hand, since the usual CSV reader accepts anything, and a list that is not
/// closed is a fault here.
pub fn list(text: &str) -> Result<Vec<String>, ValueError> {
    checked(text, LIST_MAX)?;
    let unclosed = || {
        ValueError::new(
            "must be values separated by commas. Put a value that contains a comma in quotation marks.",
        )
    };
    let (mut values, mut rest) = (Vec::new(), text);
    while !rest.is_empty() || !values.is_empty() {
        let mut value = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (before, after) = quoted.split_once('"').ok_or_else(unclosed)?;
                value.push_str(before);
                quoted = after;
                let Some(more) = quoted.strip_prefix('"') else { break };
                value.push('"');
                quoted = more;
            }
            rest = quoted;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            value.push_str(&rest[..end]);
            rest = &rest[end..];
            if value.contains('"') {
                return Err(unclosed());
            }
        }
        values.push(value);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(values),
            None => return Err(unclosed()),
        }
    }
    Ok(values)
}

/// Parse a whole number, whose only sign may be `-`.
pub fn integer(text: &str) -> Result<i64, ValueError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = text.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| ValueError::new("must be a whole number of at most 64 bits."))
}

/// Parse one of some words.
pub fn choice(text: &str, choices: &[&str]) -> Result<String, ValueError> {
    if choices.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(ValueError::by(
        "not_a_choice",
        format!("must be one of {}.", choices.join(", ")),
        json!({ "choices": choices }),
    ))
}

fn date(text: &str) -> Result<NaiveDate, ValueError> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let date = date.filter(|date| is_usual(date.year()) && text.len() == "2026-01-31".len());
    date.ok_or_else(|| ValueError::new("must be a date such as `2026-01-31`."))
}

fn time_of_day(text: &str) -> Result<NaiveTime, ValueError> {
    // A leap second is one that no clock of the database shows.
    NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .ok()
        .filter(|time| chrono::Timelike::nanosecond(time) < 1_000_000_000)
        .ok_or_else(|| ValueError::new("must be a time of day such as `09:30` or `09:30:00.5`."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_comma_separated_and_strict() {
        let read = |text: &str| list(text).ok().map(|values| values.join("|"));
        assert_eq!(list(""), Ok(vec![]));
        assert_eq!(list("\"\""), Ok(vec![String::new()]));
        assert_eq!(read("a"), Some("a".into()));
        assert_eq!(read("a,b"), Some("a|b".into()));
        assert_eq!(read("a,"), Some("a|".into()));
        assert_eq!(read(",a"), Some("|a".into()));
        assert_eq!(read("\"a,b\",c"), Some("a,b|c".into()));
        assert_eq!(read("\"say \"\"hi\"\"\",x"), Some("say \"hi\"|x".into()));
        assert_eq!(read(" a , b "), Some(" a | b ".into()));
        for wrong in ["\"a", "\"a\"b", "a\"b\"", "a,\"b", "\"a\"\"", "\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_and_times_are_strict() {
        assert_eq!(integer("-9223372036854775808"), Ok(i64::MIN));
        for wrong in ["", "-", "+1", " 1", "1 ", "1.0", "9223372036854775808", "1e3", "٣"] {
            assert!(integer(wrong).is_err(), "{wrong}");
        }
        for wrong in ["2026-1-1", "+2026-01-01", "0000-01-01", "10000-01-01", "2025-02-29", "-0001-01-01"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
        assert!(time_of_day("23:59:60").is_err() && time_of_day("09:30").is_ok());
        let values = Values { zone: Tz::UTC, caller: None };
        for wrong in
            ["-200000-01-01", "+262142-12-31T23:59:59", "now", "9999-12-31T23:59:59-01:00", "infinity"]
        {
            assert!(values.instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clocks_that_jump_show_what_django_says() {
        let new_york = |text: &str| {
            let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").expect(text);
            in_zone(local, chrono_tz::America::New_York).to_rfc3339()
        };
        assert_eq!(new_york("2026-11-01T01:30"), "2026-11-01T05:30:00+00:00");
        assert_eq!(new_york("2026-03-08T02:30"), "2026-03-08T07:30:00+00:00");
        assert_eq!(zone("CET"), Ok(Tz::Europe__Brussels));
    }
}
