//! The files of pictures: immutable, also served in ranges, and served without the database.

use actix_web::http::header::{ByteRangeSpec, ContentRange, ContentRangeSpec, Range};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{GetOptions, GetRange, GetResult};
use plaza_image::Format;
use xxhash_rust::xxh3::xxh3_128;

use super::conditional::matches_any;
use super::document::Refusals;
use super::path;
use crate::api::state::AppState;
use crate::error::{Code, Error, Result};
use crate::media::defaults::{AVATAR_FORMATS, COVER, COVER_KEY};
use crate::media::store::{IMMUTABLE, unavailable};
use crate::media::variants::{Key, PictureKinds, Variant, format_of, formats, key_of};
use crate::media::{Media, VariantOutcome};
use crate::models::names::Username;

/// Read a file.
///
/// Open to all clients. The file under a URL never changes; browsers and CDNs may cache it for a year. A variant is made at the
/// first request for it; 404 `source_missing` if its original is no longer in the store. A request can ask for one range; a
/// request for several ranges gets the whole file.
#[utoipa::path(
    get, path = "/media/{key}", operation_id = "getMedia", tag = "media", security(()),
    params(
        ("key" = String, Path, description = "Key, as in the URL of a picture; may contain slashes."),
        ("Range" = Option<String>, Header, description = "One range of bytes.")
    ),
    responses(
        (status = 200, description = "The file", content_type = "image/*", body = MediaFile),
        (status = 206, description = "The requested part", content_type = "image/*", body = MediaFile),
        Refusals
    )
)]
#[get("/media/{key:.*}")]
pub async fn get_media(app: AppState, request: HttpRequest) -> Result<HttpResponse> {
    let key = path::segment(&request, "key")?;
    if let Some(found) = DefaultCover::parse(&key, app.media.kinds()) {
        return found.answer(&request, &app.media).await;
    }
    let Some(parsed) = Key::parse(&key).filter(|_| app.serves_media) else {
        return Err(Error::not_found());
    };
    let tag = tag_of(key.as_bytes());
    if let Some(file) = stored(&request, &app.media, &key, &tag).await? {
        return Ok(file);
    }
    if parsed.variant.is_none() {
        return Err(Error::not_found());
    }
    match app.media.make(&key).await? {
        VariantOutcome::InStore => {
            stored(&request, &app.media, &key, &tag).await?.ok_or_else(Error::not_found)
        }
        VariantOutcome::Unknown => Err(Error::not_found()),
        VariantOutcome::SourceMissing => {
            Err(Error::refused(Code::SourceMissing, Code::SourceMissing.entry().meaning))
        }
    }
}

/// Return a file of the store; `None` if it does not exist.
async fn stored(request: &HttpRequest, media: &Media, key: &str, tag: &str) -> Result<Option<HttpResponse>> {
    // A client that has the file gets 304 only as long as the file exists.
    if matches_any(request.headers(), &header::IF_NONE_MATCH, tag) {
        let found = media.store().exists(key).await.map_err(|error| unavailable(&error))?;
        return Ok(found.then(|| not_modified(tag, IMMUTABLE)));
    }
    let range = range(request, tag);
    let options = GetOptions { range: range.clone(), ..GetOptions::default() };
    let found = match (media.store().get(key, options).await, &range) {
        // `within` asks the store again, and reports what fails then.
        (Err(_), Some(range)) => within(media, key, range).await?,
        // `bytes=-0` asks for the last zero bytes.
        (Ok(Some(result)), Some(range)) if result.range.is_empty() => within(media, key, range).await?,
        (found, _) => found.map_err(|error| unavailable(&error))?,
    };
    match found {
        Some(result) => answer(result, range.is_some(), tag, format_of(key)).await.map(Some),
        None => Ok(None),
    }
}

/// The bytes of a picture.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only the document knows it; files are streamed")]
pub struct MediaFile(String);

/// Return the entity tag for bytes. For a file of the store, they are those of its key: a key is never reused, so it identifies
/// the content.
fn tag_of(bytes: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(bytes))
}

/// Return the requested range, unless `If-Range` names another file. A request for several ranges gets the whole file, as RFC
/// 9110, section 14.2 allows.
fn range(request: &HttpRequest, tag: &str) -> Option<GetRange> {
    let value = request.headers().get(header::RANGE)?.to_str().ok()?;
    if let Some(condition) = request.headers().get(header::IF_RANGE)
        && condition.to_str().ok() != Some(tag)
    {
        return None;
    }
    // The parser accepts a sign before a number, and passes over what it cannot read between commas.
    if value.contains(['+', ',']) {
        return None;
    }
    let Ok(Range::Bytes(parts)) = value.parse() else { return None };
    match *parts.as_slice() {
        [ByteRangeSpec::FromTo(first, last)] if first <= last => {
            Some(GetRange::Bounded(first..last.saturating_add(1)))
        }
        [ByteRangeSpec::From(first)] => Some(GetRange::Offset(first)),
        [ByteRangeSpec::Last(length)] => Some(GetRange::Suffix(length)),
        _ => None,
    }
}

/// Return the part of a file that the store did not return. Stores report a range beyond the file in many different ways, and
/// some fail for the last 100 bytes of 50. So the size of the file decides: either the answer is 416, or the part is requested
/// again, by the numbers of its bytes.
async fn within(media: &Media, key: &str, range: &GetRange) -> Result<Option<GetResult>> {
    let get = async |options| media.store().get(key, options).await.map_err(|error| unavailable(&error));
    let Some(head) = get(GetOptions { head: true, ..GetOptions::default() }).await? else { return Ok(None) };
    let size = head.meta.size;
    match range.as_range(size) {
        Ok(part) if !part.is_empty() => {
            get(GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() }).await
        }
        _ => {
            let error =
                Error::refused(Code::RangeNotSatisfiable, "The range starts after the end of the file.");
            let length = super::conditional::header_value(&format!("bytes */{size}"))?;
            Err(error.header(header::CONTENT_RANGE, length))
        }
    }
}

/// Files up to this size are read as a whole, since reading a small file in chunks costs more than its bytes do.
const AT_ONCE: u64 = 256 << 10;

async fn answer(result: GetResult, is_part: bool, tag: &str, format: Format) -> Result<HttpResponse> {
    let (served, size) = (result.range.clone(), result.meta.size);
    let mut response =
        HttpResponse::build(if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
    set_headers(&mut response, tag, format, IMMUTABLE);
    response.insert_header((header::ACCEPT_RANGES, "bytes"));
    if is_part {
        let range = Some((served.start, served.end.saturating_sub(1)));
        response.insert_header(ContentRange(ContentRangeSpec::Bytes { range, instance_length: Some(size) }));
    }
    if served.end - served.start <= AT_ONCE {
        let bytes = result.bytes().await.map_err(|error| unavailable(&error.into()))?;
        return Ok(response.body(bytes));
    }
    response.no_chunking(served.end - served.start);
    Ok(response.streaming(result.into_stream().map_err(|error| {
        tracing::error!(cause = %error, "a file could not be read to its end");
        Error::internal(error)
    })))
}

fn set_headers(response: &mut HttpResponseBuilder, tag: &str, format: Format, caching: &'static str) {
    response
        .content_type(format.content_type())
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::CONTENT_DISPOSITION, "inline"))
        // An image that a user opens by itself cannot run anything, however a browser interprets it.
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
}

fn not_modified(tag: &str, caching: &'static str) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, caching))
        .finish()
}

/// The caching of default pictures, which may look different in another version of the program.
const FOR_A_DAY: &str = "public, max-age=86400";

fn default_picture(request: &HttpRequest, bytes: Bytes, format: Format) -> HttpResponse {
    let tag = tag_of(&bytes);
    if matches_any(request.headers(), &header::IF_NONE_MATCH, &tag) {
        return not_modified(&tag, FOR_A_DAY);
    }
    let mut response = HttpResponse::Ok();
    set_headers(&mut response, &tag, format, FOR_A_DAY);
    response.body(bytes)
}

/// A file of the default cover.
enum DefaultCover<'a> {
    Original,
    Variant(&'a Variant, Format),
}

impl<'a> DefaultCover<'a> {
    fn parse(key: &str, kinds: &'a PictureKinds) -> Option<Self> {
        if key == COVER_KEY {
            return Some(Self::Original);
        }
        let mut files = kinds.cover.variants.iter().flat_map(|variant| {
            formats(Format::Png).map(|format| (key_of(COVER_KEY, &variant.name, format), variant, format))
        });
        files.find(|(known, ..)| known == key).map(|(_, variant, format)| Self::Variant(variant, format))
    }

    async fn answer(&self, request: &HttpRequest, media: &Media) -> Result<HttpResponse> {
        let (bytes, format) = match *self {
            Self::Original => (Bytes::from_static(COVER), Format::Png),
            Self::Variant(variant, format) => (media.defaults().cover(variant, format).await?, format),
        };
        Ok(default_picture(request, bytes, format))
    }
}

/// Read a file of a default avatar.
///
/// Open to all clients. The avatar is drawn from the username: initials on a colour, or a pattern if the font lacks the letters.
/// A name always has the same avatar. Browsers may cache it for a day.
#[utoipa::path(
    get, path = "/media/default-avatars/{username}/{file}", operation_id = "getDefaultAvatar", tag = "media", security(()),
    params(
        ("username" = String, Path, description = "The username."),
        ("file" = String, Path, description = "File name, as in the URL of a variant.")
    ),
    responses((status = 200, description = "The file", content_type = "image/*", body = MediaFile), Refusals)
)]
#[get("/media/default-avatars/{username}/{file}")]
pub async fn get_default_avatar(app: AppState, request: HttpRequest) -> Result<HttpResponse> {
    let (username, file) = (path::segment(&request, "username")?, path::segment(&request, "file")?);
    let is_name = Username::parse(&username).is_some();
    let found = app.media.kinds().avatar.variants.iter().find_map(|variant| {
        let format =
            AVATAR_FORMATS.into_iter().find(|f| file == format!("{}.{}", variant.name, f.extension()))?;
        Some((variant, format))
    });
    let (variant, format) = found.filter(|_| is_name).ok_or_else(Error::not_found)?;
    let bytes = app.media.defaults().avatar(&username, variant, format).await?;
    Ok(default_picture(&request, bytes, format))
}
