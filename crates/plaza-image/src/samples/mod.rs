//! Pictures for tests, made in code: valid, unusual and hostile ones.
//!
//! These modules do not depend on the rest of this crate, so integration tests can include them with `#[path]`.

mod exif;
mod gif;
mod jpeg;
mod png;
mod webp;

use std::fmt::Debug;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

pub use exif::*;
pub use gif::*;
pub use jpeg::*;
pub use png::*;
pub use webp::*;

pub const RED: [u8; 3] = [220, 30, 30];
pub const GREEN: [u8; 3] = [30, 160, 30];
pub const BLUE: [u8; 3] = [30, 30, 220];
pub const YELLOW: [u8; 3] = [230, 220, 40];

/// Red and green above blue and yellow: no rotation or reflection of it looks like another.
#[must_use]
pub fn quadrants(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb(match (x < width / 2, y < height / 2) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => YELLOW,
        })
    })
}

/// A picture that does not compress, so that truncating a file cuts pixels off.
#[must_use]
pub fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 0x2545_F491_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [red, green, blue, _] = state.to_le_bytes();
        Rgb([red, green, blue])
    })
}

fn saved(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    made(picture.into().write_to(&mut bytes, format));
    bytes.into_inner()
}

/// The quadrants, with the right half half transparent.
#[must_use]
pub fn half_transparent(width: u32, height: u32) -> RgbaImage {
    let opaque = quadrants(width, height);
    RgbaImage::from_fn(width, height, |x, y| {
        let Rgb([red, green, blue]) = *opaque.get_pixel(x, y);
        Rgba([red, green, blue, if x < width / 2 { 255 } else { 128 }])
    })
}

/// The picture with an alpha channel in which every pixel is opaque.
#[must_use]
pub fn opaque(picture: &RgbImage) -> RgbaImage {
    DynamicImage::from(picture.clone()).into_rgba8()
}

/// The first `percent` of the bytes.
#[must_use]
pub fn truncated(bytes: &[u8], percent: usize) -> Vec<u8> {
    bytes[..bytes.len() * percent / 100].to_vec()
}

/// Unwraps a sample. If it cannot be made, the test that needs it fails.
fn made<T, E: Debug>(result: Result<T, E>) -> T {
    result.expect("a sample")
}

fn short(length: impl TryInto<u16, Error: Debug>) -> u16 {
    made(length.try_into())
}

fn low_byte(number: impl Into<u64>) -> u8 {
    number.into().to_le_bytes()[0]
}

fn long(length: usize) -> u32 {
    made(u32::try_from(length))
}
