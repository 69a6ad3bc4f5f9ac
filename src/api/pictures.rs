//! The representations of pictures and users in every resource that refers to them.

use plaza_image::Format;
use serde::Serialize;
use utoipa::ToSchema;

use crate::media::defaults::{self, AVATAR_FORMATS, COVER_KEY};
use crate::media::variants::{self, PictureKind, Variant};
use crate::models::picture;
use crate::models::profile::Person;
use crate::urls::Urls;

/// A picture in all its sizes, with all that a `srcset` needs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Picture {
    /// URL of the largest file.
    #[schema(format = "uri")]
    pub url: String,
    /// Width of the largest file in pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Height of the largest file in pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// Content type of the largest file.
    #[schema(examples("image/jpeg"))]
    pub content_type: &'static str,
    /// Size of the largest file in bytes; `null` for a default avatar, which is drawn when it is requested.
    #[schema(required, minimum = 1)]
    pub bytes: Option<i64>,
    /// Whether this is a default picture, since none was uploaded.
    pub is_default: bool,
    /// A blurred preview (blurha.sh); `null` for a default avatar.
    #[schema(required, examples("LEHV6nWB2yk8pyo0adR*.7kCMdnj"))]
    pub blurhash: Option<String>,
    /// Files of the named sizes, WebP first.
    pub variants: Vec<PictureVariant>,
}

/// One size of a picture in one format.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureVariant {
    /// Name of the size.
    #[schema(examples("256"))]
    pub name: String,
    /// URL of the file.
    #[schema(format = "uri")]
    pub url: String,
    /// Width in pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Height in pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// Content type of the file.
    #[schema(examples("image/webp"))]
    pub content_type: &'static str,
}

/// A user that another resource refers to.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserRef {
    /// Unique regardless of case; never changes.
    #[schema(examples("ana"))]
    pub username: String,
    /// Name to show for the user.
    #[schema(examples("Ana García"))]
    pub display_name: String,
    /// The user's canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// URL of a square avatar.
    #[schema(format = "uri")]
    pub avatar_url: String,
}

impl Picture {
    /// Return a user's avatar: the uploaded one, or else the one that is drawn from the username.
    pub fn avatar(urls: &Urls, username: &str, uploaded: Option<&picture::Picture>) -> Self {
        match uploaded {
            Some(row) => Self::uploaded(urls, row, &urls.kinds().avatar),
            None => Self::default_avatar(urls, username),
        }
    }

    /// Return a post's cover: the uploaded one, or else the one that is shipped with the program.
    pub fn cover(urls: &Urls, uploaded: Option<&picture::Picture>) -> Self {
        match uploaded {
            Some(row) => Self::uploaded(urls, row, &urls.kinds().cover),
            None => Self::default_cover(urls),
        }
    }

    fn uploaded(urls: &Urls, row: &picture::Picture, of: &PictureKind) -> Self {
        let format = variants::format_of(&row.key);
        let size = (row.width.unsigned_abs(), row.height.unsigned_abs());
        Self {
            url: urls.media(&row.key),
            width: size.0,
            height: size.1,
            content_type: format.content_type(),
            bytes: Some(row.bytes),
            is_default: false,
            blurhash: Some(row.blurhash.clone()),
            variants: list(
                &of.variants,
                variants::formats(format),
                |variant| variant.resize.size(size.0, size.1),
                |variant, format| urls.media(&variants::key_of(&row.key, &variant.name, format)),
            ),
        }
    }

    fn default_avatar(urls: &Urls, username: &str) -> Self {
        let all = list(
            &urls.kinds().avatar.variants,
            AVATAR_FORMATS,
            |variant| defaults::avatar_size(variant.resize),
            |variant, format| {
                urls.default_avatar(username, &format!("{}.{}", variant.name, format.extension()))
            },
        );
        let jpegs = all.iter().filter(|variant| variant.content_type == Format::Jpeg.content_type());
        let largest = jpegs.max_by_key(|variant| variant.width);
        Self {
            url: largest.map(|variant| variant.url.clone()).unwrap_or_default(),
            width: largest.map_or(1, |variant| variant.width),
            height: largest.map_or(1, |variant| variant.height),
            content_type: Format::Jpeg.content_type(),
            bytes: None,
            is_default: true,
            blurhash: None,
            variants: all,
        }
    }

    fn default_cover(urls: &Urls) -> Self {
        let (width, height) = defaults::COVER_SIZE;
        Self {
            url: urls.default_cover(COVER_KEY),
            width,
            height,
            content_type: Format::Png.content_type(),
            bytes: i64::try_from(defaults::COVER.len()).ok(),
            is_default: true,
            blurhash: Some(defaults::COVER_BLURHASH.to_owned()),
            variants: list(
                &urls.kinds().cover.variants,
                variants::formats(Format::Png),
                |variant| variant.resize.size(width, height),
                |variant, format| urls.default_cover(&variants::key_of(COVER_KEY, &variant.name, format)),
            ),
        }
    }
}

fn list(
    named: &[Variant],
    formats: [Format; 2],
    size: impl Fn(&Variant) -> (u32, u32),
    url: impl Fn(&Variant, Format) -> String,
) -> Vec<PictureVariant> {
    formats
        .into_iter()
        .flat_map(|format| named.iter().map(move |variant| (variant, format)))
        .map(|(variant, format)| {
            let (width, height) = size(variant);
            PictureVariant {
                name: variant.name.clone(),
                url: url(variant, format),
                width,
                height,
                content_type: format.content_type(),
            }
        })
        .collect()
}

impl UserRef {
    /// Represent a user whom a row refers to.
    pub fn of(person: &Person, urls: &Urls) -> Self {
        let square = &urls.kinds().square;
        let avatar_url = match &person.avatar_key {
            Some(key) => urls.media(&variants::key_of(key, square, Format::WebP)),
            None => urls.default_avatar(&person.username, &format!("{square}.webp")),
        };
        Self {
            username: person.username.clone(),
            display_name: person.display_name.clone(),
            url: urls.user(&person.username),
            avatar_url,
        }
    }
}
