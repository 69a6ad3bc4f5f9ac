//! The limits of request bodies.

use std::time::Duration;

/// Return a size in bytes as text for people, such as `10 MiB`: in the largest unit in which it is a whole number.
pub fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else if bytes.is_multiple_of(1 << 10) {
        format!("{} KiB", bytes >> 10)
    } else {
        format!("{bytes} bytes")
    }
}

/// Limits of what a client may send. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Maximum size of a JSON body.
    pub json: usize,
    /// Maximum size of an uploaded file.
    pub file: usize,
    /// How long a body may take before its rate counts.
    pub grace: Duration,
    /// Minimum rate after that, in bytes per second on average.
    pub least_rate: u32,
}

impl BodyLimits {
    /// Set the limits: 1 MiB for JSON, 10 MiB for a file, and at least 1 KiB per second after `grace`.
    pub fn new(grace: Duration) -> Self {
        Self { json: 1 << 20, file: 10 << 20, grace, least_rate: 1024 }
    }
}
