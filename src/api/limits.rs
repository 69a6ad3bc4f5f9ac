//! The limits of request bodies.

use std::time::Duration;

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
