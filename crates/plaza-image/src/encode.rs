//! Encoding of pixels to files. Only pixels go in, so only pixels come out.
//!
//! libwebp's methods on 256² pixels of a grainy photograph at quality 80 (PSNR against the given pixels): method 2 takes 2.4 ms
//! for 11.4 kB at 34.8 dB, method 4 takes 5.4 ms for 11.1 kB at 35.1 dB, method 6 takes 13.5 ms for 10.4 kB at 34.9 dB. So the
//! default, 4, is used: the few kilobytes of a variant are sent many times, and 6 would more than double the cost of making it. A
//! JPEG of it takes 0.4 ms and 15.3 kB, and one of the 2048 × 1536 pixels that are stored takes 19 ms.

use std::io::Write;

use ::webp::{PixelLayout, WebPConfig};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};

use super::graphic::Palette;
use super::{Fault, Format, Picture};

const JPEG_QUALITY: u8 = 82;
const WEBP_QUALITY: f32 = 80.0;
/// Pixels up to which a JPEG keeps all of its colours. Halved, the colours of a face of this size would be a few dozen.
const SMALL: u32 = 256 * 256;
/// Bytes above which a PNG is compressed harder.
const LARGE_PNG: usize = 4 << 20;
const PNG_CHUNK: usize = 256 << 10;

/// Bytes by which a graphic may be larger for the sake of its edges.
const EDGES: usize = 4096;

/// Returns the maximum size of a graphic's lossless WebP if the lossy one, which has fringes along every edge, has `lossy` bytes.
fn without_fringes(lossy: usize) -> usize {
    lossy * 2 + EDGES
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPicture {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// The format of the file.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// How much time and memory encoding may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// The smallest file that the time allows.
    Full,
    /// Somewhat larger files, in two thirds of the memory.
    Frugal,
    /// Lossy files whose alpha is not compressed, in a quarter of the memory.
    Least,
}

impl Effort {
    /// All efforts, the greatest first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Frugal, Self::Least];

    /// Returns the bytes that encoding takes per pixel, measured on noise, which takes the most.
    pub(crate) fn bytes_per_pixel(self, is_lossless: bool) -> u64 {
        match (self, is_lossless) {
            (Self::Full, false) => 24,
            // With alpha, or a picture that may turn out to be graphic.
            (Self::Full, true) => 48,
            (Self::Frugal, true) => 31,
            (Self::Frugal, false) | (Self::Least, _) => 14,
        }
    }
}

impl Picture {
    /// Encodes the picture that is stored for an upload: as PNG if there is alpha or if PNG suits the picture better, otherwise
    /// as JPEG.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the encoder's library fails.
    pub fn encode_original(&self) -> Result<EncodedPicture, Fault> {
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

    /// Encodes the picture: as JPEG at quality 82 (with alpha laid on white), as lossless PNG, or as lossy WebP at 80. A graphic
    /// is encoded as lossless WebP if that takes no more than twice the bytes plus 4 KiB.
    ///
    /// # Errors
    ///
    /// A [`Fault`] for GIF, which is only read, and if the encoder's library fails: every picture that [`decode`](super::decode)
    /// returns has a size that every format accepts.
    pub fn encode(&self, format: Format) -> Result<EncodedPicture, Fault> {
        self.encode_with(format, Effort::Full)
    }

    /// Encodes the picture as [`encode`](Self::encode) does, in less memory.
    ///
    /// # Errors
    ///
    /// The errors of [`encode`](Self::encode).
    pub fn encode_with(&self, format: Format, effort: Effort) -> Result<EncodedPicture, Fault> {
        let bytes = match format {
            Format::Jpeg => self.jpeg(),
            Format::Png => self.png(),
            Format::WebP => self.webp(effort),
            Format::Gif => Err("it is only read".to_owned()),
        };
        let (width, height) = (self.width(), self.height());
        match bytes {
            Ok(bytes) => Ok(EncodedPicture { bytes, format, width, height }),
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

    /// Compresses quickly at first. If that does not make the picture much smaller, or if the picture is graphic, takes the time
    /// that is needed. A small file can be crafted to decode to pixels that only look like noise, and every client that loads it
    /// would pay.
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
        // Neighbouring numbers of a palette are not neighbouring colours, so there is nothing to predict.
        png.set_filter(::png::Filter::NoFilter);
        let written = png.write_header().and_then(|mut header| {
            header.write_image_data(&palette.packed(self.width()))?;
            header.finish()
        });
        written.map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn png_at(&self, compression: ::png::Compression) -> Result<Vec<u8>, String> {
        // More than noise needs. Growing by doubling would reserve twice as much, while pages that stay empty cost nothing.
        let mut bytes = Vec::with_capacity(self.pixels().len() / 4 * 5);
        let mut png = ::png::Encoder::new(&mut bytes, self.width(), self.height());
        png.set_color(if self.has_alpha() { ::png::ColorType::Rgba } else { ::png::ColorType::Rgb });
        png.set_depth(::png::BitDepth::Eight);
        png.set_compression(compression);
        png.set_filter(::png::Filter::Adaptive);
        // Written chunk by chunk. Otherwise the encoder would hold the compressed picture twice.
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
        // For a picture that is opaque and not from a JPEG, PNG was found to suit it better when it was stored.
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
