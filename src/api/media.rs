//! The files themselves: immutable, in ranges, without the database.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{GetOptions, GetRange, GetResult};
use xxhash_rust::xxh3::xxh3_128;

use super::conditional::matches_any;
use super::document::Refusals;
use super::path;
use super::pictures::DEFAULT_FORMATS;
use crate::error::{Code, Error, Result};
use crate::media::Media;
use crate::media::image::Format;
use crate::media::store::IMMUTABLE;
use crate::media::variants::{AVATAR, format_of};
use crate::models::names::Username;

/// Read a file.
///
/// Immutable under its URL: kept by browsers and CDNs for a year. One range at a time; several are answered with
/// the whole file.
#[utoipa::path(
    get, path = "/media/{key}", operation_id = "getMedia", tag = "media", security(()),
    params(
        ("key" = String, Path, description = "As in the URL of a picture; may hold slashes"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, description = "The file", content_type = "image/*", body = MediaFile),
        (status = 206, description = "The part that was asked for", content_type = "image/*", body = MediaFile),
        Refusals
    )
)]
#[get("/media/{key:.*}")]
pub async fn get_media(request: HttpRequest, media: Data<Media>) -> Result<HttpResponse> {
    let key = path::segment(&request, "key")?;
    if !is_served(&key) {
        return Err(Error::not_found());
    }
    let tag = tag_of(&key);
    if matches_any(request.headers(), &header::IF_NONE_MATCH, &tag) {
        return Ok(not_modified(&tag));
    }
    let range = range(&request, &tag);
    let options = GetOptions { range: range.clone(), ..GetOptions::default() };
    let found = media.store().get(&key, options).await;
    let result = match found {
        // `bytes=-0`: the last none of them.
        Ok(Some(result)) if range.is_some() && result.range.is_empty() => {
            return unsatisfiable(&media, &key).await;
        }
        Ok(Some(result)) => result,
        Ok(None) => return Err(Error::not_found()),
        Err(_) if range.is_some() => return unsatisfiable(&media, &key).await,
        Err(error) => {
            tracing::error!(cause = %error, "the store cannot be reached");
            return Err(Error::unavailable(Code::StoreUnavailable, 5));
        }
    };
    Ok(stream(result, range.is_some(), &tag, format_of(&key)))
}

/// The bytes of a picture.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only the document knows it; files are streamed")]
pub struct MediaFile(String);

/// Longer than any key that we make.
const KEY_MAX: usize = 200;

/// Keys that we make: a folder of ours and an extension of ours. Anything else in the folder of the local store is nobody's
/// business.
fn is_served(key: &str) -> bool {
    let mut folders: Vec<&str> = key.split('/').collect();
    let file = folders.pop().unwrap_or_default();
    let (stem, extension) = file.split_once('.').unwrap_or_default();
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    key.len() <= KEY_MAX
        && folders.len() == AVATAR.upload_to.split('/').count()
        && folders.first() == AVATAR.upload_to.split('/').next().as_ref()
        && folders.into_iter().all(is_plain)
        && is_plain(stem)
        && matches!(extension, "jpg" | "png" | "webp")
}

/// A key is never used twice, so it tells the bytes.
fn tag_of(key: &str) -> String {
    format!("\"{:032x}\"", xxh3_128(key.as_bytes()))
}

/// The one range that is asked for, unless `If-Range` names another file. Several ranges are answered with the whole, as
/// RFC 9110, section 14.2 allows.
fn range(request: &HttpRequest, tag: &str) -> Option<GetRange> {
    let value = request.headers().get(header::RANGE)?.to_str().ok()?;
    if let Some(condition) = request.headers().get(header::IF_RANGE)
        && condition.to_str().ok() != Some(tag)
    {
        return None;
    }
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => Some(GetRange::Bounded(first..last.saturating_add(1))),
        (Ok(first), Err(_)) if last.trim().is_empty() => Some(GetRange::Offset(first)),
        (Err(_), Ok(length)) if first.trim().is_empty() => Some(GetRange::Suffix(length)),
        _ => None,
    }
}

async fn unsatisfiable(media: &Media, key: &str) -> Result<HttpResponse> {
    let head = media.store().get(key, GetOptions { head: true, ..GetOptions::default() }).await;
    match head {
        Ok(Some(result)) => {
            let error = Error::refused(Code::RangeNotSatisfiable, "The file is shorter.");
            let length = super::conditional::header_value(&format!("bytes */{}", result.meta.size))?;
            Err(error.header(header::CONTENT_RANGE, length))
        }
        Ok(None) => Err(Error::not_found()),
        Err(error) => {
            tracing::error!(cause = %error, "the store cannot be reached");
            Err(Error::unavailable(Code::StoreUnavailable, 5))
        }
    }
}

fn stream(result: GetResult, is_part: bool, tag: &str, format: Format) -> HttpResponse {
    let (served, size) = (result.range.clone(), result.meta.size);
    let mut response =
        HttpResponse::build(if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    set_headers(&mut response, tag, format);
    response.insert_header((header::ACCEPT_RANGES, "bytes"));
    if is_part {
        let last = served.end.saturating_sub(1);
        response.insert_header((header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", served.start)));
    }
    response.no_chunking(served.end - served.start);
    response.streaming(result.into_stream().map_err(|error| {
        tracing::error!(cause = %error, "a file broke off");
        Error::internal(error)
    }))
}

fn set_headers(response: &mut actix_web::HttpResponseBuilder, tag: &str, format: Format) {
    response
        .content_type(format.content_type())
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, IMMUTABLE))
        .insert_header((header::CONTENT_DISPOSITION, "inline"))
        // An image that somebody opens by itself runs nothing, whatever a browser makes of it.
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
}

fn not_modified(tag: &str) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, IMMUTABLE))
        .finish()
}

/// Read a file of the avatar that is drawn from a username.
///
/// Initials on a colour, or a pattern where the font lacks the letters: the same for the same name, for ever.
#[utoipa::path(
    get, path = "/media/default-avatars/{username}/{file}", operation_id = "getDefaultAvatar", tag = "media", security(()),
    params(
        ("username" = String, Path, description = "Username"),
        ("file" = String, Path, description = "As in the URL of a variant")
    ),
    responses((status = 200, description = "The file", content_type = "image/*", body = MediaFile), Refusals)
)]
#[get("/media/default-avatars/{username}/{file}")]
pub async fn get_default_avatar(request: HttpRequest, media: Data<Media>) -> Result<HttpResponse> {
    let (username, file) = (path::segment(&request, "username")?, path::segment(&request, "file")?);
    let is_name = Username::parse(&username).is_some();
    let found = AVATAR.variants.iter().find_map(|variant| {
        let format =
            DEFAULT_FORMATS.into_iter().find(|f| file == format!("{}.{}", variant.name, f.extension()))?;
        Some((variant, format))
    });
    let (variant, format) = found.filter(|_| is_name).ok_or_else(Error::not_found)?;
    let tag = tag_of(request.path());
    if matches_any(request.headers(), &header::IF_NONE_MATCH, &tag) {
        return Ok(not_modified(&tag));
    }
    let bytes: Bytes = media.default_avatar(&username, variant, format).await?;
    let mut response = HttpResponse::Ok();
    set_headers(&mut response, &tag, format);
    Ok(response.body(bytes))
}
