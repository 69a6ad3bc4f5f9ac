//! Durations: parsed from settings, and converted for date arithmetic.

use std::time::Duration;

use chrono::TimeDelta;

/// Parse a duration: `5s`, `500ms`, `2m`, `1h` or `14d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u32 = number
        .parse()
        .map_err(|_| "must be a number with a unit, such as 500ms, 5s, 2m, 1h or 14d".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number.into())),
        "s" => Ok(Duration::from_secs(number.into())),
        "m" => Ok(Duration::from_mins(number.into())),
        "h" => Ok(Duration::from_hours(number.into())),
        // A hundred years are enough. Adding more to a date would exceed the calendar's range.
        "d" if number <= 36_500 => Ok(Duration::from_hours(24 * u64::from(number))),
        _ => Err("must end in ms, s, m, h or d, and must be at most 36500d".into()),
    }
}

/// Parse a duration that must be longer than zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|time| if time.is_zero() { Err("must be longer than 0".into()) } else { Ok(time) })
}

/// Convert to the type that is added to dates. A setting is at most a hundred years, which always fits.
pub fn to_time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
