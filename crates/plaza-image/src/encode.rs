//! Pixels to files. Nothing but pixels goes in, so nothing but pixels comes out.
//!
//! libwebp's methods on 256² pixels of a grainy photograph, quality 80 (PSNR against the pixels given): 2 takes 2.4 ms for 11.4 kB at
//! 34.8 dB, 4 takes 5.4 ms for 11.1 kB at 35.1 dB, 6 takes 13.5 ms for 10.4 kB at 34.9 dB. So the default, 4: its few kilobytes are sent
//! many times, and 6 would more than double what making a variant costs. A JPEG of it takes 0.4 ms and 15.3 kB, the 2048 × 1536
//! pixels that are stored 19 ms.

use std::io::Write;

use ::webp::{PixelLayout, WebPConfig};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};

use super::graphic::Palette;
use super::{Fault, Format, Picture};

const JPEG_QUALITY: u8 = 82;
const WEBP_QUALITY: f32 = 80.0;
/// Pixels up to which a JPEG keeps all of its colours: halved, those of a face this size would be a few dozen.
const SMALL: u32 = 256 * 256;
/// Bytes above which a PNG is compressed harder.
const LARGE_PNG: usize = 4 << 20;
const PNG_CHUNK: usize = 256 << 10;

/// Bytes that the edges of a graphic are worth.
const EDGES: usize = 4096;

/// How large a graphic's lossless WebP may be for a lossy one of so many bytes, which has fringes along every edge.
fn without_fringes(lossy: usize) -> usize {
    lossy * 2 + EDGES
}

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// What encoding may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As small a file as there is time for.
    Full,
    /// Somewhat larger files, in two thirds of the memory.
    Frugal,
    /// Lossy files whose alpha is not compressed, in a quarter of the memory.
    Least,
}

impl Effort {
    /// The most first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Frugal, Self::Least];

    /// Bytes that encoding takes for each pixel, measured on noise, which takes the most.
    pub(crate) fn bytes_per_pixel(self, is_lossless: bool) -> u64 {
        match (self, is_lossless) {
            (Self::Full, false) => 24,
            // Alpha, or a picture that may turn out to be graphic.
            (Self::Full, true) => 48,
            (Self::Frugal, true) => 31,
            (Self::Frugal, false) | (Self::Least, _) => 14,
        }
    }
}

impl Picture {
    /// Encodes what is kept of an upload: as PNG where there is alpha, or where that suits the picture better; else as JPEG.
    ///
    /// # Errors
    ///
    /// A [`Fault`] where the encoder's library fails.
    pub fn encode_original(&self) -> Result<Encoded, Fault> {
        if self.has_alpha() {
            return self.encode(Format::Png);
        }
        let jpeg = self.encode(Format::Jpeg)?;
        if self.is_from_jpeg() {
            return Ok(jpeg);
        }
        let png = self.encode(Format::Png)?;
        let most = jpeg.bytes.len() + if self.is_graphic() { EDGES } else { 0 };
        Ok(if png.bytes.len() <= most { png } else { jpeg })
    }

    /// Encodes: JPEG at quality 82 (alpha laid on white), PNG lossless, WebP lossy at 80, or lossless where the picture is graphic and
    /// that takes no more than twice the bytes and 4 KiB.
    ///
    /// # Errors
    ///
    /// A [`Fault`] for GIF, which is only read, and where the encoder's library fails: every picture that
    /// [`decode`](super::decode) gives has a size that every format takes.
    pub fn encode(&self, format: Format) -> Result<Encoded, Fault> {
        self.encode_with(format, Effort::Full)
    }

    /// Encodes likewise, in less memory.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_with(&self, format: Format, effort: Effort) -> Result<Encoded, Fault> {
        let bytes = match format {
            Format::Jpeg => self.jpeg(),
            Format::Png => self.png(),
            Format::WebP => self.webp(effort),
            Format::Gif => Err("it is only read".to_owned()),
        };
        let (width, height) = (self.width(), self.height());
        match bytes {
            Ok(bytes) => Ok(Encoded { bytes, format, width, height }),
            Err(reason) => Err(Fault::new(format!(
                "a {width}×{height} picture could not be encoded as {format:?}: {reason}"
            ))),
        }
    }

    fn jpeg(&self) -> Result<Vec<u8>, String> {
        let side = |length: u32| u16::try_from(length).map_err(|error| error.to_string());
        let (width, height) = (side(self.width())?, side(self.height())?);
        let mut bytes = Vec::new();
        let mut jpeg = jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY);
        let is_small = self.width() * self.height() <= SMALL;
        jpeg.set_sampling_factor(if is_small || self.is_graphic() {
            SamplingFactor::R_4_4_4
        } else {
            SamplingFactor::R_4_2_0
        });
        jpeg.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        let written = if self.has_alpha() {
            jpeg.encode(&self.on_white(), width, height, ColorType::Rgb)
        } else {
            jpeg.encode(self.pixels(), width, height, ColorType::Rgb)
        };
        written.map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// Quickly; but what does not become much smaller so, and what is graphic, is given the time that it takes. A small file can be made
    /// to decode to pixels that only look like noise, and everybody who shows it would pay.
    fn png(&self) -> Result<Vec<u8>, String> {
        if let Some(palette) = Palette::of(self) {
            return self.palette_png(&palette);
        }
        let bytes = self.png_at(::png::Compression::Fast)?;
        if bytes.len() <= LARGE_PNG && !self.is_graphic() {
            return Ok(bytes);
        }
        drop(bytes);
        self.png_at(::png::Compression::Balanced)
    }

    fn palette_png(&self, palette: &Palette) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut png = ::png::Encoder::new(&mut bytes, self.width(), self.height());
        png.set_color(::png::ColorType::Indexed);
        png.set_depth(::png::BitDepth::from_u8(palette.depth()).ok_or("no such depth")?);
        png.set_palette(palette.colours.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect::<Vec<_>>());
        if self.has_alpha() {
            png.set_trns(palette.colours.iter().map(|colour| colour[3]).collect::<Vec<_>>());
        }
        png.set_compression(::png::Compression::Balanced);
        // Neighbouring numbers of a palette are no neighbouring colours, so there is nothing to predict.
        png.set_filter(::png::Filter::NoFilter);
        let written = png.write_header().and_then(|mut header| {
            header.write_image_data(&palette.packed(self.width()))?;
            header.finish()
        });
        written.map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn png_at(&self, compression: ::png::Compression) -> Result<Vec<u8>, String> {
        // More than noise needs: growing by doubling would reserve twice as much, while pages that stay empty cost nothing.
        let mut bytes = Vec::with_capacity(self.pixels().len() / 4 * 5);
        let mut png = ::png::Encoder::new(&mut bytes, self.width(), self.height());
        png.set_color(if self.has_alpha() { ::png::ColorType::Rgba } else { ::png::ColorType::Rgb });
        png.set_depth(::png::BitDepth::Eight);
        png.set_compression(compression);
        png.set_filter(::png::Filter::Adaptive);
        // Chunk by chunk: whole, the encoder would hold the compressed picture twice.
        let written = png.write_header().and_then(|mut header| {
            let mut stream = header.stream_writer_with_size(PNG_CHUNK)?;
            stream.write_all(self.pixels())?;
            stream.finish()?;
            header.finish()
        });
        written.map_err(|error| error.to_string())?;
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    fn webp(&self, effort: Effort) -> Result<Vec<u8>, String> {
        let sparing = |config: &mut WebPConfig| {
            if effort != Effort::Full {
                (config.method, config.low_memory) = (0, 1);
            }
        };
        let lossy = self.webp_with(|config| {
            config.quality = WEBP_QUALITY;
            sparing(config);
            if effort == Effort::Least {
                config.alpha_compression = 0;
            }
        })?;
        // What is opaque and no JPEG was found to suit PNG when it was stored.
        let may_be_lossless = !self.is_from_jpeg() && (!self.has_alpha() || self.is_graphic());
        if effort == Effort::Least || !may_be_lossless {
            return Ok(lossy);
        }
        let lossless = self.webp_with(|config| {
            config.lossless = 1;
            sparing(config);
        })?;
        Ok(if lossless.len() <= without_fringes(lossy.len()) { lossless } else { lossy })
    }

    fn webp_with(&self, set: impl FnOnce(&mut WebPConfig)) -> Result<Vec<u8>, String> {
        let layout = if self.has_alpha() { PixelLayout::Rgba } else { PixelLayout::Rgb };
        let mut config = WebPConfig::new().map_err(|()| "libwebp has another version".to_owned())?;
        set(&mut config);
        webp::Encoder::new(self.pixels(), layout, self.width(), self.height())
            .encode_advanced(&config)
            .map(|memory| memory.to_vec())
            .map_err(|error| format!("{error:?}"))
    }
}
