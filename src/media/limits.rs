//! What is accepted, and what is stored of it.

use plaza_image::{Format, Limits};

/// Maximum number of pixels and maximum side of a picture that is accepted.
pub const LIMITS: Limits = Limits { max_pixels: 40_000_000, max_side: 16_384 };
/// Longest side of a picture that is stored, in pixels.
pub(super) const MASTER_SIDE: u32 = 2048;

/// The accepted formats, for messages and for `listChoices`.
pub const ACCEPTED: [Format; 4] = [Format::Jpeg, Format::Png, Format::WebP, Format::Gif];
