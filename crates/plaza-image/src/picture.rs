//! A picture as Plaza keeps it: upright sRGB pixels, with alpha or without, and nothing else.

use super::raster::{Channels, Decoded, Raster};
use super::resize::Resize;
use super::{Fault, Format};

/// Upright, sRGB, eight bits a channel, without metadata.
#[derive(Clone)]
pub struct Picture {
    pub(super) raster: Raster,
    is_from_jpeg: bool,
}

/// The same pixels, wherever they came from.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.raster == other.raster
    }
}

impl Picture {
    /// Brings what a decoder gave to its final form, the downscale first.
    pub(super) fn develop(decoded: Decoded, format: Format, bound: u32) -> Result<Self, Fault> {
        let is_from_jpeg = format == Format::Jpeg;
        let Decoded { raster, orientation, colours } = decoded;
        let raster = raster.without_idle_alpha();
        let plan = Resize::Fit { width: bound, height: bound }.plan(raster.width, raster.height);
        let raster = raster.into_resized(&plan)?;
        let raster = match colours {
            Some(colours) => super::profile::to_srgb(raster, &colours)?,
            None => raster,
        };
        Ok(Self { raster: raster.upright(orientation).into_colour(), is_from_jpeg })
    }

    /// From three bytes a pixel, row by row.
    pub(super) fn opaque(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        let raster = Raster { width, height, channels: Channels::Rgb, pixels };
        Self { raster, is_from_jpeg: false }
    }

    #[must_use]
    /// Pixels.
    pub fn width(&self) -> u32 {
        self.raster.width
    }

    #[must_use]
    /// Pixels.
    pub fn height(&self) -> u32 {
        self.raster.height
    }

    /// Whether any pixel lets something through.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.raster.channels.has_alpha()
    }

    /// Three bytes a pixel, or four where [`has_alpha`](Self::has_alpha).
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.raster.pixels
    }

    /// Whether a JPEG was decoded to it, and so has frayed its edges already.
    pub(super) fn is_from_jpeg(&self) -> bool {
        self.is_from_jpeg
    }

    /// A smaller (or, to fill, larger) version.
    ///
    /// # Errors
    ///
    /// A [`Fault`] where the resampler does not do what it is asked.
    pub fn variant(&self, resize: Resize) -> Result<Self, Fault> {
        let raster = self.raster.resized(&resize.plan(self.width(), self.height()))?;
        Ok(Self { raster, is_from_jpeg: self.is_from_jpeg })
    }

    /// Three bytes a pixel; what shines through is white.
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
