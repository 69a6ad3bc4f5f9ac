//! The sizes of variants, and the resampling.
//!
//! The arithmetic is that of easy-thumbnails' `scale_and_crop` processor (2.10, `easy_thumbnails/processors.py`), so that a site
//! that migrates to Plaza keeps its sizes: Python rounds halves to even, and the crop box is placed from the halved, truncated
//! sizes.
//!
//! The filter is Lanczos, as in easy-thumbnails: 12 megapixels to 2048 × 1536 take 20 ms (a third of decoding them), those to
//! 256² 1.8. A shorter filter would be cheaper, but a migrated site would look softer than before.

use std::ops::Range;

use plaza_resample::{Alpha, Crop, Pixel, Resampler};

use super::raster::{Channels, Raster, buffer};
use super::{Fault, Rejection};

/// How a variant relates to the size in its name. A side of 0 is derived from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resize {
    /// Exactly this size, cropped around the centre, upscaled if necessary.
    Fill {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The largest size that fits within, never upscaled.
    Fit {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The smallest size that covers it uncropped, never upscaled.
    Cover {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

/// What to cut out of a source, and the size to scale it to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub left: f64,
    pub top: f64,
    pub crop_width: f64,
    pub crop_height: f64,
    pub width: u32,
    pub height: u32,
}

/// Rounds as Python's `round` does, and to at least one pixel.
fn round(length: f64) -> u32 {
    (length.round_ties_even() as u32).max(1)
}

impl Resize {
    /// Returns the size to which a picture of `width` × `height` pixels is resized.
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
            // Neither side is given, so the picture keeps its size.
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
        // Where the crop begins in the scaled picture, and then in the source: both steps become one resampling.
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

fn pixel(channels: Channels) -> Pixel {
    match channels {
        Channels::Grey => Pixel::One,
        Channels::GreyAlpha => Pixel::Two,
        Channels::Rgb => Pixel::Three,
        Channels::Rgba | Channels::Cmyk => Pixel::Four,
    }
}

/// The pixels that Lanczos uses on either side, in steps of the larger of the two grids.
const REACH: f64 = 3.0;

/// Bytes of a source that are resampled together. This is small enough to stay in the cache, and to be the memory that a large
/// picture takes while it is decoded.
const BAND_BYTES: f64 = (2 << 20) as f64;

/// Returns a part of a side, cut so that it cannot exceed the side. In floating point, the end of a crop may exceed it in the
/// last digit, which the resampler rejects.
fn within(start: f64, length: f64, side: u32) -> (f64, f64) {
    let side = f64::from(side);
    let start = start.clamp(0.0, side);
    (start, length.min(side - start))
}

impl Plan {
    /// Whether the plan leaves a picture of this size unchanged.
    pub fn keeps(&self, width: u32, height: u32) -> bool {
        (self.width, self.height) == (width, height)
            && (self.crop_width, self.crop_height) == (f64::from(width), f64::from(height))
    }

    /// Returns the number of source rows for one row of the target.
    fn step(&self) -> f64 {
        self.crop_height / f64::from(self.height)
    }

    /// Returns the target's rows in bands. Each band is computed from about [`BAND_BYTES`] of a source with `line` bytes per row.
    fn bands(&self, line: usize) -> impl Iterator<Item = Range<u32>> {
        let rows = ((BAND_BYTES / (line as f64 * self.step().max(1.0))) as u32).max(1);
        let height = self.height;
        (0..height).step_by(rows as usize).map(move |start| start..height.min(start.saturating_add(rows)))
    }

    /// Returns the rows of a source of this height from which the given rows of the target are computed. One more row on either
    /// side allows for rounding.
    fn sources(&self, rows: &Range<u32>, height: u32) -> Range<u32> {
        let step = self.step();
        let reach = REACH * step.max(1.0) + 1.0;
        let first = (self.top + f64::from(rows.start) * step - reach).floor().max(0.0) as u32;
        let last = (self.top + f64::from(rows.end) * step + reach).ceil() as u32;
        first.min(height - 1)..last.min(height)
    }
}

impl Plan {
    /// Returns the bytes that a band takes besides source and target: the resampler's intermediate picture, and its weights.
    pub fn band_memory(&self, width: u32, channels: u64) -> u64 {
        let weights = 16 * (2.0 * REACH * self.step().max(1.0) + 2.0) as u64;
        let line = u64::from(width.max(self.width)) * channels;
        line.max(BAND_BYTES as u64) + weights * u64::from(self.width.max(self.height))
    }

    /// Returns the bytes of the rows that are held at a time if a source is read row by row, and of a band.
    pub fn window_memory(&self, width: u32, height: u32, channels: u64) -> u64 {
        let line = u64::from(width) * channels;
        let band = self.bands(line as usize).next().unwrap_or(0..1);
        let rows = self.sources(&(0..band.end), height).len() as u64 + self.step() as u64 * 4 + 8;
        // A buffer that grows may be twice as large as necessary.
        2 * line * rows.min(u64::from(height)) + self.band_memory(width, channels)
    }
}

/// A source of the rows of a picture, from top to bottom.
pub(super) trait Rows {
    /// Fills the slice, which has room for whole rows, with the next rows.
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Rejection>;
}

/// Pixels of a source: its width, its channels, and some of its rows.
struct Window<'a> {
    width: u32,
    channels: Channels,
    /// The position of the rows in the source.
    rows: Range<u32>,
    pixels: &'a [u8],
}

/// Computes a band of the target from a window that holds all of its [sources](Plan::sources).
fn resample(
    resampler: &mut Resampler,
    plan: &Plan,
    window: &Window<'_>,
    rows: &Range<u32>,
    target: &mut [u8],
) -> Result<(), Fault> {
    let count = rows.end - rows.start;
    let held = window.rows.end - window.rows.start;
    let top = plan.top + f64::from(rows.start) * plan.step() - f64::from(window.rows.start);
    let (top, height) = within(top, f64::from(count) * plan.step(), held);
    let (left, width) = within(plan.left, plan.crop_width, window.width);
    let source = plaza_resample::Rows { width: window.width, height: held, bytes: window.pixels };
    let crop = Crop { left, top, width, height };
    resampler
        .resample(pixel(window.channels), source, crop, (plan.width, count), target)
        .map_err(|error| Fault::new(format!("rows {rows:?} of {plan:?}: {error}")))
}

/// Multiplies or divides whole rows by their alpha, in place.
fn with_alpha((width, channels): (u32, Channels), pixels: &mut [u8], change: Alpha) -> Result<(), Fault> {
    if !channels.has_alpha() || pixels.is_empty() {
        return Ok(());
    }
    change.apply(pixel(channels), width, pixels).map_err(|error| Fault::new(format!("alpha: {error}")))
}

impl Raster {
    /// Reads a picture and holds only as many rows as a band needs, so that its size costs no memory. The plan must not crop
    /// anything at the top.
    pub fn read(
        source: &mut impl Rows,
        (width, height): (u32, u32),
        channels: Channels,
        plan: &Plan,
    ) -> Result<Self, Rejection> {
        if plan.keeps(width, height) {
            let mut pixels = buffer(width, height, channels.count());
            source.read(&mut pixels)?;
            return Ok(Self { width, height, channels, pixels });
        }
        let line = width as usize * channels.count();
        let mut resampler = Resampler::default();
        let mut target = Self::blank(plan, channels);
        let (mut held, mut pixels) = (0..0, Vec::new());
        for (rows, band) in target.bands(plan, line) {
            let needed = plan.sources(&rows, height);
            if needed.start < held.start || needed.start > held.end {
                return Err(Fault::new(format!("{plan:?} needs rows {needed:?} after {held:?}")).into());
            }
            pixels.drain(..line * (needed.start - held.start) as usize);
            let known = pixels.len();
            held = needed.start..needed.end;
            pixels.resize(line * (held.end - held.start) as usize, 0);
            source.read(&mut pixels[known..])?;
            with_alpha((width, channels), &mut pixels[known..], Alpha::Multiply)?;
            let window = Window { width, channels, rows: held.clone(), pixels: &pixels };
            resample(&mut resampler, plan, &window, &rows, band)?;
        }
        Ok(target.finished()?)
    }

    /// Resamples and drops the source. The source is multiplied by its alpha in place, since a copy would be the largest buffer
    /// of all.
    pub fn into_resized(mut self, plan: &Plan) -> Result<Self, Fault> {
        if plan.keeps(self.width, self.height) {
            return Ok(self);
        }
        with_alpha((self.width, self.channels), &mut self.pixels, Alpha::Multiply)?;
        self.resampled(plan)
    }

    pub fn resized(&self, plan: &Plan) -> Result<Self, Fault> {
        if self.channels.has_alpha() || plan.keeps(self.width, self.height) {
            self.clone().into_resized(plan)
        } else {
            self.resampled(plan)
        }
    }

    fn resampled(&self, plan: &Plan) -> Result<Self, Fault> {
        let line = self.width as usize * self.channels.count();
        let mut resampler = Resampler::default();
        let mut target = Self::blank(plan, self.channels);
        for (rows, band) in target.bands(plan, line) {
            let sources = plan.sources(&rows, self.height);
            let pixels = &self.pixels[line * sources.start as usize..line * sources.end as usize];
            let window = Window { width: self.width, channels: self.channels, rows: sources, pixels };
            resample(&mut resampler, plan, &window, &rows, band)?;
        }
        target.finished()
    }

    fn blank(plan: &Plan, channels: Channels) -> Self {
        let pixels = buffer(plan.width, plan.height, channels.count());
        Self { width: plan.width, height: plan.height, channels, pixels }
    }

    /// Returns the bands of this target, with their pixels.
    fn bands(&mut self, plan: &Plan, line: usize) -> impl Iterator<Item = (Range<u32>, &mut [u8])> {
        let own = self.width as usize * self.channels.count();
        let mut rest = self.pixels.as_mut_slice();
        plan.bands(line).map(move |rows| {
            let (band, after) =
                std::mem::take(&mut rest).split_at_mut(own * (rows.end - rows.start) as usize);
            rest = after;
            (rows, band)
        })
    }

    fn finished(mut self) -> Result<Self, Fault> {
        with_alpha((self.width, self.channels), &mut self.pixels, Alpha::Divide)?;
        Ok(self)
    }
}
