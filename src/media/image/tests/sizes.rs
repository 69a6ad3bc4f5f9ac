//! Variants: sizes as easy-thumbnails computes them, and what is in them.

use super::super::samples::{self, quadrants};
use super::super::{Limits, Resize, inspect};
use super::{corners, decoded};

#[test]
fn sizes_are_those_of_easy_thumbnails() {
    let fill = |width, height| Resize::Fill { width, height };
    let fit = |width, height| Resize::Fit { width, height };
    let cover = |width, height| Resize::Cover { width, height };
    // Source, request, result.
    for ((width, height), resize, expected) in [
        ((4000, 3000), fill(256, 256), (256, 256)),
        ((100, 50), fill(256, 256), (256, 256)),
        ((1, 1), fill(512, 512), (512, 512)),
        ((2048, 1365), fill(640, 360), (640, 360)),
        ((4000, 3000), fit(320, 320), (320, 240)),
        ((4000, 3000), fit(320, 0), (320, 240)),
        ((3000, 4000), fit(320, 0), (320, 427)),
        ((3000, 4000), fit(0, 320), (240, 320)),
        ((300, 200), fit(640, 640), (300, 200)),
        ((300, 200), fit(640, 0), (300, 200)),
        // 12.5 and 37.5 lie between: to the even one, as Python rounds.
        ((100, 25), fit(50, 50), (50, 12)),
        ((100, 75), fit(50, 50), (50, 38)),
        ((10_000, 1), fit(100, 100), (100, 1)),
        ((4000, 3000), cover(320, 320), (427, 320)),
        ((3000, 4000), cover(320, 320), (320, 427)),
        ((300, 200), cover(640, 640), (300, 200)),
        ((300, 200), fit(0, 0), (300, 200)),
    ] {
        assert_eq!(resize.size(width, height), expected, "{resize:?} of {width}×{height}");
    }
}

#[test]
fn fill_crops_around_the_centre() {
    let plan = Resize::Fill { width: 50, height: 50 }.plan(200, 100);
    // Scaled to 100 × 50; the box begins at 50 - 25, so at 50 in the source.
    assert_eq!((plan.left, plan.top, plan.crop_width, plan.crop_height), (50.0, 0.0, 100.0, 100.0));
    let plan = Resize::Fill { width: 10, height: 10 }.plan(10, 15);
    // 15 / 2 = 7, 10 / 2 = 5.
    assert_eq!((plan.left, plan.top, plan.crop_height), (0.0, 2.0, 10.0));
}

#[test]
fn a_variant_has_the_size_that_was_computed() {
    for (width, height) in [(97, 61), (61, 97), (3, 200), (200, 3), (1, 1)] {
        let picture = decoded(&samples::png(&quadrants(width, height)));
        for resize in [
            Resize::Fill { width: 64, height: 64 },
            Resize::Fit { width: 33, height: 0 },
            Resize::Cover { width: 20, height: 30 },
        ] {
            let variant = picture.variant(resize);
            assert_eq!((variant.width(), variant.height()), resize.size(width, height));
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
            assert_eq!(corners(&picture.variant(resize)), "RGBY", "{resize:?}");
        }
    }
}

#[test]
fn resampling_in_bands_shows_no_seams() {
    // Wide enough for several bands; a ramp down the picture must stay one.
    let ramp =
        image::RgbImage::from_fn(6000, 500, |_, y| image::Rgb([u8::try_from(y / 2).unwrap_or(255); 3]));
    let variant = decoded(&samples::jpeg_with(&ramp, |_| ())).variant(Resize::Fit { width: 900, height: 0 });
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
    let variant = decoded(&samples::lossless_webp(picture)).variant(Resize::Fit { width: 21, height: 21 });
    for pixel in variant.pixels().chunks_exact(4).filter(|pixel| pixel[3] > 16) {
        assert!(pixel[1] < 16, "{pixel:?}");
    }
}

#[test]
fn the_price_grows_with_the_picture_and_with_progressive_scans() {
    let price = |bytes: &[u8]| inspect(bytes, &Limits::default()).map_or(0, |header| header.memory());
    let pixels = 640 * 480;
    let plain = price(&samples::jpeg(640, 480));
    assert!(plain > pixels * 3);
    assert!(price(&samples::progressive_jpeg(&quadrants(640, 480))) >= plain + pixels * 3);
    assert!(price(&samples::png_with_alpha(640, 480)) > pixels * 4);
}
