//! A picture as Plaza stores it: upright sRGB pixels, with or without alpha, and nothing else.

use super::raster::{Channels, DecodedPicture, Raster};
use super::resize::Resize;
use super::{Fault, Format};

/// Upright sRGB pixels, eight bits per channel, without metadata.
#[derive(Clone)]
pub struct Picture {
    pub(super) raster: Raster,
    is_from_jpeg: bool,
}

/// Pictures are equal if their pixels are, whatever their source.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.raster == other.raster
    }
}

impl Picture {
    /// Brings the output of a decoder to its final form, beginning with the downscale.
    pub(super) fn develop(decoded: DecodedPicture, format: Format, bound: u32) -> Result<Self, Fault> {
        let is_from_jpeg = format == Format::Jpeg;
        let DecodedPicture { raster, orientation, colours } = decoded;
        let raster = raster.without_idle_alpha();
        let plan = Resize::Fit { width: bound, height: bound }.plan(raster.width, raster.height);
        let raster = raster.into_resized(&plan)?;
        let raster = match colours {
            Some(colours) => super::profile::to_srgb(raster, &colours)?,
            None => raster,
        };
        Ok(Self { raster: raster.upright(orientation).into_colour(), is_from_jpeg })
    }

    /// Creates a picture from three bytes per pixel, row by row.
    pub(super) fn opaque(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        let raster = Raster { width, height, channels: Channels::Rgb, pixels };
        Self { raster, is_from_jpeg: false }
    }

    #[must_use]
    /// Returns the width in pixels.
    pub fn width(&self) -> u32 {
        self.raster.width
    }

    #[must_use]
    /// Returns the height in pixels.
    pub fn height(&self) -> u32 {
        self.raster.height
    }

    /// Whether any pixel is not fully opaque.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.raster.channels.has_alpha()
    }

    /// Returns three bytes per pixel, or four if [`has_alpha`](Self::has_alpha) returns `true`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.raster.pixels
    }

    /// Whether the picture was decoded from a JPEG, which has already frayed its edges.
    pub(super) fn is_from_jpeg(&self) -> bool {
        self.is_from_jpeg
    }

    /// Returns a smaller version, or, to fill a size, a larger one.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the resampler fails.
    pub fn variant(&self, resize: Resize) -> Result<Self, Fault> {
        let raster = self.raster.resized(&resize.plan(self.width(), self.height()))?;
        Ok(Self { raster, is_from_jpeg: self.is_from_jpeg })
    }

    /// Returns three bytes per pixel, with the picture laid on white.
    pub(super) fn on_white(&self) -> Vec<u8> {
        let blend = |colour: u8, alpha: u8| {
            let (colour, alpha) = (u16::from(colour), u16::from(alpha));
            ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        self.pixels()
            .chunks_exact(self.raster.channels.count())
            .flat_map(|pixel| match *pixel {
                [red, green, blue, alpha] => [blend(red, alpha), blend(green, alpha), blend(blue, alpha)],
                [red, green, blue, ..] => [red, green, blue],
                // A picture has three or four channels.
                _ => [0; 3],
            })
            .collect()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}×{}, {:?})", self.width(), self.height(), self.raster.channels)
    }
}
