//! WebP pictures. The extended ones are assembled from simple ones.

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

use super::{long, saved};

#[must_use]
pub fn lossless_webp(picture: impl Into<DynamicImage>) -> Vec<u8> {
    saved(picture, ImageFormat::WebP)
}

#[must_use]
pub fn lossy_webp(picture: &RgbImage) -> Vec<u8> {
    ::webp::Encoder::from_rgb(picture.as_raw(), picture.width(), picture.height()).encode(90.0).to_vec()
}

#[must_use]
pub fn lossy_webp_with_alpha(picture: &RgbaImage) -> Vec<u8> {
    ::webp::Encoder::from_rgba(picture.as_raw(), picture.width(), picture.height()).encode(90.0).to_vec()
}

fn riff_chunk(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = long(body.len()).to_le_bytes();
    let padding: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
    [&name, length.as_slice(), body, padding].concat()
}

fn webp_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    riff_chunk(*b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

fn extended_header(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let body =
        [&[flags, 0, 0, 0], &(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3]].concat();
    riff_chunk(*b"VP8X", &body)
}

/// An extended WebP with EXIF. The canvas may claim a size other than that of the picture in it.
#[must_use]
pub fn webp_with_exif(canvas: (u32, u32), simple: &[u8], exif: &[u8]) -> Vec<u8> {
    webp_of(&[extended_header(0x08, canvas.0, canvas.1), simple[12..].to_vec(), riff_chunk(*b"EXIF", exif)])
}

/// An extended WebP with a colour profile, EXIF, XMP and an unknown chunk.
#[must_use]
pub fn telltale_webp(size: (u32, u32), simple: &[u8], profile: &[u8], exif: &[u8], xmp: &[u8]) -> Vec<u8> {
    webp_of(&[
        extended_header(0x2C, size.0, size.1),
        riff_chunk(*b"ICCP", profile),
        simple[12..].to_vec(),
        riff_chunk(*b"EXIF", exif),
        riff_chunk(*b"XMP ", xmp),
        riff_chunk(*b"MINE", b"SECRET-CHUNK"),
    ])
}

/// A WebP header of each kind, with a given size and no pixels: extended, lossy, lossless.
#[must_use]
pub fn webps_claiming(width: u16, height: u16) -> [Vec<u8>; 3] {
    let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
    let lossy = [0x10, 0, 0, 0x9D, 0x01, 0x2A, w0, w1, h0, h1];
    let bits = u32::from(width - 1) | u32::from(height - 1) << 14;
    let lossless = [&[0x2F], bits.to_le_bytes().as_slice()].concat();
    [
        webp_of(&[extended_header(0, width.into(), height.into()), riff_chunk(*b"VP8 ", &lossy)]),
        webp_of(&[riff_chunk(*b"VP8 ", &lossy)]),
        webp_of(&[riff_chunk(*b"VP8L", &lossless)]),
    ]
}

/// An animation of simple WebP pictures of one size.
#[must_use]
pub fn animated_webp(width: u32, height: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut chunks = vec![extended_header(0x02, width, height), riff_chunk(*b"ANIM", &[0; 6])];
    for simple in frames {
        let place =
            [&[0; 6], &(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3], &[100, 0, 0, 2]]
                .concat();
        chunks.push(riff_chunk(*b"ANMF", &[place, simple[12..].to_vec()].concat()));
    }
    webp_of(&chunks)
}

/// An animation that may be transparent, with one frame at a position on a larger canvas (even positions only). The frame is
/// either blended with what was there or replaces it. The background is a colour, which browsers ignore.
#[must_use]
pub fn animated_webp_at(
    canvas: (u32, u32),
    place: (u32, u32),
    size: (u32, u32),
    still: &[u8],
    blended: bool,
) -> Vec<u8> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    // After the file's header, and after the canvas of an extended file.
    let chunks = if &still[12..16] == b"VP8X" { &still[30..] } else { &still[12..] };
    let frame = [
        three(place.0 / 2),
        three(place.1 / 2),
        three(size.0 - 1),
        three(size.1 - 1),
        vec![100, 0, 0, if blended { 0 } else { 2 }],
        chunks.to_vec(),
    ]
    .concat();
    webp_of(&[
        extended_header(0x12, canvas.0, canvas.1),
        riff_chunk(*b"ANIM", &[200, 100, 50, 255, 0, 0]),
        riff_chunk(*b"ANMF", &frame),
        riff_chunk(*b"ANMF", &frame),
    ])
}
