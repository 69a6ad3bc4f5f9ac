//! The format of times in JSON.

use chrono::{DateTime, SecondsFormat, Utc};

/// Return a time in the format of RFC 3339, in UTC with six decimals.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
