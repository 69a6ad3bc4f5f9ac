//! JPEGs: for every way of holding the camera, and with everything that a camera records.

use image::RgbImage;
use jpeg_encoder::{ColorType, SamplingFactor};

use super::{exif, long, made, quadrants, short};

/// A JPEG of `picture`, encoded with the options of `set`.
pub fn jpeg_with(picture: &RgbImage, set: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    set(&mut encoder);
    let (width, height) = (short(picture.width()), short(picture.height()));
    made(encoder.encode(picture.as_raw(), width, height, ColorType::Rgb));
    bytes
}

#[must_use]
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    jpeg_with(&quadrants(width, height), |_| ())
}

#[must_use]
pub fn progressive_jpeg(picture: &RgbImage) -> Vec<u8> {
    jpeg_with(picture, |encoder| encoder.set_progressive(true))
}

/// Four inks as Adobe writes them. `ycck` transforms the colours first.
#[must_use]
pub fn cmyk_jpeg(width: u16, height: u16, ink: [u8; 4], ycck: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let kind = if ycck { ColorType::CmykAsYcck } else { ColorType::Cmyk };
    let pixels = ink.repeat(usize::from(width) * usize::from(height));
    made(jpeg_encoder::Encoder::new(&mut bytes, 95).encode(&pixels, width, height, kind));
    bytes
}

#[must_use]
pub fn grey_jpeg(width: u16, height: u16, grey: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![grey; usize::from(width) * usize::from(height)];
    made(jpeg_encoder::Encoder::new(&mut bytes, 95).encode(&pixels, width, height, ColorType::Luma));
    bytes
}

/// The JPEG with a segment directly after its start marker.
#[must_use]
pub fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = short(body.len() + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, body, &jpeg[2..]].concat()
}

/// The JPEG that a camera held in one of EXIF's eight ways would write.
#[must_use]
pub fn oriented_jpeg(width: u32, height: u32, orientation: u16) -> Vec<u8> {
    jpeg_with_exif(&jpeg(width, height), &exif(orientation))
}

#[must_use]
pub fn jpeg_with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    with_segment(jpeg, 0xE1, &[b"Exif\0\0", exif].concat())
}

/// A JPEG with everything that its owner would not want to publish: see [`SECRETS`].
#[must_use]
pub fn telltale_jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = jpeg(width, height);
    bytes = with_segment(&bytes, 0xFE, b"SECRET-COMMENT");
    bytes = with_segment(&bytes, 0xED, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\x0eSECRET-IPTC");
    bytes = with_segment(&bytes, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>SECRET-XMP</x>");
    bytes =
        with_segment(&bytes, 0xE1, &[b"Exif\0\0".as_slice(), &exif(6), b"SECRET-GPS 52.5N 13.4E"].concat());
    bytes.extend_from_slice(b"SECRET-TRAILER<?php system($_GET['c']); ?>");
    bytes
}

/// What [`telltale_jpeg`] and similar samples contain, and stored pictures must not.
pub const SECRETS: [&[u8]; 7] = [b"SECRET", b"Exif", b"adobe", b"Photoshop", b"ICC_PROFILE", b"iCCP", b"php"];

/// 52° 31' 12", as EXIF stores it.
pub const LATITUDE: &[u8] = &[0, 0, 0, 52, 0, 0, 0, 1, 0, 0, 0, 31, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 1];

/// A TIFF structure as a camera writes it: the artist, the position, the maker note, and a thumbnail of what was visible before
/// the picture was cropped.
#[must_use]
pub fn telltale_exif(orientation: u16) -> Vec<u8> {
    let pointer = |place: usize| long(place).to_be_bytes();
    let first = |camera: usize, gps: usize, thumbnail: usize| {
        let entries: [Entry; 5] = [
            (0x010E, 2, b"SECRET-DESCRIPTION\0"),
            (0x0112, 3, &orientation.to_be_bytes()),
            (0x013B, 2, b"SECRET-ARTIST\0"),
            (0x8769, 4, &pointer(camera)),
            (0x8825, 4, &pointer(gps)),
        ];
        directory(8, &entries, thumbnail)
    };
    let at_camera = 8 + first(0, 0, 0).len();
    let camera =
        directory(at_camera, &[(0x927C, 7, b"SECRET-MAKER-NOTE"), (0xA431, 2, b"SECRET-SERIAL\0")], 0);
    let at_gps = at_camera + camera.len();
    let gps = directory(at_gps, &[(1, 2, b"N\0"), (2, 5, LATITUDE), (0x1B, 7, b"SECRET-GPS")], 0);
    let at_small = at_gps + gps.len();
    let small = |at: usize| directory(at_small, &[(0x0201, 4, &pointer(at)), (0x0202, 4, &pointer(16))], 0);
    let small = small(at_small + small(0).len());
    let first = first(at_camera, at_gps, at_small);
    [b"MM\0*\0\0\0\x08", first.as_slice(), &camera, &gps, &small, b"SECRET-THUMBNAIL"].concat()
}

/// Tag, type and value.
type Entry<'a> = (u16, u16, &'a [u8]);

/// A TIFF directory at the offset `at`, followed by the values that do not fit into four bytes.
fn directory(at: usize, entries: &[Entry], next: usize) -> Vec<u8> {
    let (mut table, mut values) = (short(entries.len()).to_be_bytes().to_vec(), Vec::new());
    let behind = at + 2 + 12 * entries.len() + 4;
    for &(tag, kind, value) in entries {
        let size = match kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        };
        table.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
        table.extend(long(value.len() / size).to_be_bytes());
        if value.len() <= 4 {
            table.extend([value, &[0; 4][value.len()..]].concat());
        } else {
            table.extend(long(behind + values.len()).to_be_bytes());
            values.extend(value);
        }
    }
    table.extend(long(next).to_be_bytes());
    [table, values].concat()
}

/// A JPEG header with a given size and no pixels.
#[must_use]
pub fn jpeg_claiming(width: u16, height: u16) -> Vec<u8> {
    let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, h1, h0, w1, w0, 3];
    bytes.extend([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0xFF, 0xD9]);
    bytes
}
