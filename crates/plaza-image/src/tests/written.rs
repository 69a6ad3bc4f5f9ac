//! The files that are stored.

use super::super::Format;
use super::super::samples::{self, SECRETS, noise, quadrants};
use super::{at, corners, decoded, near};

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn nothing_but_pixels_is_written() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().expect("a profile");
    let profiled = samples::jpeg_with(&quadrants(64, 48), |encoder| {
        encoder.add_icc_profile(&p3).expect("a profile fits");
    });
    let webp = samples::lossy_webp(&quadrants(64, 48));
    let text = samples::with_chunk(&samples::png_with_alpha(64, 48), *b"tEXt", b"Comment\0SECRET");
    for bytes in [
        samples::telltale_jpeg(64, 48),
        profiled,
        samples::with_chunk(&text, *b"eXIf", &samples::exif(3)),
        samples::png_with_profile(&samples::png_with_compressed_text(&text, b"SECRET"), &p3),
        samples::telltale_webp((64, 48), &webp, &p3, &samples::telltale_exif(6), b"SECRET"),
        samples::with_extension(&samples::gif(&[samples::opaque(&quadrants(64, 48))]), 0xFE, b"SECRET"),
    ] {
        let picture = decoded(&bytes);
        for format in [Format::Jpeg, Format::Png, Format::WebP] {
            let written = picture.encode(format).expect("a file").bytes;
            for secret in SECRETS.into_iter().chain([b"tEXt".as_slice(), b"eXIf", b"EXIF", b"XMP "]) {
                assert!(!contains(&written, secret), "{format:?} {}", String::from_utf8_lossy(secret));
            }
        }
    }
}

#[test]
fn the_samples_do_hold_secrets() {
    let bytes = samples::telltale_jpeg(64, 48);
    assert!(contains(&bytes, b"SECRET-GPS") && contains(&bytes, b"SECRET-TRAILER"));
}

#[test]
fn a_jpeg_holds_only_the_segments_that_pixels_need() {
    let written = decoded(&samples::telltale_jpeg(64, 48)).encode(Format::Jpeg).expect("a file").bytes;
    let mut at = 2;
    let mut markers = Vec::new();
    while written[at + 1] != 0xDA {
        markers.push(written[at + 1]);
        at += 2 + usize::from(u16::from_be_bytes([written[at + 2], written[at + 3]]));
    }
    // JFIF, quantisation, frame, Huffman tables.
    assert!(markers.iter().all(|marker| [0xE0, 0xDB, 0xC0, 0xC4].contains(marker)), "{markers:X?}");
    assert!(written.ends_with(&[0xFF, 0xD9]));
}

#[test]
fn every_format_reads_back() {
    for picture in [decoded(&samples::png(&quadrants(64, 48))), decoded(&samples::png_with_alpha(64, 48))] {
        for format in [Format::Jpeg, Format::Png, Format::WebP] {
            let encoded = picture.encode(format).expect("a file");
            assert_eq!((encoded.format, encoded.width, encoded.height), (format, 64, 48));
            assert_eq!(Format::sniff(&encoded.bytes), Some(format));
            let back = decoded(&encoded.bytes);
            assert_eq!((back.width(), back.height()), (64, 48));
            assert_eq!(back.has_alpha(), picture.has_alpha() && format != Format::Jpeg);
            if format != Format::Jpeg || !picture.has_alpha() {
                assert_eq!(corners(&back), "RGBY", "{format:?}");
            }
        }
    }
}

#[test]
fn a_png_reads_back_to_the_bit() {
    let picture = decoded(&samples::png_with_alpha(64, 48));
    assert!(decoded(&picture.encode(Format::Png).expect("a file").bytes) == picture);
}

#[test]
fn a_jpeg_of_a_transparent_picture_lies_on_white() {
    let clear = image::RgbaImage::from_pixel(32, 32, image::Rgba([0, 0, 0, 0]));
    let picture = decoded(&samples::lossless_webp(clear));
    assert_eq!(picture.encode_original().expect("a file").format, Format::Png);
    let jpeg = decoded(&picture.encode(Format::Jpeg).expect("a file").bytes);
    assert!(near(&at(&jpeg, 4, 4), &[255; 3], 2));
}

#[test]
fn gif_is_never_written() {
    let failed = decoded(&samples::jpeg(8, 8)).encode(Format::Gif).map(|_| ()).expect_err("a refusal");
    assert_eq!(failed.to_string(), "a 8×8 picture could not be encoded as Gif: it is only read");
}

#[test]
fn originals_are_jpeg_when_opaque() {
    assert_eq!(
        decoded(&samples::png(&noise(80, 80))).encode_original().expect("a file").format,
        Format::Jpeg
    );
    assert_eq!(
        decoded(&samples::png_with_alpha(8, 8)).encode_original().expect("a file").format,
        Format::Png
    );
}

#[test]
fn the_blurhash_tells_the_colours() {
    let hash = decoded(&samples::jpeg(640, 480)).blurhash().expect("a hash");
    assert_eq!(hash.len(), 28);
    let small = blurhash::decode(&hash, 8, 8, 1.0).expect("a hash");
    let (first, last) = (&small[..3], &small[small.len() - 4..]);
    assert!(first[0] > first[1] && first[0] > first[2], "red above left: {first:?}");
    assert!(last[0] > last[2] && last[1] > last[2], "yellow below right: {last:?}");
    assert!(decoded(&samples::png(&quadrants(1, 1))).blurhash().is_ok_and(|hash| !hash.is_empty()));
}
