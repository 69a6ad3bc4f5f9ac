//! What is compared with: text, as the right kind of value.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::fragment::Bind;
use super::lookup::Part;
use super::name::nearest;
use super::table::{Field, Kind};

/// Most characters of a text that is compared with.
pub const TEXT_MAX: usize = 1000;
/// Most characters of a regular expression.
pub const PATTERN_MAX: usize = 256;
/// Most values of a list.
pub const VALUES_MAX: usize = 100;

/// Why a text is no value: the code of the rule, and a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As in `errors[].code`.
    pub code: &'static str,
    /// What would do.
    pub detail: String,
    /// The rule's numbers.
    pub params: Value,
}

/// The code for what only those may ask who are known.
pub const NEEDS_USER: &str = "authentication_required";

impl Refused {
    /// By this rule.
    pub fn by(code: &'static str, detail: impl Into<String>, params: Value) -> Self {
        Self { code, detail: detail.into(), params }
    }

    /// For a text that is no such value.
    pub fn new(detail: impl Into<String>) -> Self {
        Self::by("invalid_parameter", detail, json!({}))
    }
}

/// Parses what is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Where times without one are.
    pub zone: Tz,
    /// Whom `me` means.
    pub caller: Option<&'a str>,
}

impl Values<'_> {
    /// One value of a field, or of a part of it.
    pub fn one(&self, field: &Field, part: Option<Part>, text: &str) -> Result<Bind, Refused> {
        match part {
            Some(Part::Date) => date(text).map(Bind::Date),
            Some(Part::Time) => time_of_day(text).map(Bind::Time),
            Some(_) => integer(text).map(Bind::Integer),
            None => self.whole(field, text),
        }
    }

    fn whole(&self, field: &Field, text: &str) -> Result<Bind, Refused> {
        let text = match field.kind {
            Kind::Username if text == "me" => {
                self.caller.ok_or_else(|| Refused::by(NEEDS_USER, "`me` is the user who asks.", json!({})))?
            }
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

    /// Several values as one.
    pub fn many(&self, field: &Field, part: Option<Part>, texts: &[String]) -> Result<Bind, Refused> {
        if texts.len() > VALUES_MAX {
            let detail = format!("At most {VALUES_MAX} values in a list.");
            return Err(Refused::by("too_many", detail, json!({ "max": VALUES_MAX })));
        }
        let values: Vec<Bind> =
            texts.iter().map(|text| self.one(field, part, text)).collect::<Result<_, _>>()?;
        let mut list = match (field.kind, part) {
            (_, Some(Part::Date)) => Bind::Dates(Vec::new()),
            (_, Some(Part::Time)) => Bind::Times(Vec::new()),
            (_, Some(_)) | (Kind::Integer, None) => Bind::Integers(Vec::new()),
            (Kind::Time, None) => Bind::Instants(Vec::new()),
            (Kind::Boolean, None) => Bind::Booleans(Vec::new()),
            (Kind::Text | Kind::Ascii | Kind::Username | Kind::Choice(_), None) => Bind::Texts(Vec::new()),
        };
        for value in values {
            match (&mut list, value) {
                (Bind::Texts(list), Bind::Text(value)) => list.push(value),
                (Bind::Integers(list), Bind::Integer(value)) => list.push(value),
                (Bind::Booleans(list), Bind::Boolean(value)) => list.push(value),
                (Bind::Instants(list), Bind::Instant(value)) => list.push(value),
                (Bind::Dates(list), Bind::Date(value)) => list.push(value),
                (Bind::Times(list), Bind::Time(value)) => list.push(value),
                _ => return Err(Refused::new("The values of a list are of one kind.")),
            }
        }
        Ok(list)
    }

    /// RFC 3339; without an offset, or with nothing but a date, it is in the time zone that was asked for.
    fn instant(&self, text: &str) -> Result<DateTime<Utc>, Refused> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(instant.to_utc());
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M"))
            .or_else(|_| date(text).map(|date| date.and_time(NaiveTime::MIN)));
        local.map(|local| in_zone(local, self.zone)).map_err(|_| {
            Refused::new(
                "A time such as `2026-01-31T09:30:00Z`, or a date; a `+` in a query string must be sent as `%2B`.",
            )
        })
    }
}

/// The moment when the clocks of a time zone show this: the first where they do so twice, and where they leave it out, what they
/// would have shown without the change.
pub fn in_zone(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.to_utc(),
        LocalResult::None => {
            let before = zone.offset_from_utc_datetime(&(local - Duration::days(1)));
            (local - chrono::Offset::fix(&before)).and_utc()
        }
    }
}

/// The name of a time zone.
pub fn zone(text: &str) -> Result<Tz, Refused> {
    text.parse().map_err(|_| {
        let nearest = nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = nearest.map(|nearest| format!(" Did you mean `{nearest}`?")).unwrap_or_default();
        Refused::new(format!("A time zone by its IANA name, such as `Europe/Madrid`.{hint}"))
    })
}

/// Text of bounded length.
pub fn checked(text: &str, max: usize) -> Result<(), Refused> {
    if text.chars().nth(max).is_none() {
        return Ok(());
    }
    Err(Refused::by("too_long", format!("At most {max} characters."), json!({ "max": max })))
}

/// `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, Refused> {
    text.parse().map_err(|_| Refused::new("`true` or `false`."))
}

/// The values of a list: comma-separated, `"a,b"` being one. Nothing is a list of none.
pub fn list(text: &str) -> Result<Vec<String>, Refused> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let record = match records.next() {
        None => return Ok(Vec::new()),
        Some(record) => record.map_err(|_| Refused::new("Values with commas between them."))?,
    };
    if records.next().is_some() {
        return Err(Refused::new(
            "Values with commas between them, those with line breaks in quotation marks.",
        ));
    }
    Ok(record.iter().map(str::to_owned).collect())
}

fn integer(text: &str) -> Result<i64, Refused> {
    text.trim().parse().map_err(|_| Refused::new("A whole number of at most 64 bits."))
}

/// One of some words.
pub fn choice(text: &str, choices: &[&str]) -> Result<String, Refused> {
    if choices.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Refused::by("not_a_choice", format!("One of {}.", choices.join(", ")), json!({ "choices": choices })))
}

fn date(text: &str) -> Result<NaiveDate, Refused> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| Refused::new("A date such as `2026-01-31`."))
}

fn time_of_day(text: &str) -> Result<NaiveTime, Refused> {
    NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"))
        .map_err(|_| Refused::new("A time of day such as `09:30` or `09:30:00.5`."))
}
