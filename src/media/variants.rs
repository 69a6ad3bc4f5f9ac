//! Named variants: which sizes of a picture there are, and under which keys.
//!
//! Only named ones exist, so no one can fill the store by asking for sizes. A variant's key follows from the original's,
//! so no URL of one is ever read from the database.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use plaza_image::{Format, Resize};

/// A size that pictures are made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Names it in keys and in the API.
    pub name: String,
    /// How it is made.
    pub resize: Resize,
}

/// What a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A profile's.
    Avatar,
    /// A post's.
    Cover,
}

impl Purpose {
    /// As in the database and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avatar => "avatar",
            Self::Cover => "cover",
        }
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Avatar, Self::Cover].into_iter().find(|purpose| purpose.as_str() == text).ok_or(())
    }
}

/// A folder of the store: a strftime pattern, as Django's `upload_to`.
#[derive(Clone, Debug)]
pub struct Folder(pub(crate) String);

impl Folder {
    /// Of this time.
    pub fn at(&self, time: DateTime<Utc>) -> String {
        time.format(&self.0).to_string()
    }
}

/// A variant of a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of which use.
    pub purpose: Purpose,
    /// Its name.
    pub name: String,
}

/// What pictures of one purpose are like: where they go, and which variants they have.
#[derive(Clone, Debug)]
pub struct Use {
    /// For what.
    pub purpose: Purpose,
    /// Where the originals go.
    pub folder: Folder,
    /// The sizes, in the order of the settings.
    pub variants: Vec<Variant>,
    /// The names of those that are made at upload.
    pub at_upload: Vec<String>,
}

/// What all pictures are like.
#[derive(Clone, Debug)]
pub struct Uses {
    /// Avatars.
    pub avatar: Use,
    /// Covers.
    pub cover: Use,
    /// The variant of an avatar that is shown where a user is mentioned: a square.
    pub square: String,
}

impl Uses {
    /// Of one purpose.
    pub fn of(&self, purpose: Purpose) -> &Use {
        match purpose {
            Purpose::Avatar => &self.avatar,
            Purpose::Cover => &self.cover,
        }
    }
}

impl Use {
    /// The variant of this name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// `avatars/2026/11/20/<128 random bits>.jpg`: never from the client's file name, never used twice.
    pub fn new_key(&self, format: Format) -> String {
        format!("{}/{}.{}", self.folder.at(Utc::now()), uuid::Uuid::new_v4().simple(), format.extension())
    }
}

/// The formats that a variant of this original comes in, WebP first. What has an alpha channel is PNG, and stays so.
pub fn formats(original: Format) -> [Format; 2] {
    match original {
        Format::Png => [Format::WebP, Format::Png],
        _ => [Format::WebP, Format::Jpeg],
    }
}

/// The format that a key's extension tells; JPEG where it tells none.
pub fn format_of(key: &str) -> Format {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("png") => Format::Png,
        Some("webp") => Format::WebP,
        _ => Format::Jpeg,
    }
}

/// `avatars/2026/11/20/x.jpg` and `256` give `avatars/2026/11/20/x_256.webp`.
pub fn key_of(original: &str, variant: &str, format: Format) -> String {
    let stem = original.rsplit_once('.').map_or(original, |(stem, _)| stem);
    format!("{stem}_{variant}.{}", format.extension())
}

/// Longer than any key that we make.
const KEY_MAX: usize = 200;

/// What a key says of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// Folder and random name, without variant and extension.
    stem: &'a str,
    /// The variant's name; `None` for an original.
    pub variant: Option<&'a str>,
    /// By the extension.
    pub format: Format,
}

impl<'a> Key<'a> {
    /// `None` for what is no key of ours: whatever else lies in the folder of a local store is nobody's business.
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

    /// The keys that the original of a variant may have.
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
