//! Signs deliveries by the symmetric scheme of [Standard Webhooks](https://www.standardwebhooks.com).

use std::fmt;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::secret::Secret;

/// Derives the secret of every webhook. A derived secret is stored nowhere, and is the same on every node.
#[derive(Clone)]
pub struct Secrets {
    key: Key,
}

impl Secrets {
    /// Derive from the secret that the nodes share. A different one changes the secret of every webhook.
    pub fn new(secret: &Secret) -> Self {
        Self { key: Key::new(HMAC_SHA256, &secret.derive("webhook secrets")) }
    }

    /// Return the secret of this webhook and generation. The first generation is 0.
    pub fn secret(&self, webhook_id: i64, generation: i64) -> WebhookSecret {
        let tag = mac(&self.key, &[&webhook_id.to_be_bytes(), &generation.to_be_bytes()]);
        WebhookSecret(tag)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// The secret with which a receiver verifies signatures: 256 bits.
#[derive(Clone)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// Return `whsec_` and the secret in Base64. Only the receiver may see it.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// Sign a message: return `v1,` and the signature in Base64. `timestamp` is the time of sending, in seconds since the epoch.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = Key::new(HMAC_SHA256, &self.0);
        let timestamp = timestamp.to_string();
        let tag = mac(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

/// Return the header `webhook-signature`: one signature for each secret, so that a receiver that knows any of them accepts it.
pub fn header(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    signatures.join(" ")
}

fn mac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::Utc;
    use reqwest::header::{HeaderMap, HeaderValue};
    use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

    use super::*;

    const ID: &str = "evt_7";
    const BODY: &[u8] = "{\"title\":\"Zoë’s post\"}".as_bytes();

    fn secrets(text: &str) -> Secrets {
        Secrets::new(&Secret::load(Some(text.into()), Path::new("")).unwrap())
    }

    fn ours() -> Secrets {
        secrets("an example secret of enough characters")
    }

    /// Return the header and its time, which is now: the official library accepts no other.
    fn signed(secrets: &[WebhookSecret]) -> (String, i64) {
        let now = Utc::now().timestamp();
        (header(secrets, ID, now, BODY), now)
    }

    /// Verify a signature as a receiver that knows the secret does.
    fn accepts(secret: &WebhookSecret, (signature, timestamp): &(String, i64), body: &[u8]) -> bool {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let headers = HeaderMap::from_iter([
            (HEADER_WEBHOOK_ID.parse().unwrap(), value(ID)),
            (HEADER_WEBHOOK_TIMESTAMP.parse().unwrap(), value(&timestamp.to_string())),
            (HEADER_WEBHOOK_SIGNATURE.parse().unwrap(), value(signature)),
        ]);
        Webhook::new(&secret.reveal()).unwrap().verify(body, &headers).is_ok()
    }

    #[test]
    fn the_example_of_standard_webhooks_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=").unwrap();
        let secret = WebhookSecret(key.try_into().unwrap());
        let official = Webhook::new(&secret.reveal()).unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        assert_eq!(secret.sign(id, 1_614_265_330, body), official.sign(id, 1_614_265_330, body).unwrap());
    }

    #[test]
    fn signatures_are_taken_by_the_official_library() {
        let secret = ours().secret(7, 0);
        let signature = signed(std::slice::from_ref(&secret));
        assert!(accepts(&secret, &signature, BODY));
        assert!(!accepts(&secret, &(signature.0.clone(), signature.1 - 1), BODY));
        assert!(!accepts(&secret, &signature, b"{}"));
        assert!(!accepts(&ours().secret(7, 1), &signature, BODY));
    }

    #[test]
    fn after_a_rotation_both_secrets_do() {
        let (former, present, other) = (ours().secret(7, 0), ours().secret(7, 1), ours().secret(7, 2));
        let signature = signed(&[present.clone(), former.clone()]);
        assert_eq!(signature.0.split(' ').filter(|one| one.starts_with("v1,")).count(), 2);
        assert!(accepts(&former, &signature, BODY) && accepts(&present, &signature, BODY));
        assert!(!accepts(&other, &signature, BODY));
    }

    #[test]
    fn every_webhook_and_generation_has_a_secret_of_its_own_that_stays() {
        let (one, another) = (ours(), secrets("another example secret of 32 and more"));
        let all =
            [one.secret(1, 0), one.secret(0, 1), one.secret(1, 1), one.secret(256, 0), another.secret(1, 0)];
        let mut texts: Vec<_> = all.iter().map(WebhookSecret::reveal).collect();
        assert_eq!(texts[0], ours().secret(1, 0).reveal());
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
        // Receivers store these secrets: a change to how they are derived breaks every existing webhook.
        insta::assert_snapshot!(one.secret(1, 0).reveal(), @"whsec_hq+EAzJy10cVye34W6nbTdc8letSOdyvA4wUuPkVQR8=");
    }

    #[test]
    fn no_secret_is_printed() {
        assert_eq!(format!("{:?} {:?}", ours(), [ours().secret(1, 0)]), "Secrets [WebhookSecret]");
    }
}
