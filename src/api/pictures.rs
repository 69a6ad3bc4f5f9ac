//! How pictures and people look in every resource that mentions them.

use serde::Serialize;
use utoipa::ToSchema;

use super::urls::Urls;
use crate::media::image::{Format, Resize};
use crate::media::variants::{self, AVATAR, Variant};
use crate::models::picture;
use crate::models::post::Person;

/// A picture in all its sizes, enough to build a `srcset` from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Picture {
    /// The largest file.
    #[schema(format = "uri")]
    pub url: String,
    /// Pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// Of the largest file.
    #[schema(examples("image/jpeg"))]
    pub content_type: String,
    /// Size of the largest file; `null` for a default picture, which is drawn when it is asked for.
    #[schema(required, minimum = 1)]
    pub bytes: Option<i64>,
    /// Whether nobody has uploaded one.
    pub is_default: bool,
    /// A blurred preview (blurha.sh); `null` for a default picture.
    #[schema(required, examples("LEHV6nWB2yk8pyo0adR*.7kCMdnj"))]
    pub blurhash: Option<String>,
    /// The named sizes, WebP first.
    pub variants: Vec<PictureVariant>,
}

/// One size of a picture in one format.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureVariant {
    /// The size's name.
    #[schema(examples("256"))]
    pub name: String,
    /// The file.
    #[schema(format = "uri")]
    pub url: String,
    /// Pixels.
    #[schema(minimum = 1)]
    pub width: u32,
    /// Pixels.
    #[schema(minimum = 1)]
    pub height: u32,
    /// Its format.
    #[schema(examples("image/webp"))]
    pub content_type: String,
}

/// A user where another resource mentions one.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserRef {
    /// Unique whatever the case; never changes.
    #[schema(examples("ana"))]
    pub username: String,
    /// What the user is called.
    #[schema(examples("Ana García"))]
    pub display_name: String,
    /// The user's canonical URL.
    #[schema(format = "uri")]
    pub url: String,
    /// A square picture.
    #[schema(format = "uri")]
    pub avatar_url: String,
}

impl Picture {
    /// A user's avatar: the uploaded one, or else the one that is drawn from the name.
    pub fn avatar(urls: &Urls, username: &str, uploaded: Option<&picture::Picture>) -> Self {
        match uploaded {
            Some(row) => Self::uploaded(urls, row, AVATAR.variants),
            None => Self::default_avatar(urls, username),
        }
    }

    fn uploaded(urls: &Urls, row: &picture::Picture, named: &[Variant]) -> Self {
        let format = variants::format_of(&row.key);
        let url = |variant: &Variant, format| urls.media(&variants::key_of(&row.key, variant.name, format));
        Self {
            url: urls.media(&row.key),
            width: row.width.unsigned_abs(),
            height: row.height.unsigned_abs(),
            content_type: format.content_type().to_owned(),
            bytes: Some(row.bytes),
            is_default: false,
            blurhash: Some(row.blurhash.clone()),
            variants: list(
                named,
                (row.width.unsigned_abs(), row.height.unsigned_abs()),
                variants::formats(format),
                url,
            ),
        }
    }

    fn default_avatar(urls: &Urls, username: &str) -> Self {
        let url = |variant: &Variant, format: Format| {
            urls.default_avatar(username, &format!("{}.{}", variant.name, format.extension()))
        };
        let all = list(AVATAR.variants, (1, 1), DEFAULT_FORMATS, url);
        let largest = AVATAR.variants.last().map_or((256, 256), |variant| variant.resize.size(1, 1));
        Self {
            url: AVATAR.variants.last().map(|variant| url(variant, Format::Jpeg)).unwrap_or_default(),
            width: largest.0,
            height: largest.1,
            content_type: Format::Jpeg.content_type().to_owned(),
            bytes: None,
            is_default: true,
            blurhash: None,
            variants: all,
        }
    }
}

/// The formats that default avatars come in.
pub const DEFAULT_FORMATS: [Format; 2] = [Format::WebP, Format::Jpeg];

fn list(
    named: &[Variant],
    of: (u32, u32),
    formats: [Format; 2],
    url: impl Fn(&Variant, Format) -> String,
) -> Vec<PictureVariant> {
    formats
        .into_iter()
        .flat_map(|format| named.iter().map(move |variant| (variant, format)))
        .map(|(variant, format)| {
            let (width, height) = variant.resize.size(of.0, of.1);
            PictureVariant {
                name: variant.name.to_owned(),
                url: url(variant, format),
                width,
                height,
                content_type: format.content_type().to_owned(),
            }
        })
        .collect()
}

impl UserRef {
    /// Somebody whom a row mentions.
    pub fn of(person: &Person, urls: &Urls) -> Self {
        let square = AVATAR.variants.iter().find(|variant| matches!(variant.resize, Resize::Fill { .. }));
        let name = square.map(|variant| variant.name).unwrap_or_default();
        let avatar_url = match &person.avatar_key {
            Some(key) => urls.media(&variants::key_of(key, name, Format::WebP)),
            None => urls.default_avatar(&person.username, &format!("{name}.webp")),
        };
        Self {
            username: person.username.clone(),
            display_name: person.display_name.clone(),
            url: urls.user(&person.username),
            avatar_url,
        }
    }
}
