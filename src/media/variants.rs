//! Named variants: which sizes of a picture exist, and under which keys.
//!
//! Only named variants exist, so no client can fill the store by requesting sizes. A variant's key is derived from the
//! original's, so the URL of a variant is never read from the database.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use plaza_image::{Format, Resize};

/// A size that pictures are made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name in keys and in the API.
    pub name: String,
    /// How it is made from the original.
    pub resize: Resize,
}

/// The purpose of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PicturePurpose {
    /// The avatar of a profile.
    Avatar,
    /// The cover of a post.
    Cover,
}

impl PicturePurpose {
    /// Return the name in the database and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avatar => "avatar",
            Self::Cover => "cover",
        }
    }
}

impl FromStr for PicturePurpose {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Avatar, Self::Cover].into_iter().find(|purpose| purpose.as_str() == text).ok_or(())
    }
}

/// A folder of the store: a strftime pattern, like Django's `upload_to`.
#[derive(Clone, Debug)]
pub struct Folder(pub(crate) String);

impl Folder {
    /// Return the folder at this time.
    pub fn at(&self, time: DateTime<Utc>) -> String {
        time.format(&self.0).to_string()
    }
}

/// The name of a variant, and the purpose of the pictures that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantName {
    /// The purpose of the pictures.
    pub purpose: PicturePurpose,
    /// The name of the variant.
    pub name: String,
}

/// The settings of pictures of one purpose: where they are stored, and which variants they have.
#[derive(Clone, Debug)]
pub struct PictureKind {
    /// The purpose.
    pub purpose: PicturePurpose,
    /// The folder of the originals.
    pub folder: Folder,
    /// The variants, in the order of the settings.
    pub variants: Vec<Variant>,
    /// The names of the variants that are made at upload.
    pub at_upload: Vec<String>,
}

/// The settings of all pictures.
#[derive(Clone, Debug)]
pub struct PictureKinds {
    /// Avatars.
    pub avatar: PictureKind,
    /// Covers.
    pub cover: PictureKind,
    /// The name of the avatar variant that is shown where a user is mentioned: a square.
    pub square: String,
}

impl PictureKinds {
    /// Return the settings of one purpose.
    pub fn of(&self, purpose: PicturePurpose) -> &PictureKind {
        match purpose {
            PicturePurpose::Avatar => &self.avatar,
            PicturePurpose::Cover => &self.cover,
        }
    }
}

impl PictureKind {
    /// Return the variant of this name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// Return a new key, such as `avatars/2026/11/20/<128 random bits>.jpg`. It does not depend on the client's file name, and is
    /// never used twice.
    pub fn new_key(&self, format: Format) -> String {
        format!("{}/{}.{}", self.folder.at(Utc::now()), uuid::Uuid::new_v4().simple(), format.extension())
    }
}

/// Return the formats that the variants of this original have, WebP first. An original with an alpha channel is PNG, and its
/// second format stays PNG.
pub fn formats(original: Format) -> [Format; 2] {
    match original {
        Format::Png => [Format::WebP, Format::Png],
        _ => [Format::WebP, Format::Jpeg],
    }
}

/// Return the format that a key's extension indicates, or JPEG if it indicates none.
pub fn format_of(key: &str) -> Format {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("png") => Format::Png,
        Some("webp") => Format::WebP,
        _ => Format::Jpeg,
    }
}

/// Return the key of a variant: `avatars/2026/11/20/x.jpg` and `256` give `avatars/2026/11/20/x_256.webp`.
pub fn key_of(original: &str, variant: &str, format: Format) -> String {
    let stem = original.rsplit_once('.').map_or(original, |(stem, _)| stem);
    format!("{stem}_{variant}.{}", format.extension())
}

/// Maximum length of a key: longer than any key that Plaza makes.
const KEY_MAX: usize = 200;

/// What a key tells about its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The folder and the random name, without variant and extension.
    stem: &'a str,
    /// The variant's name; `None` for an original.
    pub variant: Option<&'a str>,
    /// The format, from the extension.
    pub format: Format,
}

impl<'a> Key<'a> {
    /// Parse a key. `None` if it is not a key that Plaza makes: other files in the folder of a local store must stay
    /// inaccessible.
    pub fn parse(key: &'a str) -> Option<Self> {
        let is_plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        if key.len() > KEY_MAX {
            return None;
        }
        let (path, extension) = key.rsplit_once('.')?;
        let (folder, name) = path.rsplit_once('/')?;
        let (random, variant) = match name.split_once('_') {
            Some((random, variant)) => (random, Some(variant)),
            None => (name, None),
        };
        let is_random =
            random.len() == 32 && random.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let format = match (extension, variant) {
            ("jpg", _) => Format::Jpeg,
            ("png", _) => Format::Png,
            ("webp", Some(_)) => Format::WebP,
            _ => return None,
        };
        let is_ours = is_random && folder.split('/').all(is_plain) && variant.is_none_or(is_plain);
        is_ours.then(|| Self { stem: &key[..folder.len() + 1 + random.len()], variant, format })
    }

    /// Return the keys that the original of a variant may have.
    pub fn originals(&self) -> Vec<String> {
        let formats = match self.format {
            Format::WebP => vec![Format::Jpeg, Format::Png],
            format => vec![format],
        };
        formats.into_iter().map(|format| format!("{}.{}", self.stem, format.extension())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEM: &str = "avatars/2026/11/20/0123456789abcdef0123456789abcdef";

    #[test]
    fn a_key_tells_its_original_and_its_variant() {
        for (original, format) in [("jpg", Format::Jpeg), ("png", Format::Png)] {
            let original = format!("{STEM}.{original}");
            let key = Key::parse(&original).expect("a key");
            assert_eq!((key.variant, key.format), (None, format));
            for format in formats(format) {
                let variant = key_of(&original, "my_wide-one", format);
                let key = Key::parse(&variant).expect("a key");
                assert_eq!((key.variant, key.format), (Some("my_wide-one"), format));
                assert!(key.originals().contains(&original), "{variant}");
            }
        }
    }

    #[test]
    fn what_is_no_key_of_ours_is_none() {
        let long = format!("{}/{STEM}.jpg", "x".repeat(200));
        for wrong in [
            "",
            "0123456789abcdef0123456789abcdef.jpg",
            "avatars/me.jpg",
            "avatars/0123456789ABCDEF0123456789ABCDEF.jpg",
            "avatars/0123456789abcdef0123456789abcdef",
            "avatars/0123456789abcdef0123456789abcdef.webp",
            "avatars/0123456789abcdef0123456789abcdef.gif",
            "avatars/0123456789abcdef0123456789abcdef_.jpg",
            "avatars/0123456789abcdef0123456789abcdef_a/b.jpg",
            "avatars/0123456789abcdef0123456789abcdef_256.webp#1",
            "../0123456789abcdef0123456789abcdef.jpg",
            "avatars//0123456789abcdef0123456789abcdef.jpg",
            "/avatars/0123456789abcdef0123456789abcdef.jpg",
            &long,
        ] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }
}
