//! JPEG: markers read by hand, pixels by zune-jpeg in its strict mode.
//!
//! `image`'s wrapper around the same decoder turns the strict mode off and copies the file first; truncated entropy data would come back
//! as grey stripes.
//!
//! Why zune-jpeg: it is the fastest decoder in Rust alone. It reads 12 megapixels in 67 ms and the 2048 × 1536 pixels of a stored picture
//! in 10, where jpeg-decoder takes 13. Decoding at half the size, as libjpeg does for Pillow's `draft` and for vipsthumbnail, only
//! jpeg-decoder can: in 9.9 ms, which is no gain. `bench/pictures` measures the whole beside them.
//!
//! What remains possible: JPEG has no checksums, so data that is exchanged within a scan, or cut out of it with the end marker left in
//! place, may decode to a picture that shows the damage.

use ::image::metadata::Orientation;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::raster::{Channels, Decoded, Raster, buffer};
use super::{Format, Header, Rejected};

const TRUNCATED: Rejected = Rejected::Corrupt("it ends too early");
const MALFORMED: Rejected = Rejected::Corrupt("its structure is broken");

/// Encoders write about ten scans for a progressive picture; each costs a pass over it, so hundreds are an attack.
const MAX_SCANS: usize = 32;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;

/// A segment: its marker and what follows its length. Markers without one have an empty body.
struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
}

/// Walks the segments, and over the entropy-coded data between them.
struct Segments<'a> {
    rest: &'a [u8],
    in_scan: bool,
}

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, in_scan: false }
    }

    fn next(&mut self) -> Result<Segment<'a>, Rejected> {
        loop {
            let start = self.rest.iter().position(|&byte| byte == 0xFF);
            if !self.in_scan && start != Some(0) {
                return Err(if self.rest.is_empty() { TRUNCATED } else { MALFORMED });
            }
            let marker = self.rest.get(start.ok_or(TRUNCATED)?..).unwrap_or_default();
            let [_, code, rest @ ..] = marker else {
                return Err(TRUNCATED);
            };
            match *code {
                // A fill byte: the marker begins with the next one.
                0xFF => self.rest = &marker[1..],
                // A stuffed 0xFF or a restart: still the scan's data.
                0x00 | 0xD0..=0xD7 if self.in_scan => self.rest = rest,
                0x00 => return Err(MALFORMED),
                code @ (0x01 | SOI | EOI | 0xD0..=0xD7) => {
                    self.rest = rest;
                    return Ok(Segment { marker: code, body: &[] });
                }
                code => return self.segment(code, rest),
            }
        }
    }

    fn segment(&mut self, marker: u8, at_length: &'a [u8]) -> Result<Segment<'a>, Rejected> {
        let [high, low, ..] = at_length else {
            return Err(TRUNCATED);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 2 {
            return Err(MALFORMED);
        }
        let body = at_length.get(2..length).ok_or(TRUNCATED)?;
        self.rest = &at_length[length..];
        self.in_scan = marker == SOS;
        Ok(Segment { marker, body })
    }
}

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejected> {
    let mut segments = Segments::of(bytes);
    let (process, frame) = loop {
        let Segment { marker, body } = segments.next()?;
        match marker {
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => break (marker, body),
            SOS | EOI => return Err(MALFORMED),
            _ => {}
        }
    };
    let [depth, h1, h0, w1, w0, count, components @ ..] = frame else {
        return Err(MALFORMED);
    };
    // Lossless, hierarchical and arithmetic-coded frames, and twelve bits, exist in medicine; no browser shows them.
    if !matches!(process, 0xC0..=0xC2) || *depth != 8 {
        return Err(Rejected::Unsupported);
    }
    let width = u32::from(u16::from_be_bytes([*w1, *w0]));
    let height = u32::from(u16::from_be_bytes([*h1, *h0]));

    let sampling = || {
        components
            .chunks_exact(3)
            .map(|component| (u64::from(component[1] >> 4), u64::from(component[1] & 15)))
    };
    let (largest_h, largest_v) = sampling().fold((1, 1), |(h, v), (ch, cv)| (h.max(ch), v.max(cv)));
    // Whole units of blocks, so the coefficients of a picture one pixel high are counted as eight rows of them.
    let units = u64::from(width).div_ceil(8 * largest_h) * u64::from(height).div_ceil(8 * largest_v);
    let blocks: u64 = sampling().map(|(h, v)| h * v * units).sum();
    let pixels = Header::pixels(width, height) * if *count == 1 { 1 } else { 3 };
    let all_at_once = process != 0xC2 && is_interleaved(segments, *count);
    // Several scans: sixteen bits for each coefficient are kept until the last one.
    let coefficients = if all_at_once { 0 } else { blocks * 64 * 2 };
    // A row of blocks and its upsampled copies.
    let rows = u64::from(width) * 8 * largest_v * 16;
    Ok(Header { format: Format::Jpeg, width, height, decoding: pixels + coefficients + rows })
}

/// Whether the first scan holds every component, so that rows can be finished as they are read.
fn is_interleaved(mut segments: Segments<'_>, components: u8) -> bool {
    loop {
        match segments.next() {
            Ok(Segment { marker: SOS, body }) => return body.first() == Some(&components),
            Ok(Segment { marker: EOI, .. }) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

/// Walks to the end and gives the EXIF data passed on the way. Without an end marker the file is truncated.
fn walk(bytes: &[u8]) -> Result<Option<&[u8]>, Rejected> {
    let mut segments = Segments::of(bytes);
    let mut exif = None;
    loop {
        let Segment { marker, body } = segments.next()?;
        match marker {
            EOI => return Ok(exif),
            APP1 if exif.is_none() => exif = body.strip_prefix(b"Exif\0\0"),
            _ => {}
        }
    }
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<Decoded, Rejected> {
    let orientation = walk(bytes)?.and_then(Orientation::from_exif_chunk);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| MALFORMED)?;
    let (channels, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (Channels::Grey, ColorSpace::Luma),
        _ => (Channels::Rgb, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut pixels = buffer(header.width, header.height, channels.count());
    if decoder.dimensions() != Some((header.width as usize, header.height as usize)) {
        return Err(MALFORMED);
    }
    decoder.decode_into(&mut pixels).map_err(|_| Rejected::Corrupt("its pixels cannot be decoded"))?;
    Ok(Decoded {
        raster: Raster { width: header.width, height: header.height, channels, pixels },
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        profile: decoder.icc_profile(),
    })
}
