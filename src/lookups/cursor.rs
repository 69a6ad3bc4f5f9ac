//! Cursors: opaque, signed, and bound to the list, filter and ordering that they were made for.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::order::Place;

/// Length of the signature in bytes. 128 bits of HMAC-SHA256 cannot be guessed, and URLs stay short.
const TAG: usize = 16;

/// A place in an ordered list, and the direction from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The row's values of the ordering's terms, including its id.
    #[serde(rename = "v")]
    pub place: Place,
    /// Whether the page lies before the row.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub backward: bool,
}

/// Creates and opens cursors.
#[derive(Clone)]
pub struct Cursors {
    key: hmac::Key,
}

impl Cursors {
    /// Use a key that serves only cursors, and is the same on every node.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Return the cursor as text. `list` names everything that the place depends on: list, filter, ordering.
    pub fn seal(&self, list: &str, cursor: &Cursor) -> serde_json::Result<String> {
        let mut bytes = serde_json::to_vec(cursor)?;
        let tag = self.sign(list, &bytes);
        bytes.extend_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Return the cursor in a text, unless it was made for another list or by another party, or was changed.
    pub fn open(&self, list: &str, text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.sign(list, payload), tag).ok()?;
        serde_json::from_slice(payload).ok()
    }

    fn sign(&self, list: &str, payload: &[u8]) -> [u8; TAG] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(list.as_bytes());
        context.update(&[0]);
        context.update(payload);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_a_list_opens_there() {
        let cursors = Cursors::new(&[7; 32]);
        let cursor =
            Cursor { place: vec![Some("2026-01-01".into()), None, Some("4".into())], backward: true };
        let text = cursors.seal("posts", &cursor).unwrap();
        assert_eq!(cursors.open("posts", &text), Some(cursor));
        assert_eq!(cursors.open("users", &text), None);
        assert_eq!(Cursors::new(&[8; 32]).open("posts", &text), None);
        for wrong in
            ["", "x", &text[1..], &text[..text.len() - 1], &format!("{text}A"), "%00", &"A".repeat(5000)]
        {
            assert_eq!(cursors.open("posts", wrong), None, "{wrong}");
        }
    }
}
