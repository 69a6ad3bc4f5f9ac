//! PNG, through the `png` crate itself.
//!
//! `image`'s wrapper keeps text chunks, widens sixteen-bit pictures to eight bytes a pixel, forgives broken checksums outside the pixels
//! and never looks behind them.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::png::{BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Limits, Transformations};

use super::raster::{Channels, Decoded, Raster, buffer};
use super::{Format, Header, Rejected};

/// For chunks and what they inflate to. An upload has 10 MiB, a colour profile less than one; a bomb in `iCCP` stops here.
const CHUNK_BYTES: usize = 12 << 20;

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejected> {
    // Signature, then IHDR, always first: length, name, width, height, depth, colour, compression, filter, interlace, checksum.
    let Some(([0, 0, 0, 13, b'I', b'H', b'D', b'R', fields @ ..], _)) =
        bytes.get(8..).and_then(|chunks| chunks.split_first_chunk::<25>())
    else {
        return Err(Rejected::Corrupt("it has no header"));
    };
    let [w3, w2, w1, w0, h3, h2, h1, h0, depth, colour, ..] = *fields;
    let width = u32::from_be_bytes([w3, w2, w1, w0]);
    let height = u32::from_be_bytes([h3, h2, h1, h0]);
    // A palette or a grey picture may turn out to have alpha by its tRNS chunk.
    let channels = match colour {
        0 | 4 => 2,
        _ => 4,
    };
    // Rows before and behind their filter, at the depth they are stored in.
    let rows = u64::from(width) * channels * u64::from(depth).div_ceil(8) * 4;
    Ok(Header {
        format: Format::Png,
        width,
        height,
        decoding: (Header::pixels(width, height).saturating_mul(channels))
            .saturating_add(rows)
            .saturating_add(CHUNK_BYTES as u64),
    })
}

fn corrupt(error: &DecodingError) -> Rejected {
    Rejected::Corrupt(match error {
        DecodingError::IoError(_) => "it ends too early",
        DecodingError::LimitsExceeded => "it holds too much besides pixels",
        _ => "its structure is broken",
    })
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<Decoded, Rejected> {
    let mut options = DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: CHUNK_BYTES });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|error| corrupt(&error))?;
    let channels = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Channels::Grey,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Channels::GreyAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Channels::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Channels::Rgba,
        _ => return Err(Rejected::Unsupported),
    };
    let mut pixels = buffer(header.width, header.height, channels.count());
    if reader.output_buffer_size() != Some(pixels.len()) {
        return Err(Rejected::Corrupt("its structure is broken"));
    }
    reader.next_frame(&mut pixels).map_err(|error| corrupt(&error))?;
    // To the end: that it is there, and for an eXIf chunk behind the pixels.
    reader.finish().map_err(|error| corrupt(&error))?;
    let info = reader.info();
    Ok(Decoded {
        orientation: info
            .exif_metadata
            .as_deref()
            .and_then(Orientation::from_exif_chunk)
            .unwrap_or(Orientation::NoTransforms),
        profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        raster: Raster { width: header.width, height: header.height, channels, pixels },
    })
}
