//! Every URL that the service hands out, from the settings alone.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment as it is (RFC 3986, `unreserved`, and `@`, which usernames like to hold).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Builds absolute URLs.
#[derive(Clone, Debug)]
pub struct Urls {
    root: String,
}

impl Urls {
    /// Under the public URL, given without a slash at its end.
    pub fn new(public_url: &str) -> Self {
        Self { root: public_url.trim_end_matches('/').to_owned() }
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

    /// A file of the store.
    pub fn media(&self, key: &str) -> String {
        format!("{}/media/{key}", self.root)
    }

    /// A file of the avatar that is drawn from a username: no key of the store begins so.
    pub fn default_avatar(&self, username: &str, file: &str) -> String {
        format!("{}/media/default-avatars/{}/{file}", self.root, segment(username))
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let urls = Urls::new("https://plaza.example/");
        assert_eq!(urls.user("ana@b.c"), "https://plaza.example/api/v1/users/ana@b.c");
        assert_eq!(urls.user("a+b"), "https://plaza.example/api/v1/users/a%2Bb");
        assert_eq!(urls.user("é"), "https://plaza.example/api/v1/users/%C3%A9");
    }
}
