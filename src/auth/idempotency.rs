//! The digests by which repeated requests are recognised.

use aws_lc_rs::hmac;
use chrono::TimeDelta;

use super::secret::Secret;

/// Digests the bodies of requests that have an `Idempotency-Key`.
pub struct BodyDigests {
    key: hmac::Key,
    /// How long an answer is kept for repeated requests.
    pub lifetime: TimeDelta,
}

impl BodyDigests {
    /// Derive the key. It serves nothing else, so that the stored digests reveal nothing about the bodies.
    pub fn new(secret: &Secret, lifetime: TimeDelta) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("idempotency")), lifetime }
    }

    /// Return the digest of a body.
    pub fn digest(&self, body: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key, body).as_ref().to_vec()
    }
}
