//! Pixels as a decoder returns them: eight bits, one to four channels, not yet upright and not yet sRGB.
//!
//! Grey remains grey, and opaque pictures lose their alpha channel here, so that buffers are as narrow as possible.

use ::image::metadata::Orientation;

use super::profile::Colours;

/// A picture as it leaves its decoder, with the steps that remain to be done.
pub(super) struct DecodedPicture {
    pub raster: Raster,
    pub orientation: Orientation,
    /// The colour space of the pixels; `None` for sRGB.
    pub colours: Option<Colours>,
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
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Four inks, as a JPEG holds them: 255 is none.
    Cmyk,
}

impl Channels {
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    fn opaque(self) -> Self {
        match self {
            Self::Grey | Self::GreyAlpha => Self::Grey,
            Self::Rgb | Self::Rgba => Self::Rgb,
            Self::Cmyk => Self::Cmyk,
        }
    }
}

/// Returns a zeroed buffer. Its pages come from the system already zeroed, and only the decoder touches them.
pub(super) fn buffer(width: u32, height: u32, channels: usize) -> Vec<u8> {
    vec![0; width as usize * height as usize * channels]
}

impl Raster {
    /// Drops an alpha channel in which every pixel is opaque. GIFs and most PNGs have one, and it would cost a quarter of the
    /// work and the choice of JPEG.
    pub fn without_idle_alpha(mut self) -> Self {
        let step = self.channels.count();
        if !self.channels.has_alpha()
            || self.pixels.chunks_exact(step).any(|pixel| pixel[step - 1] != u8::MAX)
        {
            return self;
        }
        if step == 4 {
            without_last::<3>(&mut self.pixels);
        } else {
            without_last::<1>(&mut self.pixels);
        }
        self.channels = self.channels.opaque();
        self
    }

    /// Expands grey to three channels, and converts inks to the light that they reflect. This is what a browser shows unless a
    /// profile says more.
    pub fn into_colour(self) -> Self {
        let left = |colour: u8, black: u8| ((u16::from(colour) * u16::from(black) + 127) / 255) as u8;
        let (channels, pixels) = match self.channels {
            Channels::Rgb | Channels::Rgba => return self,
            Channels::Cmyk => (
                Channels::Rgb,
                self.pixels
                    .chunks_exact(4)
                    .flat_map(|ink| [left(ink[0], ink[3]), left(ink[1], ink[3]), left(ink[2], ink[3])])
                    .collect(),
            ),
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
        match self.channels {
            Channels::Grey => self.turned::<1>(orientation),
            Channels::GreyAlpha => self.turned::<2>(orientation),
            Channels::Rgb => self.turned::<3>(orientation),
            Channels::Rgba | Channels::Cmyk => self.turned::<4>(orientation),
        }
    }

    /// Mirrors in place, since that needs no second buffer, and then transposes rows and columns if the sides are exchanged.
    fn turned<const CHANNELS: usize>(mut self, orientation: Orientation) -> Self {
        use Orientation::{
            FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270,
            Rotate270FlipH,
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let (pixels, _) = self.pixels.as_chunks_mut::<CHANNELS>();
        match orientation {
            NoTransforms | Rotate90FlipH => {}
            FlipHorizontal | Rotate270 => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
            FlipVertical | Rotate90 => swap_rows(pixels, width),
            Rotate180 | Rotate270FlipH => pixels.reverse(),
        }
        if matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH) {
            self.pixels = transposed(pixels, width, height).into_flattened();
            (self.width, self.height) = (self.height, self.width);
        }
        self
    }
}

/// Drops the last byte of each group of `KEPT` + 1 bytes, in place. `KEPT` is a constant because a copy of so few bytes must not
/// become a call.
fn without_last<const KEPT: usize>(pixels: &mut Vec<u8>) {
    let count = pixels.len() / (KEPT + 1);
    for index in 1..count {
        let from = index * (KEPT + 1);
        let mut pixel = [0; KEPT];
        pixel.copy_from_slice(&pixels[from..from + KEPT]);
        pixels[index * KEPT..(index + 1) * KEPT].copy_from_slice(&pixel);
    }
    pixels.truncate(count * KEPT);
}

/// Reverses the order of the rows.
fn swap_rows<P>(pixels: &mut [P], width: usize) {
    let height = pixels.len() / width;
    let (upper, lower) = pixels.split_at_mut(height / 2 * width);
    for (above, below) in upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width).rev()) {
        above.swap_with_slice(below);
    }
}

/// The side of the squares in which columns become rows. Read column by column, a large picture would miss the cache on every
/// pixel. That took 18 ms for 2048 × 1536 pixels; this takes 4.
const TILE: usize = 32;

fn transposed<const CHANNELS: usize>(
    pixels: &[[u8; CHANNELS]],
    width: usize,
    height: usize,
) -> Vec<[u8; CHANNELS]> {
    let mut turned = vec![[0; CHANNELS]; pixels.len()];
    for (band, rows) in turned.chunks_mut(height * TILE).enumerate() {
        for start in (0..height).step_by(TILE) {
            let end = height.min(start + TILE);
            for (row, column) in rows.chunks_exact_mut(height).zip(band * TILE..) {
                for (y, pixel) in (start..end).zip(&mut row[start..end]) {
                    *pixel = pixels[y * width + column];
                }
            }
        }
    }
    turned
}
