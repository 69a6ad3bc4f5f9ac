//! GIF. The blocks are read by this module, the codes of the first frame by the `gif` crate.
//!
//! Only the first frame is shown, so only this frame must be complete, and what follows is not read. A frame's position and size
//! are independent of the screen's, so the limits apply to the area that holds both, on which browsers draw.

use ::gif::{ColorOutput, DecodeOptions, Decoder, MemoryLimit};
use ::image::metadata::Orientation;

use super::raster::{Channels, DecodedPicture, Raster, buffer};
use super::{Format, Header, Rejection};

const TRUNCATED: Rejection = Rejection::Corrupt("it ends too early");
const MALFORMED: Rejection = Rejection::Corrupt("its structure is not valid");

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;

/// The bytes from the current position. Every step past the end is a truncation.
struct Blocks<'a>(&'a [u8]);

/// The position of a frame on the screen.
struct Place {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl<'a> Blocks<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Rejection> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Rejection> {
        self.take(1).map(|byte| byte[0])
    }

    fn pair(&mut self) -> Result<(u32, u32), Rejection> {
        match self.take(4)? {
            &[w0, w1, h0, h1] => {
                Ok((u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into()))
            }
            _ => Err(TRUNCATED),
        }
    }

    fn sub_blocks(&mut self) -> Result<(), Rejection> {
        loop {
            match self.byte()? {
                0 => return Ok(()),
                length => self.take(usize::from(length))?,
            };
        }
    }

    /// Reads from the signature past the global colours. Returns the screen's size.
    fn screen(&mut self) -> Result<(u32, u32), Rejection> {
        self.take(6)?;
        let size = self.pair()?;
        let flags = self.byte()?;
        self.take(2)?;
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Ok(size)
    }

    /// Reads from past the screen to the first frame. Extensions of every kind are skipped.
    fn first_frame(&mut self) -> Result<Place, Rejection> {
        loop {
            match self.byte()? {
                EXTENSION => {
                    self.byte()?;
                    self.sub_blocks()?;
                }
                IMAGE => {
                    let ((left, top), (width, height)) = (self.pair()?, self.pair()?);
                    return Ok(Place { left, top, width, height });
                }
                _ => return Err(MALFORMED),
            }
        }
    }
}

/// Returns the screen, enlarged if the frame extends beyond it.
fn canvas(screen: (u32, u32), frame: &Place) -> (u32, u32) {
    (screen.0.max(frame.left + frame.width), screen.1.max(frame.top + frame.height))
}

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejection> {
    let mut blocks = Blocks(bytes);
    blocks.take(6)?;
    let screen = blocks.pair()?;
    // A header that is truncated after the screen's size is rejected by `decode`.
    let mut blocks = Blocks(bytes);
    let frame = blocks.screen().and_then(|_| blocks.first_frame());
    let (width, height) = frame.as_ref().map_or(screen, |frame| canvas(screen, frame));
    let indexes = frame.map_or(0, |frame| Header::pixels(frame.width, frame.height));
    Ok(Header {
        format: Format::Gif,
        width,
        height,
        channels: 4,
        is_whole: true,
        decoding: indexes + (64 << 10),
    })
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<DecodedPicture, Rejection> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    // The memory of a frame was counted from its header.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes).map_err(|_| MALFORMED)?;
    let frame = decoder.next_frame_info().map_err(|_| TRUNCATED)?.ok_or(TRUNCATED)?;
    let place = Place {
        left: frame.left.into(),
        top: frame.top.into(),
        width: frame.width.into(),
        height: frame.height.into(),
    };
    if place.width == 0 || place.height == 0 {
        return Err(Rejection::Corrupt("it has no pixels"));
    }
    if canvas((0, 0), &place).0 > header.width || canvas((0, 0), &place).1 > header.height {
        return Err(MALFORMED);
    }
    let transparent = frame.transparent;
    let mut indexes = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indexes).map_err(|_| Rejection::Corrupt("its pixels cannot be decoded"))?;
    let colours = colours(&decoder, transparent);
    let mut pixels = buffer(header.width, header.height, Channels::Rgba.count());
    let (rows, _) = pixels.as_chunks_mut::<4>();
    let rows = rows.chunks_exact_mut(header.width as usize).skip(place.top as usize);
    for (row, indexes) in rows.zip(indexes.chunks_exact(place.width as usize)) {
        for (pixel, index) in row[place.left as usize..].iter_mut().zip(indexes) {
            *pixel = colours[usize::from(*index)];
        }
    }
    Ok(DecodedPicture {
        raster: Raster { width: header.width, height: header.height, channels: Channels::Rgba, pixels },
        orientation: Orientation::NoTransforms,
        colours: None,
    })
}

/// Returns the colour of each index: from the frame's palette, or the screen's. Indexes beyond its end are black.
fn colours(decoder: &Decoder<&[u8]>, transparent: Option<u8>) -> [[u8; 4]; 256] {
    let mut colours = [[0, 0, 0, u8::MAX]; 256];
    let palette = decoder.palette().unwrap_or_default();
    for (colour, rgb) in colours.iter_mut().zip(palette.chunks_exact(3)) {
        colour[..3].copy_from_slice(rgb);
    }
    if let Some(index) = transparent {
        colours[usize::from(index)] = [0; 4];
    }
    colours
}
