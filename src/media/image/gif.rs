//! GIF: blocks read by hand, the first frame by `image`'s decoder.
//!
//! A frame's size is independent of the screen's, so both count against the limits. The blocks are walked to the trailer, because a
//! decoder that wants one frame never notices that the file ends early.

use std::io::Cursor;

use ::image::{ImageDecoder, Limits, codecs::gif::GifDecoder, metadata::Orientation};

use super::raster::{Channels, Decoded, Raster, buffer};
use super::{Format, Header, Rejected};

const TRUNCATED: Rejected = Rejected::Corrupt("it ends too early");
const MALFORMED: Rejected = Rejected::Corrupt("its structure is broken");

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;

/// Reads on from here; every step past the end is a truncation.
struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Rejected> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Rejected> {
        self.take(1).map(|byte| byte[0])
    }

    fn size(&mut self) -> Result<(u32, u32), Rejected> {
        match self.take(4)? {
            &[w0, w1, h0, h1] => {
                Ok((u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into()))
            }
            _ => Err(TRUNCATED),
        }
    }

    fn colour_table(&mut self, flags: u8) -> Result<(), Rejected> {
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Ok(())
    }

    fn sub_blocks(&mut self) -> Result<(), Rejected> {
        loop {
            match self.byte()? {
                0 => return Ok(()),
                length => self.take(usize::from(length))?,
            };
        }
    }

    /// From the signature to behind the global colours; gives the screen's size.
    fn screen(&mut self) -> Result<(u32, u32), Rejected> {
        self.take(6)?;
        let size = self.size()?;
        let flags = self.byte()?;
        self.take(2)?;
        self.colour_table(flags)?;
        Ok(size)
    }

    /// From behind the screen to the first frame; gives the frame's size and leaves the rest of it to read.
    fn first_frame(&mut self) -> Result<(u32, u32), Rejected> {
        loop {
            match self.byte()? {
                EXTENSION => {
                    self.byte()?;
                    self.sub_blocks()?;
                }
                IMAGE => {
                    self.take(4)?;
                    return self.size();
                }
                _ => return Err(MALFORMED),
            }
        }
    }

    /// From behind a frame's size to its end.
    fn frame_data(&mut self) -> Result<(), Rejected> {
        let flags = self.byte()?;
        self.colour_table(flags)?;
        // The width of the codes, then the codes.
        self.byte()?;
        self.sub_blocks()
    }
}

pub(super) fn header(bytes: &[u8]) -> Result<Header, Rejected> {
    let mut blocks = Blocks(bytes);
    blocks.take(6)?;
    let screen = blocks.size()?;
    // A header that is cut off behind the screen's size is for `decode` to refuse.
    let mut blocks = Blocks(bytes);
    let frame = blocks.screen().and_then(|_| blocks.first_frame()).unwrap_or(screen);
    let pixels = Header::pixels(screen.0, screen.1);
    let apart = if frame == screen { 0 } else { Header::pixels(frame.0, frame.1) };
    Ok(Header {
        format: Format::Gif,
        width: screen.0.max(frame.0),
        height: screen.1.max(frame.1),
        decoding: (pixels + apart) * 4 + (1 << 20),
    })
}

/// Walks to the trailer. What follows the first frame is not decoded, so blocks of unknown kinds end the walk without a refusal.
fn walk(bytes: &[u8]) -> Result<(), Rejected> {
    let mut blocks = Blocks(bytes);
    blocks.screen()?;
    blocks.first_frame()?;
    blocks.frame_data()?;
    loop {
        match blocks.byte()? {
            EXTENSION => {
                blocks.byte()?;
                blocks.sub_blocks()?;
            }
            IMAGE => {
                blocks.take(8)?;
                blocks.frame_data()?;
            }
            // The trailer, or nothing we know.
            _ => return Ok(()),
        }
    }
}

pub(super) fn decode(bytes: &[u8], header: Header) -> Result<Decoded, Rejected> {
    walk(bytes)?;
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|_| MALFORMED)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(header.decoding);
    decoder.set_limits(limits).map_err(|_| MALFORMED)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Rejected::Corrupt("it has no pixels"));
    }
    let mut pixels = buffer(width, height, Channels::Rgba.count());
    decoder.read_image(&mut pixels).map_err(|_| Rejected::Corrupt("its pixels cannot be decoded"))?;
    Ok(Decoded {
        raster: Raster { width, height, channels: Channels::Rgba, pixels },
        orientation: Orientation::NoTransforms,
        profile: None,
    })
}
