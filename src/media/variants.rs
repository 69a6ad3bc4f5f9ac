//! Named variants: which sizes of a picture there are, and under which keys.
//!
//! Only named ones exist, so no one can fill the store by asking for sizes. A variant's key follows from the original's,
//! so no URL of one is ever read from the database.

use super::image::{Format, Resize};

/// A size that pictures are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Names it in keys and in the API.
    pub name: &'static str,
    /// How it is made.
    pub resize: Resize,
}

/// What a picture is for: where its files are, and which variants it has.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Where the originals go: a strftime pattern, as Django's `upload_to`.
    pub upload_to: &'static str,
    /// The sizes.
    pub variants: &'static [Variant],
}

/// Avatars: squares.
pub const AVATAR: Use = Use {
    upload_to: "avatars/%Y/%m/%d",
    variants: &[Variant { name: "256", resize: Resize::Fill { width: 256, height: 256 } }],
};

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

/// Every file of a picture: the original and its variants.
pub fn files_of(original: &str, of: &Use) -> Vec<String> {
    let variants = of.variants.iter().flat_map(|variant| {
        formats(format_of(original)).map(|format| key_of(original, variant.name, format))
    });
    std::iter::once(original.to_owned()).chain(variants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_follow_from_the_original() {
        assert_eq!(
            files_of("avatars/2026/11/20/x.jpg", &AVATAR),
            ["avatars/2026/11/20/x.jpg", "avatars/2026/11/20/x_256.webp", "avatars/2026/11/20/x_256.jpg"]
        );
        assert_eq!(files_of("a/y.png", &AVATAR), ["a/y.png", "a/y_256.webp", "a/y_256.png"]);
    }
}
