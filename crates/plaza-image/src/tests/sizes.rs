//! Variants: sizes as easy-thumbnails computes them, and the content of the variants.

use super::super::samples::{self, GREEN, RED, quadrants};
use super::super::{Limits, Resize, inspect};
use super::sizes_table::{Row, SIZES};
use super::{corners, decoded, near, resized};

/// Sizes for which easy-thumbnails fails: it rounds a side to no pixels, which Pillow rejects. A picture of Plaza has at least
/// one.
const FAILING: [Row; 5] = [
    ((3, 1000), Resize::Fit { width: 50, height: 50 }, (1, 50)),
    ((1000, 3), Resize::Fit { width: 50, height: 50 }, (50, 1)),
    ((16_384, 1), Resize::Fit { width: 50, height: 50 }, (50, 1)),
    ((16_384, 1), Resize::Fit { width: 320, height: 0 }, (320, 1)),
    ((1, 16_384), Resize::Fit { width: 50, height: 50 }, (1, 50)),
];

#[test]
fn sizes_are_those_of_easy_thumbnails() {
    let mut failing = Vec::new();
    for (source, resize, theirs) in SIZES {
        let ours = resize.size(source.0, source.1);
        if theirs.0 > 0 && theirs.1 > 0 {
            assert_eq!(ours, theirs, "{resize:?} of {source:?}");
        } else {
            failing.push((source, resize, ours));
        }
    }
    assert_eq!(failing, FAILING);
}

#[test]
fn sizes_keep_the_contract_whatever_the_source() {
    for (source, resize, _) in SIZES {
        let (width, height) = resize.size(source.0, source.1);
        let within = |asked: u32, got: u32| asked == 0 || got <= asked;
        match resize {
            Resize::Fill { width: w, height: h } => {
                assert!((w == 0 || width == w) && (h == 0 || height == h), "{resize:?} of {source:?}");
            }
            Resize::Fit { width: w, height: h } => {
                assert!(within(w, width) && within(h, height), "{resize:?} of {source:?}");
            }
            Resize::Cover { width: w, height: h } => {
                let covers = width >= w && height >= h;
                assert!(covers || (width, height) == source, "{resize:?} of {source:?}");
            }
        }
        if !matches!(resize, Resize::Fill { .. }) {
            assert!(width <= source.0 && height <= source.1, "{resize:?} of {source:?}");
        }
    }
    // Neither side is given, so the picture keeps its size.
    assert_eq!(Resize::Fit { width: 0, height: 0 }.size(300, 200), (300, 200));
}

#[test]
fn fill_crops_around_the_centre() {
    let plan = Resize::Fill { width: 50, height: 50 }.plan(200, 100);
    // Scaled to 100 × 50. The box begins at 50 - 25, so at 50 in the source.
    assert_eq!((plan.left, plan.top, plan.crop_width, plan.crop_height), (50.0, 0.0, 100.0, 100.0));
    let plan = Resize::Fill { width: 10, height: 10 }.plan(10, 15);
    // 15 / 2 = 7, 10 / 2 = 5.
    assert_eq!((plan.left, plan.top, plan.crop_height), (0.0, 2.0, 10.0));
}

#[test]
fn a_variant_has_the_size_that_was_computed() {
    for (width, height) in [(97, 61), (61, 97), (3, 1000), (1000, 3), (1, 1), (16_384, 1), (1, 16_384)] {
        let picture = decoded(&samples::png(&quadrants(width, height)));
        for resize in [
            Resize::Fill { width: 64, height: 64 },
            Resize::Fill { width: 640, height: 360 },
            Resize::Fit { width: 33, height: 0 },
            Resize::Cover { width: 20, height: 30 },
        ] {
            let variant = resized(&picture, resize);
            let size = resize.size(picture.width(), picture.height());
            assert_eq!((variant.width(), variant.height()), size, "{resize:?} of {width}×{height}");
            assert_eq!(variant.pixels().len(), size.0 as usize * size.1 as usize * 3);
        }
    }
}

#[test]
fn a_variant_shows_the_picture() {
    for bytes in [samples::png(&quadrants(300, 200)), samples::png_with_alpha(300, 200)] {
        let picture = decoded(&bytes);
        for resize in [
            Resize::Fill { width: 32, height: 32 },
            Resize::Fill { width: 500, height: 500 },
            Resize::Fit { width: 100, height: 100 },
            Resize::Cover { width: 50, height: 50 },
        ] {
            assert_eq!(corners(&resized(&picture, resize)), "RGBY", "{resize:?}");
        }
    }
}

#[test]
fn a_sliver_that_is_filled_shows_its_middle() {
    // 3 × 1000, its middle third green, and 1000 × 3 likewise. A square shows only the middle, upscaled.
    let stripe = |at: u32| image::Rgb(if (333..667).contains(&at) { GREEN } else { RED });
    for picture in [
        image::RgbImage::from_fn(3, 1000, |_, y| stripe(y)),
        image::RgbImage::from_fn(1000, 3, |x, _| stripe(x)),
    ] {
        for side in [32, 512] {
            let variant =
                resized(&decoded(&samples::png(&picture)), Resize::Fill { width: side, height: side });
            assert_eq!((variant.width(), variant.height()), (side, side));
            assert!(variant.pixels().chunks_exact(3).all(|pixel| near(pixel, &GREEN, 1)));
        }
    }
}

#[test]
fn resampling_in_bands_shows_no_seams() {
    // Wide enough for several bands. A ramp down the picture must remain one.
    let ramp =
        image::RgbImage::from_fn(6000, 500, |_, y| image::Rgb([u8::try_from(y / 2).unwrap_or(255); 3]));
    let ramp = decoded(&samples::jpeg_with(&ramp, |_| ()));
    let variant = resized(&ramp, Resize::Fit { width: 900, height: 0 });
    let column: Vec<u8> =
        variant.pixels().chunks_exact(variant.width() as usize * 3).map(|row| row[300]).collect();
    assert!(
        column.windows(2).all(|pair| pair[1] + 1 >= pair[0] && pair[1] - pair[0].min(pair[1]) <= 8),
        "{column:?}"
    );
}

#[test]
fn hidden_colours_do_not_bleed_into_visible_ones() {
    // Opaque red beside transparent green: no green may appear where red fades out.
    let picture = image::RgbaImage::from_fn(64, 64, |x, _| {
        image::Rgba(if x < 32 { [255, 0, 0, 255] } else { [0, 255, 0, 0] })
    });
    let variant = resized(&decoded(&samples::lossless_webp(picture)), Resize::Fit { width: 21, height: 21 });
    for pixel in variant.pixels().chunks_exact(4).filter(|pixel| pixel[3] > 16) {
        assert!(pixel[1] < 16, "{pixel:?}");
    }
}

#[test]
fn the_price_grows_with_the_picture_and_with_progressive_scans() {
    let price = |bytes: &[u8]| inspect(bytes, &Limits::default()).map_or(0, |header| header.memory(2048));
    let pixels = 640 * 480;
    let plain = price(&samples::jpeg(640, 480));
    assert!(plain > pixels * 3);
    assert!(price(&samples::progressive_jpeg(&quadrants(640, 480))) >= plain + pixels * 3);
    assert!(price(&samples::png_with_alpha(640, 480)) > pixels * 4);
}
