//! JPEG. The markers are read by this module, the pixels by libjpeg-turbo, as built by the `mozjpeg` crate.
//!
//! Browsers decode with libjpeg-turbo, so what they show is read here: stray bytes between segments, scans of single components,
//! arithmetic codes, components that share an id. The library reports every irregularity, and `judge` decides which of them a
//! picture survives. A picture with a scan that ends early is rejected, whereas libjpeg alone would fill it with grey.
//!
//! Of the decoders in Rust, zune-jpeg 0.5.15 draws green stripes for scans of single components and accepts truncated files,
//! jpeg-decoder does not support arithmetic codes, and both are slower: 90 ms and more for 12 megapixels that libjpeg-turbo reads
//! in 74. The library is written in C, so its input has passed the checks here first: sizes, the number of scans, and the memory
//! that it will request.
//!
//! One problem remains: JPEG has no checksums, so data that is exchanged within a scan may decode to a picture that shows the
//! damage.

use std::ffi::c_int;
use std::io::{self, BufRead, Read};

use ::image::metadata::Orientation;
use mozjpeg::ColorSpace;
use mozjpeg::decompress::{Decompress, DecompressStarted};
use mozjpeg_sys::{
    JWRN_ADOBE_XFORM, JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR, JWRN_NOT_SEQUENTIAL, jpeg_common_struct,
    jpeg_error_mgr, jpeg_std_error,
};

use super::jpeg_layout::{Frame, Layout};
use super::profile::Colours;
use super::raster::{Channels, DecodedPicture, Raster};
use super::resize::{Resize, Rows};
use super::{Format, Header, Rejection, exif};

const MALFORMED: Rejection = Rejection::Corrupt("its structure is not valid");
const UNDECODABLE: Rejection = Rejection::Corrupt("its pixels cannot be decoded");

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejection> {
    let frame = Frame::find(bytes)?;
    let (width, height) = (frame.width, frame.height);
    let (largest_h, largest_v) = frame.sampling();
    // Whole units of blocks, so the coefficients of a picture that is one pixel high count as eight rows.
    let units = u64::from(width).div_ceil(8 * largest_h) * u64::from(height).div_ceil(8 * largest_v);
    let blocks: u64 = frame.components.iter().map(|of| u64::from(of.h) * u64::from(of.v) * units).sum();
    // With several scans, sixteen bits are kept for each coefficient until the last scan.
    let coefficients = if frame.is_interleaved && !frame.is_progressive() { 0 } else { blocks * 64 * 2 };
    // Some rows of blocks, as coefficients, as samples and upsampled.
    let rows = u64::from(width) * 8 * largest_v * 4 * frame.components.len() as u64;
    // A file is copied if its height follows its pixels, or if its codes are arithmetic.
    let copy = if frame.is_copied() { bytes.len() as u64 * 2 } else { 0 };
    let channels = frame.components.len() as u64;
    Ok(Header {
        format: Format::Jpeg,
        width,
        height,
        channels,
        is_whole: false,
        decoding: coefficients + rows + copy,
    })
}

pub(super) fn decode(bytes: &[u8], header: Header, bound: u32) -> Result<DecodedPicture, Rejection> {
    let layout = Layout::of(bytes)?;
    let bytes = layout.with_height(bytes);
    let raster = pixels(&bytes, header, bound)?;
    if layout.frame.is_arithmetic() && pixels(&layout.with_other_ends(&bytes), header, bound)? != raster {
        return Err(Rejection::Corrupt("it ends too early"));
    }
    Ok(DecodedPicture {
        raster,
        orientation: layout.exif.map_or(Orientation::NoTransforms, exif::orientation),
        colours: layout.icc_profile().map(Colours::Icc),
    })
}

fn pixels(bytes: &[u8], header: Header, bound: u32) -> Result<Raster, Rejection> {
    let mut decoder =
        Decompress::builder().with_err(errors()).from_reader(Pieces(bytes)).map_err(|_| MALFORMED)?;
    // A complete picture has nothing to smooth.
    decoder.do_block_smoothing(false);
    if decoder.size() != (header.width as usize, header.height as usize) {
        return Err(MALFORMED);
    }
    let (channels, started) = match decoder.color_space() {
        ColorSpace::JCS_GRAYSCALE => (Channels::Grey, decoder.grayscale()),
        ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK => {
            (Channels::Cmyk, decoder.to_colorspace(ColorSpace::JCS_CMYK))
        }
        ColorSpace::JCS_RGB | ColorSpace::JCS_YCbCr => (Channels::Rgb, decoder.rgb()),
        _ => return Err(Rejection::Unsupported),
    };
    let mut lines = Lines(started.map_err(|_| UNDECODABLE)?);
    let plan = Resize::Fit { width: bound, height: bound }.plan(header.width, header.height);
    let raster = Raster::read(&mut lines, (header.width, header.height), channels, &plan)?;
    // Reads to the end marker, which may precede the data of another scan.
    lines.0.finish().map_err(|_| UNDECODABLE)?;
    Ok(raster)
}

/// The file in pieces that are shorter than the largest code of a block. With longer pieces, libjpeg-turbo takes a path that is a
/// tenth faster, but does not report invalid codes.
struct Pieces<'a>(&'a [u8]);

const PIECE: usize = 512;

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.0[..self.0.len().min(PIECE)])
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

struct Lines<'a>(DecompressStarted<Pieces<'a>>);

impl Rows for Lines<'_> {
    fn read(&mut self, rows: &mut [u8]) -> Result<(), Rejection> {
        self.0.read_scanlines_into(rows).map(drop).map_err(|_| UNDECODABLE)
    }
}

/// libjpeg's own error handlers, except that errors and warnings end in `give_up` and `judge`.
fn errors() -> jpeg_error_mgr {
    // SAFETY: a table of function pointers and numbers, for which zeroes are a valid value, and which libjpeg fills.
    unsafe {
        let mut errors = std::mem::zeroed();
        jpeg_std_error(&mut errors);
        errors.error_exit = Some(give_up);
        errors.emit_message = Some(judge);
        errors
    }
}

/// Unwinds, since libjpeg must not return from an error. [`contained`](super::contained) catches the panic, and no hook reports
/// it.
extern "C-unwind" fn give_up(_decoder: &mut jpeg_common_struct) {
    std::panic::resume_unwind(Box::new("libjpeg gave up"));
}

/// Gives up on warnings, which have level -1, unless they are harmless. A broken or missing code, or a scan that is left out,
/// gives a picture with holes.
extern "C-unwind" fn judge(decoder: &mut jpeg_common_struct, level: c_int) {
    const HARMLESS: [c_int; 4] = [
        JWRN_ADOBE_XFORM as c_int,
        JWRN_EXTRANEOUS_DATA as c_int,
        JWRN_JFIF_MAJOR as c_int,
        JWRN_NOT_SEQUENTIAL as c_int,
    ];
    // SAFETY: libjpeg calls this through the table to which the pointer points.
    let code = unsafe { decoder.err.as_ref() }.map(|errors| errors.msg_code);
    if level < 0 && !code.is_some_and(|code| HARMLESS.contains(&code)) {
        give_up(decoder);
    }
}
