//! Resampling for the pixel types of Plaza's pictures.
//!
//! `fast_image_resize` is generic: a crate that calls it compiles it for every pixel type that is requested, which takes longer
//! than the rest of `plaza-image`. So the calls are in a separate crate that seldom changes, and they name four types instead of
//! all thirteen.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, MulDiv, PixelTrait, ResizeAlg, ResizeOptions};

/// The number of channels of a pixel, one byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixel {
    /// One channel.
    One,
    /// Two channels, of which the second may be an alpha channel.
    Two,
    /// Three channels.
    Three,
    /// Four channels, of which the fourth may be an alpha channel.
    Four,
}

/// Whole rows of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Pixels per row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// The bytes of the rows, without padding.
    pub bytes: &'a [u8],
}

/// A part of a picture, in pixels. Its edges may lie inside a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Crop {
    /// Distance from the left edge of the picture.
    pub left: f64,
    /// Distance from the top edge of the picture.
    pub top: f64,
    /// Width of the part.
    pub width: f64,
    /// Height of the part.
    pub height: f64,
}

/// An error of the library: a size that does not fit the bytes, or a part that lies outside the picture.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A resampler that keeps its buffers between calls.
#[derive(Default)]
pub struct Resampler(fast_image_resize::Resizer);

impl Resampler {
    /// Fills `height` rows of `width` pixels with a part of the source, by Lanczos. All channels are treated alike: the caller
    /// multiplies by an alpha channel before and divides by it after.
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

/// How the colours of pixels change by their alpha, which is the last channel.
#[derive(Clone, Copy, Debug)]
pub enum Alpha {
    /// Multiply them by it.
    Multiply,
    /// Divide them by it.
    Divide,
}

impl Alpha {
    /// Changes whole rows of `width` pixels in place. Pixels without an alpha stay as they are.
    pub fn apply(self, pixel: Pixel, width: u32, bytes: &mut [u8]) -> Result<(), Error> {
        match pixel {
            Pixel::Two => self.apply_to(&mut image::<U8x2>(width, bytes)?),
            Pixel::Four => self.apply_to(&mut image::<U8x4>(width, bytes)?),
            Pixel::One | Pixel::Three => Ok(()),
        }
    }

    fn apply_to<P: PixelTrait>(self, image: &mut TypedImage<'_, P>) -> Result<(), Error> {
        let by = MulDiv::new();
        let changed = match self {
            Self::Multiply => by.multiply_alpha_inplace_typed(image),
            Self::Divide => by.divide_alpha_inplace_typed(image),
        };
        changed.map_err(Error::new)
    }
}

fn image<P: PixelTrait>(width: u32, bytes: &mut [u8]) -> Result<TypedImage<'_, P>, Error> {
    let height = bytes.len() / (width as usize * P::size()).max(1);
    TypedImage::from_buffer(width, u32::try_from(height).map_err(Error::new)?, bytes).map_err(Error::new)
}
