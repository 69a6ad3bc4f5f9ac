//! Processing of uploaded pictures: bytes in, bytes out, nothing else.
//!
//! The bytes that a client sends are never stored. They are inspected ([`inspect`], by the header alone), decoded once
//! ([`decode`]) into a [`Picture`] that is upright, sRGB and no larger than requested, and encoded again. Metadata and trailing
//! bytes cannot get through, because a `Picture` consists of pixels only.
//!
//! All functions block and compute: call them outside the async threads, and reserve [`Header::memory`]. `jpeg`, `webp` and `gif`
//! walk the containers before a decoder sees them, because decoders tolerate what this crate must not (a truncated JPEG is only a
//! warning to most) and trust sizes that this crate must not. Two of the codecs are written in C: libjpeg-turbo, which browsers
//! use for decoding too, and libwebp, which only encodes here.
//!
//! Containing panics needs `panic = "unwind"`, the default.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sides are at most 65,535 and colours fit a byte, both checked where they come in"
)]

mod blurhash;
mod encode;
mod exif;
mod gif;
mod graphic;
mod initials;
mod jpeg;
mod jpeg_layout;
mod lost;
mod picture;
mod png;
mod profile;
mod raster;
mod resize;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

pub use encode::{Effort, EncodedPicture};
pub use initials::default_avatar;
pub use picture::Picture;
pub use resize::Resize;

/// The size up to which a picture is decoded. A picture that claims to be larger is rejected without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of pixels of the whole picture.
    pub max_pixels: u64,
    /// Maximum number of pixels along the longer side.
    pub max_side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 40_000_000, max_side: 16_384 }
    }
}

/// The supported formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF: read (the first frame), never written.
    Gif,
}

impl Format {
    /// Returns the format of these bytes by their signature, whatever a file name or a header says.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }

    #[must_use]
    /// Returns the value for a `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// Returns the name that people use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        }
    }

    /// Returns the file name extension, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
        }
    }
}

/// The reason why a picture is rejected. The texts are for clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejection {
    #[error("The file is not a supported JPEG, PNG, WebP or GIF picture.")]
    /// The content is in none of the formats, or in a variety of one that is not supported.
    Unsupported,
    #[error("The picture is too large: it has {width}×{height} pixels.")]
    /// The header claims more pixels than [`Limits`] allow.
    TooLarge {
        /// Width in pixels, as claimed.
        width: u32,
        /// Height in pixels, as claimed.
        height: u32,
    },
    #[error("The picture is damaged: {0}.")]
    /// The picture is truncated or cannot be decoded. The text says what is wrong.
    Corrupt(&'static str),
    #[error(transparent)]
    /// The picture is valid; processing it failed.
    Fault(#[from] Fault),
}

/// A fault of this crate, which must never happen: a codec or the resampler rejects what it must accept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    fn new(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// What a picture claims about itself before its pixels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format, by the content.
    pub format: Format,
    /// The width as stored, before an orientation is applied.
    pub width: u32,
    /// The height as stored, before an orientation is applied.
    pub height: u32,
    /// Bytes per pixel after decoding.
    channels: u64,
    /// Whether all pixels must be decoded before the first is resampled.
    is_whole: bool,
    /// Bytes of the decoder's internal buffers, whatever happens to the pixels.
    decoding: u64,
}

/// Bytes for encoding, a small variant and the preview, besides the picture.
const WORKING_SPACE: u64 = 8 << 20;

impl Header {
    /// Returns an upper estimate of the bytes that [`decode`] and the later work on its result need at a time. The encoded bytes
    /// belong to the caller and are not included. `tests/memory.rs` checks every format against its estimate.
    #[must_use]
    pub fn memory(&self, bound: u32) -> u64 {
        // Rotation and conversion copy the decoded pixels, and so does a PNG of pixels that do not compress.
        let copy = self.kept(bound) + self.kept(bound) / 4;
        self.decoded(bound).saturating_add(copy + WORKING_SPACE)
    }

    /// Returns the size of the picture that [`decode`] produces, before its orientation is applied.
    #[must_use]
    pub fn size(&self, bound: u32) -> (u32, u32) {
        Resize::Fit { width: bound, height: bound }.size(self.width, self.height)
    }

    /// Returns the bytes needed until the pixels are decoded and no larger than the bound.
    fn decoded(&self, bound: u32) -> u64 {
        let whole = Self::pixels(self.width, self.height).saturating_mul(self.channels);
        let plan = Resize::Fit { width: bound, height: bound }.plan(self.width, self.height);
        let source = match (self.is_whole, plan.keeps(self.width, self.height)) {
            (true, true) => whole,
            (true, false) => {
                whole.saturating_add(self.kept(bound) + plan.band_memory(self.width, self.channels))
            }
            (false, true) => self.kept(bound),
            (false, false) => self.kept(bound) + plan.window_memory(self.width, self.height, self.channels),
        };
        self.decoding.saturating_add(source)
    }

    fn kept(&self, bound: u32) -> u64 {
        let (width, height) = self.size(bound);
        // Grey pixels are expanded to three channels.
        Self::pixels(width, height) * self.channels.max(3)
    }

    fn pixels(width: u32, height: u32) -> u64 {
        u64::from(width) * u64::from(height)
    }

    fn within(self, limits: &Limits) -> Result<Self, Rejection> {
        let Self { width, height, .. } = self;
        if width == 0 || height == 0 {
            return Err(Rejection::Corrupt("it has no pixels"));
        }
        let fits = width.max(height) <= limits.max_side && Self::pixels(width, height) <= limits.max_pixels;
        if fits { Ok(self) } else { Err(Rejection::TooLarge { width, height }) }
    }
}

/// Returns the bytes needed to make a variant of a picture that was encoded by this crate, besides those of the picture itself.
#[must_use]
pub fn memory_of_variant(source: (u32, u32), resize: Resize, original: Format, effort: Effort) -> u64 {
    let (width, height) = resize.size(source.0, source.1);
    Header::pixels(width, height) * (4 + effort.bytes_per_pixel(original != Format::Jpeg))
}

/// Returns the bytes needed to read a picture that was encoded by this crate: without progressive scans, without interlacing.
#[must_use]
pub fn memory_of_original((width, height): (u32, u32)) -> u64 {
    Header::pixels(width, height) * 4 + WORKING_SPACE
}

/// Reads the format and the size from the header, without allocating a pixel.
///
/// # Errors
///
/// [`Rejection`] if the bytes are not a picture, have no readable header, or claim more pixels than the limits allow. Only
/// [`decode`] can tell whether the rest is complete.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Header, Rejection> {
    let format = Format::sniff(bytes).ok_or(Rejection::Unsupported)?;
    let header = match format {
        Format::Jpeg => jpeg::header(bytes),
        Format::Png => png::header(bytes),
        Format::WebP => webp::header(bytes),
        Format::Gif => gif::header(bytes),
    }?;
    header.within(limits)
}

/// Decodes a whole picture: upright, sRGB, with its alpha, the first frame of an animation, and no side longer than `bound`
/// pixels.
///
/// The bound is part of decoding because all steps after the downscale (rotation, colour conversion) then work on the small
/// picture, and the large one is never copied.
///
/// # Errors
///
/// The errors of [`inspect`]; [`Rejection::Corrupt`] if anything is missing or wrong in the rest, including a panic of a decoder;
/// and [`Rejection::Fault`].
pub fn decode(bytes: &[u8], limits: &Limits, bound: u32) -> Result<Picture, Rejection> {
    let header = inspect(bytes, limits)?;
    contained(|| {
        let decoded = match header.format {
            Format::Jpeg => jpeg::decode(bytes, header, bound),
            Format::Png => png::decode(bytes, header, bound),
            Format::WebP => webp::decode(bytes, header),
            Format::Gif => gif::decode(bytes, header),
        }?;
        Ok(Picture::develop(decoded, header.format, bound)?)
    })
}

/// A decoder that panics received broken data. The panic must not end the process.
fn contained(decode: impl FnOnce() -> Result<Picture, Rejection>) -> Result<Picture, Rejection> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(Rejection::Corrupt("it cannot be decoded")))
}
