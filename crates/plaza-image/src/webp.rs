//! WebP. The chunks are read by this module, the pixels by `image`'s decoder. libwebp, which is written in C, never reads.
//!
//! The decoder allocates what a chunk claims, and allocates a frame before it compares the frame's size with the canvas. Both are
//! checked here first.

use std::io::Cursor;

use ::image::{ColorType, ImageDecoder, codecs::webp::WebPDecoder, metadata::Orientation};

use super::profile::Colours;
use super::raster::{Channels, DecodedPicture, Raster, buffer};
use super::{Format, Header, Rejection, exif};

const TRUNCATED: Rejection = Rejection::Corrupt("it ends too early");
const MALFORMED: Rejection = Rejection::Corrupt("its structure is not valid");

struct Chunk<'a> {
    name: [u8; 4],
    body: &'a [u8],
}

/// Splits off a chunk; `None` at the end.
fn chunk<'a>(rest: &mut &'a [u8]) -> Result<Option<Chunk<'a>>, Rejection> {
    if rest.is_empty() {
        return Ok(None);
    }
    let Some(([n0, n1, n2, n3, s0, s1, s2, s3], after)) = rest.split_first_chunk() else {
        return Err(TRUNCATED);
    };
    let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
    let body = after.get(..size).ok_or(TRUNCATED)?;
    // Bodies are padded to even lengths. Some writers omit the padding after the last one.
    *rest = after.get(size + size % 2..).unwrap_or_default();
    Ok(Some(Chunk { name: [*n0, *n1, *n2, *n3], body }))
}

fn three_bytes(body: &[u8], at: usize) -> Result<u32, Rejection> {
    match body.get(at..at + 3) {
        Some(&[low, middle, high]) => Ok(u32::from_le_bytes([low, middle, high, 0])),
        _ => Err(TRUNCATED),
    }
}

/// Returns the size that a `VP8X` chunk or a bitstream claims; `None` for other chunks.
fn claimed_size(chunk: &Chunk<'_>) -> Result<Option<(u32, u32)>, Rejection> {
    match (&chunk.name, chunk.body) {
        (b"VP8X", body) => Ok(Some((three_bytes(body, 4)? + 1, three_bytes(body, 7)? + 1))),
        (b"VP8 ", [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) => {
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Ok(Some((side(*w0, *w1), side(*h0, *h1))))
        }
        (b"VP8L", [0x2F, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Ok(Some(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)))
        }
        (b"VP8 " | b"VP8L", _) => Err(MALFORMED),
        _ => Ok(None),
    }
}

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejection> {
    // The first chunk may be longer than the bytes that have arrived: only its beginning matters here.
    let (Some(name), Some(body)) = (bytes.get(12..).and_then(<[u8]>::first_chunk), bytes.get(20..)) else {
        return Err(TRUNCATED);
    };
    let first = Chunk { name: *name, body };
    let (width, height) = claimed_size(&first)?.ok_or(MALFORMED)?;
    // An animation or alpha, according to the flags.
    let has_layers = &first.name == b"VP8X" && body.first().is_some_and(|flags| flags & 0x12 != 0);
    Ok(Header {
        format: Format::WebP,
        width,
        height,
        channels: 4,
        is_whole: true,
        // A frame of an animation is composed on a canvas and copied out of it, and lossy pixels with alpha are decoded
        // separately from it: that is twice four channels more. A lossless picture without alpha is decoded with alpha, and
        // copied without.
        decoding: Header::pixels(width, height) * if has_layers { 8 } else { 3 },
    })
}

/// Checks that every chunk is complete and no frame is larger than the canvas. Returns the EXIF data.
fn walk(bytes: &[u8], header: Header) -> Result<Option<&[u8]>, Rejection> {
    let size = match bytes.get(4..8) {
        Some(&[s0, s1, s2, s3]) => u32::from_le_bytes([s0, s1, s2, s3]) as usize,
        _ => return Err(TRUNCATED),
    };
    let mut rest = bytes.get(12..8_usize.saturating_add(size)).ok_or(TRUNCATED)?;
    let mut exif = None;
    while let Some(chunk) = chunk(&mut rest)? {
        match &chunk.name {
            b"ANMF" => check_frame(chunk.body, header)?,
            b"EXIF" if exif.is_none() => exif = Some(chunk.body),
            _ => {
                if claimed_size(&chunk)?.is_some_and(|size| size != (header.width, header.height)) {
                    return Err(MALFORMED);
                }
            }
        }
    }
    // Some writers put JPEG's prefix before the TIFF header.
    Ok(exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)))
}

fn check_frame(body: &[u8], canvas: Header) -> Result<(), Rejection> {
    let (x, y) = (three_bytes(body, 0)? * 2, three_bytes(body, 3)? * 2);
    let size = (three_bytes(body, 6)? + 1, three_bytes(body, 9)? + 1);
    if x + size.0 > canvas.width || y + size.1 > canvas.height {
        return Err(MALFORMED);
    }
    let mut rest = body.get(16..).ok_or(TRUNCATED)?;
    while let Some(chunk) = chunk(&mut rest)? {
        if claimed_size(&chunk)?.is_some_and(|claimed| claimed != size) {
            return Err(MALFORMED);
        }
    }
    Ok(())
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<DecodedPicture, Rejection> {
    let orientation = walk(bytes, header)?.map_or(Orientation::NoTransforms, exif::orientation);
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| MALFORMED)?;
    let channels = match decoder.color_type() {
        ColorType::Rgba8 => Channels::Rgba,
        _ => Channels::Rgb,
    };
    if decoder.dimensions() != (header.width, header.height) {
        return Err(MALFORMED);
    }
    let profile = decoder.icc_profile().map_err(|_| MALFORMED)?;
    let mut pixels = buffer(header.width, header.height, channels.count());
    decoder.read_image(&mut pixels).map_err(|_| Rejection::Corrupt("its pixels cannot be decoded"))?;
    Ok(DecodedPicture {
        raster: Raster { width: header.width, height: header.height, channels, pixels },
        orientation,
        colours: profile.map(Colours::Icc),
    })
}
