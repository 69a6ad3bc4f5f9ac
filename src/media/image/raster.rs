//! Pixels as a decoder gives them: eight bits, one to four channels, not yet upright and not yet sRGB.
//!
//! Grey stays grey and opaque pictures lose their alpha channel here, so that the largest buffer of the whole process is as narrow as
//! it can be.

use ::image::metadata::Orientation;

/// A picture fresh from its decoder, with what is still to be done to it.
pub(super) struct Decoded {
    pub raster: Raster,
    pub orientation: Orientation,
    /// An embedded ICC profile, unchecked.
    pub profile: Option<Vec<u8>>,
}

/// Interleaved pixels without padding: `pixels.len() == width * height * channels`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Raster {
    pub width: u32,
    pub height: u32,
    pub channels: Channels,
    pub pixels: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    Grey = 1,
    GreyAlpha = 2,
    Rgb = 3,
    Rgba = 4,
}

impl Channels {
    pub fn count(self) -> usize {
        self as usize
    }

    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    fn opaque(self) -> Self {
        match self {
            Self::Grey | Self::GreyAlpha => Self::Grey,
            Self::Rgb | Self::Rgba => Self::Rgb,
        }
    }
}

/// A zeroed buffer. Its pages come from the system already zeroed and are touched by the decoder only.
pub(super) fn buffer(width: u32, height: u32, channels: usize) -> Vec<u8> {
    vec![0; width as usize * height as usize * channels]
}

impl Raster {
    /// Drops an alpha channel that hides nothing: GIFs and most PNGs have one, and it would cost a quarter of the work and the choice
    /// of JPEG.
    pub fn without_idle_alpha(mut self) -> Self {
        let step = self.channels.count();
        if !self.channels.has_alpha()
            || self.pixels.chunks_exact(step).any(|pixel| pixel[step - 1] != u8::MAX)
        {
            return self;
        }
        let kept = step - 1;
        let count = self.pixels.len() / step;
        for index in 1..count {
            self.pixels.copy_within(index * step..index * step + kept, index * kept);
        }
        self.pixels.truncate(count * kept);
        self.channels = self.channels.opaque();
        self
    }

    /// Grey spread over three channels.
    pub fn into_colour(self) -> Self {
        let (channels, pixels) = match self.channels {
            Channels::Rgb | Channels::Rgba => return self,
            Channels::Grey => (Channels::Rgb, self.pixels.iter().flat_map(|&grey| [grey; 3]).collect()),
            Channels::GreyAlpha => (
                Channels::Rgba,
                self.pixels
                    .chunks_exact(2)
                    .flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]])
                    .collect(),
            ),
        };
        Self { channels, pixels, ..self }
    }

    /// Applies an EXIF orientation.
    pub fn upright(self, orientation: Orientation) -> Self {
        let (width, height) = (self.width as usize, self.height as usize);
        // For the pixel at (x, y) of the result: where it lies in what was stored.
        let source: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
            Orientation::NoTransforms => return self,
            Orientation::FlipHorizontal => |x, y, w, _| (w - 1 - x, y),
            Orientation::Rotate180 => |x, y, w, h| (w - 1 - x, h - 1 - y),
            Orientation::FlipVertical => |x, y, _, h| (x, h - 1 - y),
            Orientation::Rotate90FlipH => |x, y, _, _| (y, x),
            Orientation::Rotate90 => |x, y, _, h| (y, h - 1 - x),
            Orientation::Rotate270FlipH => |x, y, w, h| (w - 1 - y, h - 1 - x),
            Orientation::Rotate270 => |x, y, w, _| (w - 1 - y, x),
        };
        let (turned_width, turned_height) = match orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width),
            _ => (width, height),
        };
        let step = self.channels.count();
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..turned_height {
            for x in 0..turned_width {
                let (from_x, from_y) = source(x, y, width, height);
                let at = (from_y * width + from_x) * step;
                pixels.extend_from_slice(&self.pixels[at..at + step]);
            }
        }
        Self { width: turned_width as u32, height: turned_height as u32, pixels, ..self }
    }
}
