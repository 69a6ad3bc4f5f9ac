//! Every URL that the service returns. They follow from the settings alone.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::media::variants::PictureKinds;

/// The characters to escape in a path segment: all except those that may stay (RFC 3986, `unreserved`, and `@`, which is common
/// in usernames).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Builds absolute URLs.
#[derive(Clone, Debug)]
pub struct Urls {
    root: String,
    /// The base URL of the store's files.
    media: String,
    kinds: Arc<PictureKinds>,
}

impl Urls {
    /// Build URLs below the public URL. The files of the store are below `media_url`, if it is set. `kinds` says which variants
    /// there are.
    pub fn new(public_url: &str, media_url: Option<&str>, kinds: Arc<PictureKinds>) -> Self {
        let root = public_url.trim_end_matches('/').to_owned();
        let media =
            media_url.map_or_else(|| format!("{root}/media"), |url| url.trim_end_matches('/').to_owned());
        Self { root, media, kinds }
    }

    /// Return the variants of avatars and covers, from which their URLs follow.
    pub fn kinds(&self) -> &PictureKinds {
        &self.kinds
    }

    /// Return the URL of a path of the API with a query string, as in the links between pages.
    pub fn path(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.root)
    }

    /// Return a user's canonical URL.
    pub fn user(&self, username: &str) -> String {
        format!("{}/api/v1/users/{}", self.root, segment(username))
    }

    /// Return a profile's canonical URL.
    pub fn profile(&self, username: &str) -> String {
        format!("{}/api/v1/profiles/{}", self.root, segment(username))
    }

    /// Return a post's canonical URL.
    pub fn post(&self, slug: &str) -> String {
        format!("{}/api/v1/posts/{}", self.root, segment(slug))
    }

    /// Return a label's canonical URL.
    pub fn label(&self, slug: &str) -> String {
        format!("{}/api/v1/labels/{}", self.root, segment(slug))
    }

    /// Return a comment's canonical URL.
    pub fn comment(&self, id: i64) -> String {
        format!("{}/api/v1/comments/{id}", self.root)
    }

    /// Return a webhook's canonical URL.
    pub fn webhook(&self, id: i64) -> String {
        self.path(&format!("/api/v1/webhooks/{id}"))
    }

    /// Return the URL of a file of the store.
    pub fn media(&self, key: &str) -> String {
        format!("{}/{key}", self.media)
    }

    /// Return the URL of a file of the default cover. No key of the store has this form. This service always serves the file.
    pub fn default_cover(&self, key: &str) -> String {
        format!("{}/media/{key}", self.root)
    }

    /// Return the URL of a file of the avatar that is drawn from a username. No key of the store begins in this way.
    pub fn default_avatar(&self, username: &str, file: &str) -> String {
        format!("{}/media/default-avatars/{}/{file}", self.root, segment(username))
    }
}

/// Escape a segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}
