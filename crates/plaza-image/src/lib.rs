//! Uploaded pictures: bytes in, bytes out, nothing else.
//!
//! What a stranger sends is never kept. It is looked at ([`inspect`], by the header alone), decoded once ([`decode`]) into a [`Picture`]
//! that is upright, sRGB and at most as large as asked, and encoded anew; metadata and trailing bytes have no way through, because a
//! `Picture` is pixels only.
//!
//! Everything here blocks and computes: call it off the async threads, with [`Header::memory`] as the price. Containers are walked by
//! `jpeg`, `webp` and `gif` before a decoder sees them, since decoders forgive what we must not (a
//! truncated JPEG is a warning to most) and believe sizes that we must not. Two of the codecs are C: libjpeg-turbo, which browsers decode
//! with too, and libwebp, which only ever encodes.
//!
//! The panic containment needs `panic = "unwind"`, the default.

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

pub use encode::{Effort, Encoded};
pub use initials::default_avatar;
pub use picture::Picture;
pub use resize::Resize;

/// How large a picture may claim to be before it is refused unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of the whole picture.
    pub max_pixels: u64,
    /// Pixels along the longer side.
    pub max_side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 40_000_000, max_side: 16_384 }
    }
}

/// The formats that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// Read (the first frame), never written.
    Gif,
}

impl Format {
    /// The format of these bytes by their signature, whatever a name or a header says.
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
    /// As in a `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        }
    }

    /// Without the dot.
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

/// Why bytes are not taken. The texts are for clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Rejected {
    #[error("This is no JPEG, PNG, WebP or GIF picture that can be read.")]
    /// By its content it is none of the formats, or a kind of one that is not read.
    Unsupported,
    #[error("The picture's {width}×{height} pixels are too many.")]
    /// By its header it has more pixels than [`Limits`] allow.
    TooLarge {
        /// Pixels, as claimed.
        width: u32,
        /// Pixels, as claimed.
        height: u32,
    },
    #[error("The picture is damaged: {0}.")]
    /// It is cut off or does not decode; the text says what is wrong.
    Corrupt(&'static str),
    #[error(transparent)]
    /// Nothing is wrong with it.
    Fault(#[from] Fault),
}

/// What must never happen, so a fault of ours: a codec or the resampler refuses what it has to take.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    fn new(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// What a picture says of itself before its pixels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// By its content.
    pub format: Format,
    /// As stored, so before an orientation is applied.
    pub width: u32,
    /// As stored, so before an orientation is applied.
    pub height: u32,
    /// Bytes of a pixel as it is decoded.
    channels: u64,
    /// Whether all pixels have to be there before the first is resampled.
    is_whole: bool,
    /// Bytes of the decoder's own buffers, whatever becomes of the pixels.
    decoding: u64,
}

/// What encoding, a small variant and the preview take beside the picture.
const WORKING_SPACE: u64 = 8 << 20;

impl Header {
    /// An upper estimate of the bytes that [`decode`] needs at once, and the work on its result after it. The encoded bytes are the
    /// caller's and not in it. `tests/memory.rs` holds every format to its price.
    #[must_use]
    pub fn memory(&self, bound: u32) -> u64 {
        // Turning and converting copy what was decoded, and so does a PNG of pixels that do not compress.
        let copy = self.kept(bound) + self.kept(bound) / 4;
        self.decoded(bound).saturating_add(copy + WORKING_SPACE)
    }

    /// The size of the picture that [`decode`] gives, before its orientation is applied.
    #[must_use]
    pub fn size(&self, bound: u32) -> (u32, u32) {
        Resize::Fit { width: bound, height: bound }.size(self.width, self.height)
    }

    /// What it takes until the pixels are there, no larger than the bound.
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
        // What is grey is spread over three channels.
        Self::pixels(width, height) * self.channels.max(3)
    }

    fn pixels(width: u32, height: u32) -> u64 {
        u64::from(width) * u64::from(height)
    }

    fn within(self, limits: &Limits) -> Result<Self, Rejected> {
        let Self { width, height, .. } = self;
        if width == 0 || height == 0 {
            return Err(Rejected::Corrupt("it has no pixels"));
        }
        let fits = width.max(height) <= limits.max_side && Self::pixels(width, height) <= limits.max_pixels;
        if fits { Ok(self) } else { Err(Rejected::TooLarge { width, height }) }
    }
}

/// The bytes that a variant takes to make from a picture that was encoded here, beside those of the picture itself.
#[must_use]
pub fn memory_of_variant(source: (u32, u32), resize: Resize, original: Format, effort: Effort) -> u64 {
    let (width, height) = resize.size(source.0, source.1);
    Header::pixels(width, height) * (4 + effort.bytes_per_pixel(original != Format::Jpeg))
}

/// The bytes that a picture takes to read that was encoded here: no progressive scans, no interlacing.
#[must_use]
pub fn memory_of_original((width, height): (u32, u32)) -> u64 {
    Header::pixels(width, height) * 4 + WORKING_SPACE
}

/// Tells format and size from the header, without allocating a pixel.
///
/// # Errors
///
/// [`Rejected`] when the bytes are no picture, have no readable header, or claim more pixels than the limits allow. Whether the rest is
/// whole only [`decode`] can tell.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Header, Rejected> {
    let format = Format::sniff(bytes).ok_or(Rejected::Unsupported)?;
    let header = match format {
        Format::Jpeg => jpeg::header(bytes),
        Format::Png => png::header(bytes),
        Format::WebP => webp::header(bytes),
        Format::Gif => gif::header(bytes),
    }?;
    header.within(limits)
}

/// Decodes a whole picture: upright, sRGB, alpha kept, the first frame of an animation, and no side longer than `bound` pixels.
///
/// The bound is part of decoding because everything after the downscale (turning, colour conversion) then works on the small picture,
/// and the large one is never copied.
///
/// # Errors
///
/// As [`inspect`], [`Rejected::Corrupt`] when anything is missing or wrong in the rest, a decoder's panic included, and
/// [`Rejected::Fault`].
pub fn decode(bytes: &[u8], limits: &Limits, bound: u32) -> Result<Picture, Rejected> {
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

/// A decoder that panics was fed something broken; the process is not to pay for it.
fn contained(decode: impl FnOnce() -> Result<Picture, Rejected>) -> Result<Picture, Rejected> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(Rejected::Corrupt("it cannot be decoded")))
}
