//! Writes one comparison of one column as SQL.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::condition::{Column, Comparison, Operator};
use super::fragment::{Alias, Bind, Fragment};
use super::lookup::Part;
use super::table::{IndexHint, Kind};
use super::value::in_zone;

/// ICU's root collation, under which text is compared, whatever the database's own collation is.
pub const ROOT: &str = " COLLATE \"und-x-icu\"";

/// Write a comparison of a column of a row, or of a part of it in a time zone.
pub fn write(sql: &mut Fragment, row: Alias, column: Column, comparison: &Comparison, zone: Tz) {
    let field = column.field;
    let whole = |sql: &mut Fragment| {
        sql.column(row, field.column);
    };
    if let Some(part) = column.part {
        return write_part(sql, row, field.column, (part, zone), comparison);
    }
    if field.index_hint == IndexHint::Trigrams {
        if let Comparison::Like(pattern) | Comparison::UpperLike(pattern) = comparison
            && let Some(least) = least(pattern)
        {
            // Implied by the comparison, and where the index that orders by the column can begin.
            whole(sql);
            sql.word(" >= ").bind(Bind::Text(least)).word(" AND ");
        }
        if let Comparison::Like(pattern) = comparison {
            // Implied by the comparison, and the expression that the index of trigrams covers.
            compare(sql, field.kind, &Comparison::UpperLike(pattern.clone()), whole);
            sql.word(" AND ");
        }
    }
    compare(sql, field.kind, comparison, whole);
}

/// Return a lower bound: no text that begins like the pattern, in whatever case, sorts before it. It consists of ASCII letters
/// and digits only: whatever follows them, and any character that has one of them as its upper case, sorts after them in ICU's
/// root collation, and lower-case letters come first.
fn least(pattern: &str) -> Option<String> {
    let plain: String = pattern.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!plain.is_empty()).then(|| plain.to_ascii_lowercase())
}

/// Write a comparison of a part of a time. A year or a day becomes a span of time, which an index of the column can find.
fn write_part(
    sql: &mut Fragment,
    row: Alias,
    column: &'static str,
    (part, zone): (Part, Tz),
    comparison: &Comparison,
) {
    if let Some(spans) = spans(part, comparison, zone) {
        sql.word("(").join(" AND ", spans, |sql, (operator, time)| {
            sql.column(row, column).word(operator.sql()).bind(Bind::Instant(time));
        });
        sql.word(")");
        return;
    }
    let (before, after) = match part {
        Part::Date => ("CAST(", " AS date)"),
        Part::Time => ("CAST(", " AS time)"),
        Part::Year => ("EXTRACT(YEAR FROM ", ")"),
        Part::IsoYear => ("EXTRACT(ISOYEAR FROM ", ")"),
        Part::Month => ("EXTRACT(MONTH FROM ", ")"),
        Part::Day => ("EXTRACT(DAY FROM ", ")"),
        Part::Week => ("EXTRACT(WEEK FROM ", ")"),
        Part::WeekDay => ("(EXTRACT(DOW FROM ", ") + 1)"),
        Part::IsoWeekDay => ("EXTRACT(ISODOW FROM ", ")"),
        Part::Quarter => ("EXTRACT(QUARTER FROM ", ")"),
        Part::Hour => ("EXTRACT(HOUR FROM ", ")"),
        Part::Minute => ("EXTRACT(MINUTE FROM ", ")"),
        Part::Second => ("FLOOR(EXTRACT(SECOND FROM ", "))"),
    };
    compare(sql, Kind::Integer, comparison, |sql| {
        sql.word(before).word("(").column(row, column).word(" AT TIME ZONE ");
        sql.bind(Bind::Text(zone.name().into())).word(")").word(after);
    });
}

/// Write a comparison of an expression with a value.
fn compare(sql: &mut Fragment, kind: Kind, comparison: &Comparison, left: impl Fn(&mut Fragment)) {
    let ordered = |sql: &mut Fragment| {
        left(sql);
        if kind == Kind::Ascii {
            sql.word(ROOT);
        }
    };
    let upper = |sql: &mut Fragment, right: &str, operator| {
        sql.word("UPPER(");
        ordered(sql);
        sql.word(")").word(operator).word("UPPER(").bind(Bind::Text(right.to_owned())).word(ROOT).word(")");
    };
    match comparison {
        Comparison::Compare(operator, value) => {
            // Equality is the same under every collation that Plaza's columns have, and an index of the column knows it without
            // one.
            if *operator == Operator::Equal {
                left(sql);
            } else {
                ordered(sql);
            }
            sql.word(operator.sql()).bind(value.clone());
        }
        Comparison::Between(low, high) => {
            ordered(sql);
            sql.word(" BETWEEN ").bind(low.clone()).word(" AND ").bind(high.clone());
        }
        Comparison::Among(list) => {
            left(sql);
            sql.word(" = ANY (").bind(list.clone()).word(")");
        }
        Comparison::Nothing => {
            sql.word("FALSE");
        }
        Comparison::Null(is_null) => {
            left(sql);
            sql.word(if *is_null { " IS NULL" } else { " IS NOT NULL" });
        }
        Comparison::Like(pattern) => matches(sql, &left, " LIKE ", pattern),
        Comparison::UpperLike(pattern) => upper(sql, pattern, " LIKE "),
        Comparison::UpperEqual(text) => upper(sql, text, " = "),
        Comparison::Regex(pattern) => matches(sql, &ordered, " ~ ", pattern),
        Comparison::CaselessRegex(pattern) => matches(sql, &ordered, " ~* ", pattern),
    }
}

fn matches(sql: &mut Fragment, left: &impl Fn(&mut Fragment), operator: &'static str, pattern: &str) {
    left(sql);
    sql.word(operator).bind(Bind::Text(pattern.to_owned()));
}

/// Return a comparison of a year or a date as one or two comparisons of the time itself; `None` for other comparisons.
fn spans(part: Part, comparison: &Comparison, zone: Tz) -> Option<Vec<(Operator, DateTime<Utc>)>> {
    // The moment when the compared value begins, and the moment when it is over.
    let span = |value: &Bind| {
        let (first, next) = match (part, value) {
            (Part::Date, Bind::Date(day)) => (*day, day.succ_opt()?),
            (Part::Year, Bind::Integer(year)) => {
                let year = i32::try_from(*year).ok().filter(|year| (1..=9999).contains(year))?;
                (NaiveDate::from_yo_opt(year, 1)?, NaiveDate::from_yo_opt(year + 1, 1)?)
            }
            _ => return None,
        };
        // At either end of the years with four digits, a time zone leads beyond them.
        let is_kept = |day: NaiveDate| (2..=9998).contains(&day.year());
        let begin = |day: NaiveDate| in_zone(day.and_time(NaiveTime::MIN), zone);
        (is_kept(first) && is_kept(next)).then(|| (begin(first), begin(next)))
    };
    match comparison {
        Comparison::Compare(operator, value) => {
            let (first, next) = span(value)?;
            Some(match operator {
                Operator::Equal => vec![(Operator::GreaterOrEqual, first), (Operator::Less, next)],
                Operator::Greater => vec![(Operator::GreaterOrEqual, next)],
                Operator::GreaterOrEqual => vec![(Operator::GreaterOrEqual, first)],
                Operator::Less => vec![(Operator::Less, first)],
                Operator::LessOrEqual => vec![(Operator::Less, next)],
            })
        }
        Comparison::Between(low, high) => {
            Some(vec![(Operator::GreaterOrEqual, span(low)?.0), (Operator::Less, span(high)?.1)])
        }
        _ => None,
    }
}
