//! A picture as Plaza keeps it: upright sRGB pixels, with alpha or without, and nothing else.

use super::raster::{Channels, Decoded, Raster};
use super::resize::Resize;

/// Upright, sRGB, eight bits a channel, without metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(Raster);

impl Picture {
    /// Brings what a decoder gave to its final form, the downscale first.
    pub(super) fn develop(decoded: Decoded, bound: u32) -> Self {
        let Decoded { raster, orientation, profile } = decoded;
        let raster = raster.without_idle_alpha();
        let plan = Resize::Fit { width: bound, height: bound }.plan(raster.width, raster.height);
        let raster = raster.into_resized(&plan);
        let raster = match profile {
            Some(profile) => super::profile::to_srgb(raster, &profile),
            None => raster,
        };
        Self(raster.upright(orientation).into_colour())
    }

    /// From three bytes a pixel, row by row.
    pub(super) fn opaque(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), width as usize * height as usize * 3);
        Self(Raster { width, height, channels: Channels::Rgb, pixels })
    }

    #[must_use]
    /// Pixels.
    pub fn width(&self) -> u32 {
        self.0.width
    }

    #[must_use]
    /// Pixels.
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// Whether any pixel lets something through.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        self.0.channels.has_alpha()
    }

    /// Three bytes a pixel, or four where [`has_alpha`](Self::has_alpha).
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.0.pixels
    }

    /// A smaller (or, to fill, larger) version.
    #[must_use]
    pub fn variant(&self, resize: Resize) -> Self {
        Self(self.0.resized(&resize.plan(self.width(), self.height())))
    }

    /// Three bytes a pixel; what shines through is white.
    pub(super) fn on_white(&self) -> Vec<u8> {
        let blend = |colour: u8, alpha: u8| {
            let (colour, alpha) = (u16::from(colour), u16::from(alpha));
            ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        self.pixels()
            .chunks_exact(self.0.channels.count())
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
        write!(f, "Picture({}×{}, {:?})", self.width(), self.height(), self.0.channels)
    }
}
