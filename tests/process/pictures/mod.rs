//! Pictures under failures: nodes that die in the middle, many concurrent requests for one file, more uploads than
//! fit in memory, and stores that other programs have changed.

mod crowds;
mod damaged;
mod garbage;
mod kills;
mod metrics;
mod points;
mod variants;

use std::path::{Path, PathBuf};

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::{Client, PUBLIC_URL, text};

/// The key of the file that a URL points to.
fn key_of(url: &str) -> &str {
    let path = url.strip_prefix(PUBLIC_URL).expect("the public URL");
    path.strip_prefix("/media/").expect("a file's URL")
}

/// The path of a URL's file, in a store that is a folder.
fn file_of(media: &Path, url: &str) -> PathBuf {
    media.join(key_of(url))
}

/// The URL of this variant as WebP.
fn variant(picture: &Value, name: &str) -> String {
    let variants = picture["variants"].as_array().expect("a picture has variants");
    let is_wanted = |variant: &&Value| variant["name"] == name && variant["content_type"] == "image/webp";
    text(variants.iter().find(is_wanted).expect("such a variant"), "/url")
}

/// A request that sets a post's cover.
fn cover(client: &Client, slug: &str, picture: impl Into<reqwest::Body>, length: usize) -> RequestBuilder {
    let part = Part::stream_with_length(picture, length as u64).file_name("cover.jpg");
    let request = client.request(Method::PUT, &format!("/api/v1/posts/{slug}/cover"));
    request.multipart(Form::new().part("cover", part))
}
