//! Every URL that the service hands out, from the settings alone.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::media::variants::Uses;

/// What may stand in a path segment as it is (RFC 3986, `unreserved`, and `@`, which usernames like to hold).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Builds absolute URLs.
#[derive(Clone, Debug)]
pub struct Urls {
    root: String,
    /// Of the store's files.
    media: String,
    uses: Arc<Uses>,
}

impl Urls {
    /// Under the public URL. The files of the store are under `media_url`, where there is one. `uses` says which there are.
    pub fn new(public_url: &str, media_url: Option<&str>, uses: Arc<Uses>) -> Self {
        let root = public_url.trim_end_matches('/').to_owned();
        let media =
            media_url.map_or_else(|| format!("{root}/media"), |url| url.trim_end_matches('/').to_owned());
        Self { root, media, uses }
    }

    /// What pictures are like, which their URLs follow from.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// A path of the API with a query string, as in the links between pages.
    pub fn path(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.root)
    }

    /// A user's canonical URL.
    pub fn user(&self, username: &str) -> String {
        format!("{}/api/v1/users/{}", self.root, segment(username))
    }

    /// A profile's canonical URL.
    pub fn profile(&self, username: &str) -> String {
        format!("{}/api/v1/profiles/{}", self.root, segment(username))
    }

    /// A post's canonical URL.
    pub fn post(&self, slug: &str) -> String {
        format!("{}/api/v1/posts/{}", self.root, segment(slug))
    }

    /// A label's canonical URL.
    pub fn label(&self, slug: &str) -> String {
        format!("{}/api/v1/labels/{}", self.root, segment(slug))
    }

    /// A comment's canonical URL.
    pub fn comment(&self, id: i64) -> String {
        format!("{}/api/v1/comments/{id}", self.root)
    }

    /// A webhook.
    pub fn webhook(&self, id: i64) -> String {
        self.path(&format!("/api/v1/webhooks/{id}"))
    }

    /// A file of the store.
    pub fn media(&self, key: &str) -> String {
        format!("{}/{key}", self.media)
    }

    /// A file of the default cover: no key of the store is like it. It is always this service's.
    pub fn default_cover(&self, key: &str) -> String {
        format!("{}/media/{key}", self.root)
    }

    /// A file of the avatar that is drawn from a username: no key of the store begins so.
    pub fn default_avatar(&self, username: &str, file: &str) -> String {
        format!("{}/media/default-avatars/{}/{file}", self.root, segment(username))
    }
}

/// A segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}
