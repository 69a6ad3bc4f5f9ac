//! The pixels that come out are those that went in, for many sizes, modes and kinds, compared with references that share no code
//! with the resampler.
//!
//! Large pictures consist of tiles of one colour each, so the expected colour of every position is known without computing it,
//! and a row that is lost, or a line between two bands, is a position of another colour. Small ones are noise, compared with a
//! slow Lanczos in floating point. `pixels_table.rs` has what Pillow makes of some pictures, through easy-thumbnails.

use ::image::metadata::Orientation;
use proptest::prelude::*;

use super::super::raster::{Channels, DecodedPicture, Raster};
use super::super::resize::{Plan, Resize, Rows};
use super::super::{Format, Picture, Rejection};
use super::pixels_reference::reference;
use super::pixels_table::MEANS;
use super::{decoded, resized};

/// Number of tiles on each side.
const TILES: usize = 7;

/// Returns the colour of a tile, which `pixels_table.py` computes in the same way. It is never near black, the colour of lost
/// rows.
fn tile(column: usize, row: usize, channel: usize) -> u8 {
    (40 + (column * 7 + row * 13 + channel * 5) * 29 % 216) as u8
}

fn tiles(width: u32, height: u32, channels: Channels) -> Raster {
    let mut pixels = Vec::with_capacity(width as usize * height as usize * channels.count());
    let mut line: (Option<usize>, Vec<u8>) = (None, Vec::new());
    for y in 0..height {
        let row = y as usize * TILES / height as usize;
        if line.0 != Some(row) {
            let colours = (0..TILES).map(|column| {
                let colour: Vec<u8> =
                    (0..channels.count()).map(|channel| tile(column, row, channel)).collect();
                let edge = |column: usize| (column * width as usize).div_ceil(TILES);
                colour.repeat(edge(column + 1) - edge(column))
            });
            line = (Some(row), colours.collect::<Vec<_>>().concat());
        }
        pixels.extend_from_slice(&line.1);
    }
    Raster { width, height, channels, pixels }
}

/// Returns the pixels of a target side that show only one tile, however far a filter reaches: the tile, and where it begins and
/// ends. At its edges the source itself may be blurred, over `blurred` pixels of the coarser grid.
fn insides(
    start: f64,
    length: f64,
    target: u32,
    source: u32,
    blurred: f64,
) -> Vec<(usize, std::ops::Range<u32>)> {
    let step = length / f64::from(target);
    let reach = (3.0 + blurred) * step.max(1.0) + 1.0;
    // Tile `index` begins at the first pixel whose position among the tiles is `index`.
    let edge = |index: usize| (f64::from(source) * index as f64 / TILES as f64).ceil();
    (0..TILES)
        .filter_map(|index| {
            // Nothing lies beyond the sides of the picture, so a tile at a side extends to it.
            let from = if index == 0 { f64::NEG_INFINITY } else { edge(index) + reach };
            let to = if index + 1 == TILES { f64::INFINITY } else { edge(index + 1) - reach };
            let inside = |at: &u32| {
                let centre = start + (f64::from(*at) + 0.5) * step;
                (from..=to).contains(&centre)
            };
            let first = (0..target).find(inside)?;
            let count = (first..target).take_while(inside).count() as u32;
            Some((index, first..first + count))
        })
        .collect()
}

/// The distance between the pixels of a row that are checked. Faults are rows and columns, and without optimisation checking all
/// pixels takes minutes.
const STRIDE: usize = if cfg!(debug_assertions) { 31 } else { 1 };

/// The tolerance for a colour, and the distance from a tile's edge within which it is not checked.
#[derive(Clone, Copy)]
struct Tolerance {
    steps: u8,
    blurred: f64,
}

/// Resampled once; resampled twice; then also written and read: lossy formats blur edges over their blocks of 16 pixels.
const ONCE: Tolerance = Tolerance { steps: 2, blurred: 0.0 };
const TWICE: Tolerance = Tolerance { steps: 2, blurred: 4.0 };
const WRITTEN: Tolerance = Tolerance { steps: 6, blurred: 20.0 };

/// Asserts that every row shows the colours of the tiles wherever it shows only one tile.
fn assert_tiles(shown: &Raster, plan: &Plan, source: (u32, u32), tolerance: Tolerance, what: &str) -> usize {
    assert_eq!((shown.width, shown.height), (plan.width, plan.height), "{what}");
    let count = shown.channels.count();
    let columns = insides(plan.left, plan.crop_width, plan.width, source.0, tolerance.blurred);
    let rows = insides(plan.top, plan.crop_height, plan.height, source.1, tolerance.blurred);
    for (row, ys) in &rows {
        for y in ys.clone() {
            let line = &shown.pixels[y as usize * shown.width as usize * count..];
            for (column, xs) in &columns {
                let pixels = &line[xs.start as usize * count..xs.end as usize * count];
                let expected: Vec<u8> = (0..count).map(|channel| tile(*column, *row, channel)).collect();
                // A colour that is hardly visible is known less exactly, because it is stored multiplied by its alpha.
                let alpha = if shown.channels.has_alpha() { expected[count - 1] } else { u8::MAX };
                let steps = (u16::from(tolerance.steps) * 255).div_ceil(alpha.into());
                let near = |pixel: &[u8]| {
                    pixel.iter().zip(&expected).all(|(a, b)| u16::from(a.abs_diff(*b)) <= steps)
                };
                // The last pixel is checked too: a lost column is on the right.
                let looked_at = (0..xs.len()).step_by(STRIDE).chain(xs.len().checked_sub(1));
                let off = looked_at.into_iter().find(|x| !near(&pixels[x * count..(x + 1) * count]));
                if let Some(off) = off {
                    let x = xs.start as usize + off;
                    let found = &line[x * count..(x + 1) * count];
                    panic!("{what}: ({x}, {y}) is {found:?}, not {expected:?}");
                }
            }
        }
    }
    rows.len() * columns.len()
}

/// Rows of a picture that already exists.
struct Given<'a>(&'a [u8]);

impl Rows for Given<'_> {
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Rejection> {
        let (these, rest) = self.0.split_at(rows.len());
        rows.copy_from_slice(these);
        self.0 = rest;
        Ok(())
    }
}

/// Cameras, phones and screens, by name.
const SIZES: [(&str, u32, u32); 44] = [
    ("24 MP, 3:2", 6000, 4000),
    ("24 MP, 3:2, second kind", 6048, 4032),
    ("20 MP, 3:2", 5472, 3648),
    ("18 MP, 3:2", 5184, 3456),
    ("16 MP, 3:2", 4928, 3264),
    ("14 MP, 3:2", 4608, 3072),
    ("12 MP, 3:2", 4288, 2848),
    ("10 MP, 3:2", 3888, 2592),
    ("8 MP, 3:2", 3504, 2336),
    ("6 MP, 3:2", 3008, 2000),
    ("30 MP, 3:2", 6720, 4480),
    ("33 MP, 3:2", 7008, 4672),
    ("36 MP, 3:2", 7360, 4912),
    ("20 MP, 4:3", 5184, 3888),
    ("16 MP, 4:3", 4608, 3456),
    ("12 MP, 4:3", 4000, 3000),
    ("12 MP phone", 4032, 3024),
    ("phone, 16:9", 4032, 2268),
    ("phone, 20:9", 4000, 1800),
    ("16 MP phone", 4656, 3496),
    ("13 MP phone", 4160, 3120),
    ("8 MP phone", 3264, 2448),
    ("5 MP", 2592, 1944),
    ("3 MP", 2048, 1536),
    ("25 MP phone", 5760, 4312),
    ("square phone", 3024, 3024),
    ("front camera", 3088, 2316),
    ("action camera", 5312, 2988),
    ("drone", 5280, 3956),
    ("drone, 16:9", 5464, 3070),
    ("panorama", 10_800, 2160),
    ("long panorama", 16_382, 2400),
    ("sphere", 7168, 3584),
    ("scan, A4 at 300 dpi", 2480, 3508),
    ("scan, letter at 300 dpi", 2550, 3300),
    ("scan, A4 at 600 dpi", 4960, 7016),
    ("8K", 7680, 4320),
    ("5K", 5120, 2880),
    ("4K", 3840, 2160),
    ("QHD", 2560, 1440),
    ("wide QHD", 3440, 1440),
    ("laptop", 2880, 1800),
    ("phone screen", 1170, 2532),
    ("tablet screen", 2064, 2752),
];

/// The variants of avatars and covers.
const VARIANTS: [Resize; 9] = [
    Resize::Fit { width: 320, height: 0 },
    Resize::Fit { width: 640, height: 0 },
    Resize::Fit { width: 1280, height: 0 },
    Resize::Fill { width: 640, height: 360 },
    Resize::Fill { width: 32, height: 32 },
    Resize::Fill { width: 64, height: 64 },
    Resize::Fill { width: 128, height: 128 },
    Resize::Fill { width: 256, height: 256 },
    Resize::Fill { width: 512, height: 512 },
];

#[test]
fn the_sizes_of_cameras_phones_and_screens_lose_nothing() {
    let bound = Resize::Fit { width: 2048, height: 2048 };
    for (name, width, height) in SIZES.into_iter().flat_map(|(name, w, h)| [(name, w, h), (name, h, w)]) {
        let source = tiles(width, height, Channels::Rgb);
        let plan = bound.plan(width, height);
        let read = Raster::read(&mut Given(&source.pixels), (width, height), Channels::Rgb, &plan);
        let stored = read.expect("rows");
        let what = format!("{name}, {width}×{height}");
        assert!(assert_tiles(&stored, &plan, (width, height), ONCE, &what) >= 25, "{what}");
        // Variants are made from the stored picture.
        for resize in VARIANTS {
            let plan = resize.plan(stored.width, stored.height);
            let variant = stored.resized(&plan).expect("a variant");
            assert_tiles(
                &variant,
                &plan,
                (stored.width, stored.height),
                TWICE,
                &format!("{what}, {resize:?}"),
            );
        }
    }
}

#[test]
fn what_is_written_shows_what_was_uploaded() {
    for (width, height) in [(6000, 4000), (2000, 3008), (4608, 3072)] {
        let raster = tiles(width, height, Channels::Rgb);
        let picture = developed(raster, Format::Jpeg);
        let stored = decoded(&picture.encode_original().expect("a file").bytes);
        let plan = Resize::Fit { width: 2048, height: 2048 }.plan(width, height);
        let what = format!("{width}×{height}");
        assert_tiles(&stored.raster, &plan, (width, height), WRITTEN, &what);
        for resize in VARIANTS {
            let variant = resized(&stored, resize);
            let plan = resize.plan(stored.width(), stored.height());
            for format in [Format::WebP, Format::Jpeg] {
                let shown = decoded(&variant.encode(format).expect("a file").bytes);
                let what = format!("{what}, {resize:?}, {format:?}");
                assert_tiles(&shown.raster, &plan, (stored.width(), stored.height()), WRITTEN, &what);
            }
        }
    }
}

fn developed(raster: Raster, format: Format) -> Picture {
    let decoded = DecodedPicture { raster, orientation: Orientation::NoTransforms, colours: None };
    Picture::develop(decoded, format, 2048).expect("a picture")
}

#[test]
fn tiles_are_where_pillow_puts_them() {
    for (source, resize, size, means) in MEANS {
        let picture = developed(tiles(source.0, source.1, Channels::Rgb), Format::Jpeg);
        // Without the bound of stored pictures, which easy-thumbnails does not know.
        assert_eq!((picture.width(), picture.height()), source);
        let variant = resized(&picture, resize);
        assert_eq!((variant.width(), variant.height()), size, "{resize:?} of {source:?}");
        for (block, (ours, theirs)) in block_means(&variant).iter().zip(means).enumerate() {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (ours - theirs).abs() <= 1.0,
                    "{resize:?} of {source:?}, block {block}: {ours}, not {theirs}"
                );
            }
        }
    }
}

/// Returns the mean colours of four by four blocks.
fn block_means(picture: &Picture) -> Vec<[f64; 3]> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let block =
        |index: usize, side: usize| index * side / 4..((index + 1) * side / 4).max(index * side / 4 + 1);
    let mean = |columns: std::ops::Range<usize>, rows: std::ops::Range<usize>| {
        let mut sum = [0_u64; 3];
        let count = columns.len() * rows.len();
        for y in rows {
            for x in columns.clone() {
                let pixel = &picture.pixels()[(y * width + x) * 3..][..3];
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
            }
        }
        sum.map(|sum| sum as f64 / count as f64)
    };
    (0..16).map(|index| mean(block(index % 4, width), block(index / 4, height))).collect()
}

/// Asserts that a picture is close to its reference: on average, and nowhere far off.
fn assert_near(shown: &Raster, source: &Raster, plan: &Plan, what: &str) {
    let expected = reference(source, plan);
    let count = shown.channels.count();
    let shown = shown.pixels.chunks_exact(count).flat_map(|pixel| {
        let alpha = if shown.channels.has_alpha() { f64::from(pixel[count - 1]) / 255.0 } else { 1.0 };
        pixel
            .iter()
            .enumerate()
            .map(move |(channel, value)| f64::from(*value) * if channel + 1 == count { 1.0 } else { alpha })
    });
    let apart: Vec<f64> = shown.zip(&expected).map(|(shown, expected)| (shown - expected).abs()).collect();
    let most = apart.iter().copied().fold(0.0, f64::max);
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    // A row that is lost is off by 64 or more.
    assert!(mean <= 1.0 && most <= 12.0, "{what}: {mean} on average, {most} at most");
}

/// Returns noise that is neither black nor white, where the bytes between the two passes would clip an overshoot.
fn noise(width: u32, height: u32, channels: Channels, seed: u64) -> Raster {
    let mut state = seed | 1;
    let length = width as usize * height as usize * channels.count();
    let pixels = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        64 + (state >> 32) as u8 / 2
    });
    let mut pixels: Vec<u8> = pixels.take(length).collect();
    if channels.has_alpha() {
        // Colours are resampled multiplied by alpha, so alpha is nowhere so low that they would be clipped.
        let alphas = pixels.iter_mut().skip(channels.count() - 1).step_by(channels.count());
        alphas.for_each(|alpha| *alpha = 160 + *alpha / 4);
    }
    Raster { width, height, channels, pixels }
}

/// A side of 1 to 8,000 pixels, with as many of two digits as of three.
fn side() -> impl Strategy<Value = u32> {
    (0.0..13_f64).prop_map(|exponent| (exponent.exp2() as u32).min(8000))
}

fn resize() -> impl Strategy<Value = Resize> {
    let side = || prop_oneof![1 => Just(0), 9 => (0.0..11_f64).prop_map(|exponent| exponent.exp2() as u32)];
    (0..3, side(), side()).prop_map(|(mode, width, height)| match mode {
        0 => Resize::Fit { width, height },
        1 => Resize::Fill { width, height },
        _ => Resize::Cover { width, height },
    })
}

fn channels() -> impl Strategy<Value = Channels> {
    use Channels::{Cmyk, Grey, GreyAlpha, Rgb, Rgba};
    prop_oneof![Just(Grey), Just(GreyAlpha), Just(Rgb), Just(Rgba), Just(Cmyk)]
}

/// The largest picture that is compared with the slow reference, and the largest that is made at all.
const SLOW: u64 = if cfg!(debug_assertions) { 1500 } else { 12_000 };
const LARGEST: u64 = if cfg!(debug_assertions) { 400_000 } else { 8_000_000 };

fn pixels_of(size: (u32, u32)) -> u64 {
    u64::from(size.0) * u64::from(size.1)
}

proptest! {
    // A quarter of PROPTEST_CASES, so 64 by default.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_its_size_a_picture_shows_what_it_was(
        (width, height) in (side(), side()),
        channels in channels(),
        resize in resize(),
        seed in any::<u64>(),
    ) {
        // A picture that is too large is made smaller with its shape kept: rejecting it would lose a third of the cases.
        let scale = (LARGEST as f64 / pixels_of((width, height)) as f64).sqrt().min(1.0);
        let smaller = |side: u32| ((f64::from(side) * scale) as u32).max(1);
        let (width, height) = (smaller(width), smaller(height));
        let plan = resize.plan(width, height);
        prop_assume!(pixels_of((plan.width, plan.height)) <= LARGEST);
        let what = format!("{width}×{height}, {channels:?}, {resize:?}");
        let source = tiles(width, height, channels);
        assert_tiles(&source.resized(&plan).expect("a variant"), &plan, (width, height), ONCE, &what);

        let bound = Resize::Fit { width: plan.width, height: plan.height }.plan(width, height);
        let read = Raster::read(&mut Given(&source.pixels), (width, height), channels, &bound);
        assert_tiles(&read.expect("rows"), &bound, (width, height), ONCE, &format!("{what}, read by rows"));

        if pixels_of((width, height)) <= SLOW && pixels_of((plan.width, plan.height)) <= SLOW {
            let source = noise(width, height, channels, seed);
            assert_near(&source.resized(&plan).expect("a variant"), &source, &plan, &what);
            let read = Raster::read(&mut Given(&source.pixels), (width, height), channels, &bound);
            assert_near(&read.expect("rows"), &source, &bound, &format!("{what}, read by rows"));
        }
    }
}
