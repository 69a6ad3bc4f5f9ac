//! GIFs: still ones, animated ones, and ones with false claims.

use image::codecs::gif::GifEncoder;
use image::{Frame, RgbaImage};

use super::{long, low_byte, made, short};

#[must_use]
pub fn gif(frames: &[RgbaImage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    made(encoder.encode_frames(frames.iter().cloned().map(Frame::new)));
    drop(encoder);
    bytes
}

/// A GIF with a screen and a frame of any size, and no pixels in it.
#[must_use]
pub fn gif_claiming(screen: u16, frame: u16) -> Vec<u8> {
    let ([s0, s1], [f0, f1]) = (screen.to_le_bytes(), frame.to_le_bytes());
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([s0, s1, s0, s1, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    bytes.extend([0x2C, 0, 0, 0, 0, f0, f1, f0, f1, 0, 2, 1, 0x44, 0, 0x3B]);
    bytes
}

/// A frame of a [`gif_of`]: its position, its colours by index, and its control block.
#[derive(Clone, Debug, Default)]
pub struct GifFrame {
    pub place: (u16, u16),
    pub size: (u16, u16),
    pub indexes: Vec<u8>,
    /// The transparent index.
    pub transparent: Option<u8>,
    /// How the frame is disposed of after it was shown: 1 leaves it, 2 restores the background, 3 restores the previous content.
    pub disposal: u8,
    pub interlaced: bool,
}

/// A GIF assembled from blocks, with a palette of 128 colours: [`gif_colour`].
#[must_use]
pub fn gif_of(screen: (u16, u16), background: u8, frames: &[GifFrame]) -> Vec<u8> {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(words(&[screen.0, screen.1]));
    bytes.extend([0xF6, background, 0]);
    bytes.extend((0..128).flat_map(gif_colour));
    for frame in frames {
        let control = frame.disposal << 2 | u8::from(frame.transparent.is_some());
        bytes.extend([0x21, 0xF9, 4, control, 10, 0, frame.transparent.unwrap_or(0), 0, 0x2C]);
        bytes.extend(words(&[frame.place.0, frame.place.1, frame.size.0, frame.size.1]));
        bytes.push(if frame.interlaced { 0x40 } else { 0 });
        bytes.extend(uncompressed(&frame.rows_as_stored()));
    }
    bytes.push(0x3B);
    bytes
}

/// The colour with this index in a [`gif_of`].
#[must_use]
pub fn gif_colour(index: u8) -> [u8; 3] {
    [index * 2, 255 - index, index.wrapping_mul(37)]
}

impl GifFrame {
    /// Interlaced rows are stored in four passes.
    fn rows_as_stored(&self) -> Vec<u8> {
        let width = usize::from(self.size.0);
        if !self.interlaced {
            return self.indexes.clone();
        }
        let rows: Vec<&[u8]> = self.indexes.chunks(width).collect();
        [(0, 8), (4, 8), (2, 4), (1, 2)]
            .into_iter()
            .flat_map(|(first, step)| rows.iter().skip(first).step_by(step).copied())
            .collect::<Vec<_>>()
            .concat()
    }
}

/// LZW that never uses its table: codes have eight bits as long as the table is cleared before it needs nine.
fn uncompressed(indexes: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    for run in indexes.chunks(100) {
        codes.push(0x80);
        codes.extend(run);
    }
    codes.push(0x81);
    let mut blocks = vec![7];
    for block in codes.chunks(255) {
        blocks.push(low_byte(long(block.len())));
        blocks.extend(block);
    }
    blocks.push(0);
    blocks
}

/// A GIF with a first frame, and `more` frames of one pixel.
#[must_use]
pub fn gif_of_many(first: &RgbaImage, more: usize) -> Vec<u8> {
    let whole = gif(std::slice::from_ref(first));
    // Position and size; a table of two colours; the codes of one pixel.
    let frame = [0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0x80, 0, 0, 0, 255, 255, 255, 2, 2, 0x44, 1, 0];
    [&whole[..whole.len() - 1], &frame.repeat(more), &[0x3B]].concat()
}

/// A GIF with an extension, such as a comment (0xFE), before its first frame.
#[must_use]
pub fn with_extension(gif: &[u8], label: u8, body: &[u8]) -> Vec<u8> {
    // The screen, and the global colours, if there are any.
    let start = if gif[10] & 0x80 == 0 { 13 } else { 13 + (3 << ((gif[10] & 7) + 1)) };
    let blocks: Vec<u8> =
        body.chunks(255).flat_map(|block| [&short(block.len()).to_le_bytes()[..1], block].concat()).collect();
    [&gif[..start], &[0x21, label], &blocks, &[0], &gif[start..]].concat()
}
