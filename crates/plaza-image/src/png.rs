//! PNG, decoded by the `png` crate itself.
//!
//! `image`'s wrapper widens sixteen-bit pictures to eight bytes per pixel, and never reads what follows the pixels. This module
//! first picks the chunks that a still picture needs, as browsers pick them. So the crate sees no damaged text, no animation, and
//! no repeated chunk.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use ::image::metadata::Orientation;
use ::png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Info, Limits, Reader, ScaledFloat,
    Transformations,
};

use super::profile::{self, Colours};
use super::raster::{Channels, DecodedPicture, Raster, buffer};
use super::resize::{Resize, Rows};
use super::{Format, Header, Rejection, exif};

const TRUNCATED: Rejection = Rejection::Corrupt("it ends too early");
const MALFORMED: Rejection = Rejection::Corrupt("its structure is not valid");

/// The limit for chunks and for what they inflate to. An upload has at most 10 MiB, and a colour profile less than one. A
/// decompression bomb in `iCCP` stops here.
const CHUNK_BYTES: usize = 12 << 20;

const SIGNATURE: Range<usize> = 0..8;

/// Chunks that are optional and are read if they are intact.
const USEFUL: [&[u8; 4]; 7] = [b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf"];

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejection> {
    // The signature, then IHDR, which always comes first: length, name, width, height, depth, colour, compression, filter,
    // interlace, checksum.
    let Some(([0, 0, 0, 13, b'I', b'H', b'D', b'R', fields @ ..], _)) =
        bytes.get(8..).and_then(|chunks| chunks.split_first_chunk::<25>())
    else {
        return Err(Rejection::Corrupt("it has no header"));
    };
    let [w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, _, _, interlaced, ..] = *fields;
    let width = u32::from_be_bytes([w3, w2, w1, w0]);
    let height = u32::from_be_bytes([h3, h2, h1, h0]);
    // The tRNS chunk may give alpha to a palette or a grey picture.
    let channels = match colour {
        0 | 4 => 2,
        _ => 4,
    };
    // Rows before and after filtering, at the depth in which they are stored.
    let rows = u64::from(width) * channels * u64::from(depth).div_ceil(8) * 4;
    Ok(Header {
        format: Format::Png,
        width,
        height,
        channels,
        // Only an interlaced picture has no complete row before it has all rows.
        is_whole: interlaced != 0,
        decoding: rows.saturating_add((bytes.len() + CHUNK_BYTES) as u64),
    })
}

fn corrupt(error: &DecodingError) -> Rejection {
    match error {
        DecodingError::IoError(_) => TRUNCATED,
        DecodingError::LimitsExceeded => Rejection::Corrupt("it contains too much data besides pixels"),
        _ => MALFORMED,
    }
}

/// The parts of a file that the decoder is to see, and its EXIF data.
struct PickedChunks<'a> {
    bytes: Cow<'a, [u8]>,
    exif: Option<&'a [u8]>,
}

/// The last chunk of every PNG.
const END: [u8; 12] = *b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// Returns a chunk's name, body and checksum, and the position of its end.
fn chunk_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = bytes.get(at..at + 4)?.try_into().ok()?;
    let end = (u32::from_be_bytes(length) as usize).checked_add(at + 12)?;
    Some((bytes.get(at + 4..end)?, end))
}

/// Picks the chunks of the still picture. A critical chunk must be intact. An ancillary chunk is left out if it is damaged,
/// repeated or in the wrong place.
fn picked<'a>(bytes: &'a [u8], without: &[&[u8; 4]]) -> Result<PickedChunks<'a>, Rejection> {
    let mut kept: Vec<Range<usize>> = vec![SIGNATURE];
    let (mut seen, mut exif): (Vec<&[u8]>, _) = (Vec::new(), None);
    let (mut at, mut has_pixels, mut is_animated, mut has_end) = (SIGNATURE.end, false, false, false);
    loop {
        let Some((chunk, end)) = chunk_at(bytes, at) else {
            // In an animation that is truncated, the still picture may be complete.
            let is_still_whole = is_animated && has_pixels && bytes.get(at + 4..at + 8) != Some(b"IDAT");
            if is_still_whole {
                break;
            }
            return Err(TRUNCATED);
        };
        let (content, checksum) = chunk.split_at(chunk.len() - 4);
        let (name, body) = content.split_at(4);
        let is_whole = crc32fast::hash(content).to_be_bytes() == checksum;
        let is_critical = name[0].is_ascii_uppercase();
        if is_critical && !is_whole {
            return Err(MALFORMED);
        }
        let is_first = !seen.contains(&name);
        if name == b"eXIf" && is_whole {
            exif.get_or_insert(body);
        }
        let is_useful =
            USEFUL.iter().any(|useful| *useful == name) && !without.iter().any(|left| *left == name);
        // The decoder fails on code points of anything but RGB.
        let is_other = name == b"cICP" && !matches!(body, [_, _, 0, 0 | 1]);
        if is_critical || (is_useful && is_whole && is_first && !has_pixels && !is_other) {
            extend(&mut kept, at..end);
            // Only names that may occur once are remembered: a file has room for a million chunks.
            if !is_critical {
                seen.push(name);
            }
        }
        has_pixels |= name == b"IDAT";
        is_animated |= name == b"acTL";
        at = end;
        if name == b"IEND" {
            has_end = true;
            break;
        }
    }
    Ok(PickedChunks { bytes: join(&bytes[..at], kept, has_end), exif })
}

/// Adds a chunk. Adjacent chunks become one range.
fn extend(kept: &mut Vec<Range<usize>>, chunk: Range<usize>) {
    match kept.last_mut().filter(|last| last.end == chunk.start) {
        Some(last) => last.end = chunk.end,
        None => kept.push(chunk),
    }
}

/// Joins the ranges of a file. `bytes` end where the last chunk does.
fn join(bytes: &[u8], kept: Vec<Range<usize>>, has_end: bool) -> Cow<'_, [u8]> {
    let length: usize = kept.iter().map(ExactSizeIterator::len).sum();
    if has_end && length == bytes.len() {
        return Cow::Borrowed(bytes);
    }
    let mut copy = Vec::with_capacity(length);
    for range in kept {
        copy.extend(&bytes[range]);
    }
    if !has_end {
        copy.extend(END);
    }
    Cow::Owned(copy)
}

fn reader(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, DecodingError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: CHUNK_BYTES });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.read_info()
}

pub(super) fn decode(bytes: &[u8], header: Header, bound: u32) -> Result<DecodedPicture, Rejection> {
    let mut picture = picked(bytes, &[])?;
    // Chunks besides the pixels that cannot be read, above all a profile, are no reason to reject the picture.
    for without in [[b"iCCP"].as_slice(), &USEFUL] {
        if reader(&picture.bytes).is_err() {
            picture = picked(bytes, without)?;
        }
    }
    let mut reader = reader(&picture.bytes).map_err(|error| corrupt(&error))?;
    let channels = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Channels::Grey,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Channels::GreyAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Channels::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Channels::Rgba,
        _ => return Err(Rejection::Unsupported),
    };
    let (width, height) = (header.width, header.height);
    let length = width as usize * height as usize * channels.count();
    if reader.output_buffer_size() != Some(length) {
        return Err(MALFORMED);
    }
    let raster = if reader.info().interlaced {
        let mut pixels = buffer(width, height, channels.count());
        reader.next_frame(&mut pixels).map_err(|error| corrupt(&error))?;
        Raster { width, height, channels, pixels }
    } else {
        let plan = Resize::Fit { width: bound, height: bound }.plan(width, height);
        let mut lines = Lines { reader, line: width as usize * channels.count() };
        let raster = Raster::read(&mut lines, (width, height), channels, &plan)?;
        reader = lines.reader;
        raster
    };
    // Reads to the end, which must be present.
    reader.finish().map_err(|error| corrupt(&error))?;
    Ok(DecodedPicture {
        raster,
        orientation: picture.exif.map_or(Orientation::NoTransforms, exif::orientation),
        colours: colours(reader.info()),
    })
}

struct Lines<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    line: usize,
}

impl Rows for Lines<'_> {
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Rejection> {
        for row in rows.chunks_exact_mut(self.line) {
            let read = self.reader.next_row().map_err(|error| corrupt(&error))?.ok_or(TRUNCATED)?;
            row.copy_from_slice(read.data().get(..row.len()).ok_or(MALFORMED)?);
        }
        Ok(())
    }
}

/// The gamma values that are accepted, with libpng's limits. Others are ignored.
const GAMMA: std::ops::RangeInclusive<f32> = 0.000_16..=6250.0;

/// A gamma this close to sRGB's curve, without primaries, is taken as sRGB. The threshold is libpng's, 5 %.
const SRGB_GAMMA: std::ops::RangeInclusive<f32> = 0.431_8..=0.477_3;

/// Returns what applies of the chunks that describe colours: the first of `cICP`, `iCCP`, `sRGB`, and `gAMA` with `cHRM` (PNG,
/// third edition, 4.3).
fn colours(info: &Info<'_>) -> Option<Colours> {
    let cicp = info.coding_independent_code_points.filter(|points| {
        points.is_video_full_range_image
            && profile::is_known_cicp(points.color_primaries, points.transfer_function)
    });
    if let Some(points) = cicp {
        return Some(Colours::Cicp(points.color_primaries, points.transfer_function));
    }
    if let Some(profile) = info.icc_profile.as_ref().filter(|profile| profile::is_readable(profile)) {
        return Some(Colours::Icc(profile.to_vec()));
    }
    if info.srgb.is_some() {
        return None;
    }
    let gamma = info.gama_chunk.map(ScaledFloat::into_value).filter(|gamma| GAMMA.contains(gamma))?;
    let points = info.chrm_chunk.map(|points| {
        [points.white, points.red, points.green, points.blue].map(|(x, y)| (x.into_value(), y.into_value()))
    });
    match points {
        Some(points) if is_triangle(&points) => Some(Colours::Gamma(gamma, Some(points))),
        // If the primaries span no colours, the gamma is meaningless too.
        Some(_) => None,
        None if SRGB_GAMMA.contains(&gamma) => None,
        None => Some(Colours::Gamma(gamma, None)),
    }
}

/// Whether white, red, green and blue are colours, and the last three are distinct.
fn is_triangle(points: &[(f32, f32); 4]) -> bool {
    let is_colour = |(x, y): &(f32, f32)| *x >= 0.0 && *y > 0.0 && x + y <= 1.0;
    let [_, red, green, blue] = points;
    let area = (green.0 - red.0) * (blue.1 - red.1) - (blue.0 - red.0) * (green.1 - red.1);
    points.iter().all(is_colour) && area.abs() > 0.01
}
