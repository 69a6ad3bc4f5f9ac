//! GIFs, still, moving and lying.

use image::codecs::gif::GifEncoder;
use image::{Frame, RgbaImage};

use super::made;

#[must_use]
pub fn gif(frames: &[RgbaImage]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    made(encoder.encode_frames(frames.iter().cloned().map(Frame::new)));
    drop(encoder);
    bytes
}

/// A GIF with a screen and a frame of any sizes, and no pixels in it.
#[must_use]
pub fn gif_claiming(screen: u16, frame: u16) -> Vec<u8> {
    let ([s0, s1], [f0, f1]) = (screen.to_le_bytes(), frame.to_le_bytes());
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([s0, s1, s0, s1, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    bytes.extend([0x2C, 0, 0, 0, 0, f0, f1, f0, f1, 0, 2, 1, 0x44, 0, 0x3B]);
    bytes
}
