//! The sizes of variants, and the resampling.
//!
//! The arithmetic is that of easy-thumbnails' `scale_and_crop` processor (2.10, `easy_thumbnails/processors.py`), so that a site moving
//! here keeps its sizes: Python rounds halves to even, and the crop box is placed from the halved, truncated sizes.
//!
//! Lanczos, as there: 12 megapixels to 2048 × 1536 take 20 ms (a third of decoding them), those to 256² 1.8. A shorter filter would be
//! cheaper, but then a moved site would look softer than it did.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::raster::{Channels, Raster};

/// How a variant relates to the size it is named with. A side of 0 follows from the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resize {
    /// Exactly this size, cropped around the centre, upscaled if it must.
    Fill {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The largest that lies within, never upscaled.
    Fit {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The smallest that covers it uncropped, never upscaled.
    Cover {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// What to cut out of a source, and the size to bring it to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub left: f64,
    pub top: f64,
    pub crop_width: f64,
    pub crop_height: f64,
    pub width: u32,
    pub height: u32,
}

/// Python's `round`, and never less than a pixel.
fn round(length: f64) -> u32 {
    (length.round_ties_even() as u32).max(1)
}

impl Resize {
    /// The size a picture of `width` × `height` pixels will have.
    #[must_use]
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        let plan = self.plan(width, height);
        (plan.width, plan.height)
    }

    fn scale(self, source: (f64, f64)) -> f64 {
        let (Self::Fill { width, height } | Self::Fit { width, height } | Self::Cover { width, height }) =
            self;
        let (x, y) = (f64::from(width) / source.0, f64::from(height) / source.1);
        match self {
            Self::Fit { .. } if width > 0 && height > 0 => x.min(y).min(1.0),
            Self::Fill { .. } if width > 0 || height > 0 => x.max(y),
            Self::Fit { .. } | Self::Cover { .. } if width > 0 || height > 0 => x.max(y).min(1.0),
            // Neither side asked for: as it is.
            _ => 1.0,
        }
    }

    pub(super) fn plan(self, width: u32, height: u32) -> Plan {
        let source = (f64::from(width), f64::from(height));
        let scale = self.scale(source);
        let scaled = (round(source.0 * scale), round(source.1 * scale));
        let target = match self {
            Self::Fill { width, height } => (
                if width == 0 { scaled.0 } else { width.min(scaled.0) },
                if height == 0 { scaled.1 } else { height.min(scaled.1) },
            ),
            Self::Fit { .. } | Self::Cover { .. } => scaled,
        };
        // Where the crop begins in the scaled picture, then the same place in the source: both steps become one resampling.
        let offset = |scaled: u32, target: u32| {
            f64::from((scaled / 2).saturating_sub(target / 2).min(scaled - target))
        };
        let (x, y) = (source.0 / f64::from(scaled.0), source.1 / f64::from(scaled.1));
        Plan {
            left: offset(scaled.0, target.0) * x,
            top: offset(scaled.1, target.1) * y,
            crop_width: f64::from(target.0) * x,
            crop_height: f64::from(target.1) * y,
            width: target.0,
            height: target.1,
        }
    }
}

fn pixel_type(channels: Channels) -> PixelType {
    match channels {
        Channels::Grey => PixelType::U8,
        Channels::GreyAlpha => PixelType::U8x2,
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba => PixelType::U8x4,
    }
}

/// The resampler's intermediate picture is as wide as the source; in bands of at most this size it stays in the cache, and the peak is
/// the source's own.
const BAND_BYTES: usize = 2 << 20;

impl Raster {
    /// Resamples and forgets the source, whose alpha is multiplied in place: a copy would be the largest buffer of all.
    pub fn into_resized(mut self, plan: &Plan) -> Self {
        if !self.is_changed_by(plan) {
            return self;
        }
        self.with_alpha(|muldiv, image| muldiv.multiply_alpha_inplace(image));
        self.resampled(plan)
    }

    pub fn resized(&self, plan: &Plan) -> Self {
        if self.channels.has_alpha() || !self.is_changed_by(plan) {
            self.clone().into_resized(plan)
        } else {
            self.resampled(plan)
        }
    }

    fn is_changed_by(&self, plan: &Plan) -> bool {
        (plan.width, plan.height) != (self.width, self.height)
            || (plan.crop_width, plan.crop_height) != (f64::from(self.width), f64::from(self.height))
    }

    fn with_alpha<E>(&mut self, change: impl FnOnce(&MulDiv, &mut Image<'_>) -> Result<(), E>) {
        if self.channels.has_alpha() {
            let kind = pixel_type(self.channels);
            let image = Image::from_slice_u8(self.width, self.height, &mut self.pixels, kind);
            // Both can fail only for a buffer of the wrong length or a type without alpha.
            let done = image.is_ok_and(|mut image| change(&MulDiv::new(), &mut image).is_ok());
            debug_assert!(done, "alpha of a {:?} raster", self.channels);
        }
    }

    fn resampled(&self, plan: &Plan) -> Self {
        let kind = pixel_type(self.channels);
        let mut resizer = Resizer::new();
        let line = plan.width as usize * self.channels.count();
        let rows = (BAND_BYTES / (self.width as usize * self.channels.count())).max(1);
        let mut pixels = vec![0; line * plan.height as usize];
        let ratio = plan.crop_height / f64::from(plan.height);
        for (index, band) in pixels.chunks_mut(line * rows).enumerate() {
            let count = band.len() / line;
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
                .use_alpha(false)
                .crop(
                    plan.left,
                    plan.top + (index * rows) as f64 * ratio,
                    plan.crop_width,
                    count as f64 * ratio,
                );
            let done = ImageRef::new(self.width, self.height, &self.pixels, kind).is_ok_and(|source| {
                Image::from_slice_u8(plan.width, count as u32, band, kind)
                    .is_ok_and(|mut target| resizer.resize(&source, &mut target, &options).is_ok())
            });
            debug_assert!(done, "{plan:?} of {}×{}", self.width, self.height);
        }
        let mut result = Self { width: plan.width, height: plan.height, channels: self.channels, pixels };
        result.with_alpha(|muldiv, image| muldiv.divide_alpha_inplace(image));
        result
    }
}
