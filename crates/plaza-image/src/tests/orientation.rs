//! EXIF: every way of holding a camera, in every container, and data that no camera should write.

use super::super::samples::{self, Tiff, quadrants};
use super::{corners, decoded};

/// A picture stored as red, green / blue, yellow, seen upright under the orientations 1 to 8.
const UPRIGHT: [&str; 8] = ["RGBY", "GRYB", "YBGR", "BYRG", "RBGY", "BRYG", "YGBR", "GYRB"];

/// The quadrants, 64 × 48, with this EXIF data in every place where it may occur.
fn everywhere(exif: &[u8]) -> [(&'static str, Vec<u8>); 6] {
    let plain = quadrants(64, 48);
    let (png, webp) = (samples::png(&plain), samples::lossy_webp(&plain));
    let prefixed = [b"Exif\0\0", exif].concat();
    [
        ("jpeg", samples::jpeg_with_exif(&samples::jpeg(64, 48), exif)),
        ("progressive jpeg", samples::jpeg_with_exif(&samples::progressive_jpeg(&plain), exif)),
        ("png", samples::with_chunk(&png, *b"eXIf", exif)),
        ("late eXIf", samples::with_late_chunk(&png, *b"eXIf", exif)),
        ("webp", samples::webp_with_exif((64, 48), &webp, exif)),
        ("webp with jpeg's prefix", samples::webp_with_exif((64, 48), &webp, &prefixed)),
    ]
}

#[test]
fn each_exif_orientation_is_undone() {
    for (orientation, expected) in (1..).zip(UPRIGHT) {
        let size = if orientation < 5 { (64, 48) } else { (48, 64) };
        for exif in [
            samples::exif(orientation),
            samples::exif_in(false, orientation),
            samples::exif_in(true, orientation),
        ] {
            for (name, bytes) in everywhere(&exif) {
                let picture = decoded(&bytes);
                assert_eq!((picture.width(), picture.height()), size, "{name} {orientation}");
                assert_eq!(corners(&picture), expected, "{name} {orientation}");
            }
        }
    }
}

#[test]
fn turning_loses_no_pixel() {
    // Every pixel is different, and no side is a multiple of the other.
    let stored = image::RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let stored = image::DynamicImage::from(stored);
    for (orientation, upright) in [
        (2, stored.fliph()),
        (3, stored.rotate180()),
        (4, stored.flipv()),
        (5, stored.rotate90().fliph()),
        (6, stored.rotate90()),
        (7, stored.rotate270().fliph()),
        (8, stored.rotate270()),
    ] {
        let exif = samples::exif(orientation);
        let picture = decoded(&samples::with_chunk(&samples::png(&stored.to_rgb8()), *b"eXIf", &exif));
        assert_eq!(picture.pixels(), upright.to_rgb8().as_raw(), "{orientation}");
    }
}

#[test]
fn alpha_and_grey_are_turned_as_well() {
    let exif = samples::exif(6);
    let half = decoded(&samples::with_chunk(&samples::png_with_alpha(64, 48), *b"eXIf", &exif));
    assert_eq!((half.width(), half.height(), corners(&half).as_str()), (48, 64, "BRYG"));
    // The right half, which is half transparent, is now the lower one.
    assert_eq!([super::at(&half, 1, 1)[3], super::at(&half, 1, 6)[3]], [255, 128]);
    let grey = decoded(&samples::jpeg_with_exif(&samples::grey_jpeg(64, 48, 90), &exif));
    assert_eq!((grey.width(), grey.height()), (48, 64));
}

#[test]
fn an_orientation_that_cannot_be_trusted_is_right_or_ignored() {
    for little in [false, true] {
        for (rule, exif) in samples::odd_exif(little) {
            // A JPEG's segment ends at 64 KiB.
            assert!(exif.len() < 65_500);
            for (name, bytes) in everywhere(&exif) {
                let seen = corners(&decoded(&bytes));
                assert!(["RGBY", "BRYG"].contains(&seen.as_str()), "{rule}, {name}: {seen}");
            }
        }
    }
}

#[test]
fn an_orientation_beyond_eight_means_nothing() {
    for orientation in [0, 9, 255, 256, 65_535] {
        for little in [false, true] {
            for (name, bytes) in everywhere(&samples::exif_in(little, orientation)) {
                assert_eq!(corners(&decoded(&bytes)), "RGBY", "{name} {orientation}");
            }
        }
    }
}

#[test]
fn of_two_orientations_the_first_counts_everywhere() {
    for little in [false, true] {
        let exif = Tiff::new(little, 8)
            .short(2)
            .orientation(samples::SHORT, 6)
            .orientation(samples::SHORT, 3)
            .long(0)
            .done();
        for (name, bytes) in everywhere(&exif) {
            assert_eq!(corners(&decoded(&bytes)), "BRYG", "{name}");
        }
    }
    // Of two segments, after one that is not EXIF.
    let mut bytes = samples::oriented_jpeg(64, 48, 3);
    bytes = samples::jpeg_with_exif(&bytes, &samples::exif(6));
    bytes = samples::with_segment(&bytes, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
    assert_eq!(corners(&decoded(&bytes)), "BRYG");
}

#[test]
fn exif_cut_off_anywhere_is_right_or_ignored() {
    for little in [false, true] {
        let exif = samples::exif_in(little, 6);
        for length in 0..exif.len() {
            for (name, bytes) in everywhere(&exif[..length]) {
                let seen = corners(&decoded(&bytes));
                // The orientation's entry, the second one, ends at byte 34.
                let expected = if length < 34 { "RGBY" } else { "BRYG" };
                assert_eq!(seen, expected, "{name} at {length}");
            }
        }
    }
}
