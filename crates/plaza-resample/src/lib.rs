//! Resampling for the pixels that Plaza's pictures have.
//!
//! `fast_image_resize` is generic: whoever calls it compiles it, for every type of pixel that is asked for, and that takes longer than
//! all the rest of `plaza-image`. So the calls stand in a crate of their own, which changes seldom, and name four types instead of
//! all thirteen.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions};

/// The bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixel {
    /// One channel.
    One,
    /// Two channels, the second of which may be an alpha.
    Two,
    /// Three channels.
    Three,
    /// Four channels, the fourth of which may be an alpha.
    Four,
}

/// Whole rows of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Their bytes, without padding.
    pub bytes: &'a [u8],
}

/// A part of a picture, in pixels; its edges may lie within some.
#[derive(Clone, Copy, Debug)]
pub struct Crop {
    /// From the left edge of the picture.
    pub left: f64,
    /// From its upper edge.
    pub top: f64,
    /// Of the part.
    pub width: f64,
    /// Of the part.
    pub height: f64,
}

/// What the library found wrong: a size that does not fit the bytes, or a part that lies outside.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Keeps its buffers from one call to the next.
#[derive(Default)]
pub struct Resampler(fast_image_resize::Resizer);

impl Resampler {
    /// Fills rows of `width` pixels, `height` of them, with a part of the source, by Lanczos. Channels are treated alike: an alpha is
    /// multiplied before, and divided after.
    pub fn resample(
        &mut self,
        pixel: Pixel,
        source: Rows<'_>,
        crop: Crop,
        (width, height): (u32, u32),
        target: &mut [u8],
    ) -> Result<(), Error> {
        match pixel {
            Pixel::One => self.resample_as::<U8>(source, crop, (width, height), target),
            Pixel::Two => self.resample_as::<U8x2>(source, crop, (width, height), target),
            Pixel::Three => self.resample_as::<U8x3>(source, crop, (width, height), target),
            Pixel::Four => self.resample_as::<U8x4>(source, crop, (width, height), target),
        }
    }

    fn resample_as<P: PixelTrait>(
        &mut self,
        source: Rows<'_>,
        crop: Crop,
        (width, height): (u32, u32),
        target: &mut [u8],
    ) -> Result<(), Error> {
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .use_alpha(false)
            .crop(crop.left, crop.top, crop.width, crop.height);
        let source = TypedImageRef::<P>::from_buffer(source.width, source.height, source.bytes);
        let source = source.map_err(Error::new)?;
        let mut target = TypedImage::<P>::from_buffer(width, height, target).map_err(Error::new)?;
        self.0.resize_typed(&source, &mut target, &options).map_err(Error::new)
    }
}

/// Multiplies the colours of pixels by their alpha, which is their last channel. Whole rows of `width` pixels.
pub fn multiply_alpha(pixel: Pixel, width: u32, bytes: &mut [u8]) -> Result<(), Error> {
    let by = MulDiv::new();
    match pixel {
        Pixel::Two => by.multiply_alpha_inplace_typed(&mut image::<U8x2>(width, bytes)?).map_err(Error::new),
        Pixel::Four => by.multiply_alpha_inplace_typed(&mut image::<U8x4>(width, bytes)?).map_err(Error::new),
        Pixel::One | Pixel::Three => Ok(()),
    }
}

/// Divides them by it.
pub fn divide_alpha(pixel: Pixel, width: u32, bytes: &mut [u8]) -> Result<(), Error> {
    let by = MulDiv::new();
    match pixel {
        Pixel::Two => by.divide_alpha_inplace_typed(&mut image::<U8x2>(width, bytes)?).map_err(Error::new),
        Pixel::Four => by.divide_alpha_inplace_typed(&mut image::<U8x4>(width, bytes)?).map_err(Error::new),
        Pixel::One | Pixel::Three => Ok(()),
    }
}

fn image<P: PixelTrait>(width: u32, bytes: &mut [u8]) -> Result<TypedImage<'_, P>, Error> {
    let height = bytes.len() / (width as usize * P::size()).max(1);
    TypedImage::from_buffer(width, u32::try_from(height).map_err(Error::new)?, bytes).map_err(Error::new)
}
