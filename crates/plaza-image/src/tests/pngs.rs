//! PNG: every kind of pixel, exact to the bit.

use super::super::samples;
use super::png_kinds::{PngKind, png_kinds};
use super::{decoded, rgba};

#[test]
fn every_kind_of_png_gives_exactly_its_pixels() {
    for kind in png_kinds() {
        // Odd sides, and sides so small that passes of an interlaced picture are empty.
        for (width, height) in [(37, 21), (8, 8), (3, 5), (1, 1)] {
            for interlaced in [false, true] {
                let (file, pixels) = kind.png(width, height, interlaced);
                let picture = decoded(&file);
                assert_eq!((picture.width(), picture.height()), (width, height));
                assert_eq!(rgba(&picture), pixels, "{kind:?} {width}×{height} interlaced {interlaced}");
            }
        }
    }
}

#[test]
fn a_deep_transparent_colour_is_compared_whole() {
    // 0x1234 is transparent. 0x12FF shows the same colour and is not.
    let rows = [0, 0x12, 0x34, 0x12, 0xFF];
    let transparent = samples::png_chunk(*b"tRNS", &[0x12, 0x34]);
    let picture = decoded(&samples::png_raw((2, 1), 16, 0, false, &transparent, &rows));
    assert_eq!(picture.pixels(), [0x12, 0x12, 0x12, 0, 0x12, 0x12, 0x12, 255]);
}

#[test]
fn transparency_that_hides_nothing_is_dropped() {
    let kind = PngKind { colour: 3, depth: 8, transparent: true };
    // Only the first half of the palette is covered by tRNS, so the picture keeps its alpha.
    assert!(decoded(&kind.png(37, 21, false).0).has_alpha());
    let opaque = samples::png_chunk(*b"tRNS", &[255, 255]);
    let palette = samples::png_chunk(*b"PLTE", &[10, 20, 30, 40, 50, 60]);
    let bytes = samples::png_raw((8, 1), 1, 3, false, &[palette, opaque].concat(), &[0, 0b0101_0101]);
    assert!(!decoded(&bytes).has_alpha());
}

#[test]
fn an_index_beyond_the_palette_never_panics() {
    let palette = samples::png_chunk(*b"PLTE", &[10, 20, 30]);
    let bytes = samples::png_raw((8, 1), 8, 3, false, &palette, &[0, 0, 1, 2, 3, 100, 200, 254, 255]);
    if let Ok(picture) = super::decode(&bytes) {
        assert_eq!(picture.pixels()[..3], [10, 20, 30]);
    }
}
