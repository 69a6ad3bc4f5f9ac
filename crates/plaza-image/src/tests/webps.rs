//! WebP, compared with what libwebp reads from it.

use super::super::samples::{self, noise, quadrants};
use super::{apart, decoded, rgba, visible};

/// Ramps and an edge, including alpha: smooth enough for lossy coding, and with no two corners alike.
fn ramps(width: u32, height: u32) -> image::RgbaImage {
    image::RgbaImage::from_fn(width, height, |x, y| {
        let alpha = if x > y { 255 } else { (x * 3 + 20) as u8 };
        image::Rgba([(x * 3) as u8, (y * 3) as u8, if x + y < 40 { 200 } else { 60 }, alpha])
    })
}

fn as_libwebp_reads(bytes: &[u8]) -> Vec<u8> {
    let read = webp::Decoder::new(bytes).decode().expect("libwebp reads it");
    let step = if read.is_alpha() { 4 } else { 3 };
    read.chunks_exact(step)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], pixel.get(3).copied().unwrap_or(u8::MAX)])
        .collect()
}

#[test]
fn lossless_pictures_are_exact() {
    let coloured = ramps(67, 43);
    assert_eq!(rgba(&decoded(&samples::lossless_webp(coloured.clone()))), coloured.into_raw());
    let loud = noise(67, 43);
    assert_eq!(decoded(&samples::lossless_webp(loud.clone())).pixels(), loud.as_raw());
    // libwebp's own encoder uses what `image`'s does not: palettes, predictors, a colour cache.
    for picture in [ramps(67, 43), samples::opaque(&quadrants(67, 43)), samples::opaque(&noise(33, 9))] {
        let (width, height) = picture.dimensions();
        let file = webp::Encoder::from_rgba(picture.as_raw(), width, height).encode_lossless().to_vec();
        let (ours, theirs) = (rgba(&decoded(&file)), as_libwebp_reads(&file));
        assert_eq!(ours, theirs);
    }
}

#[test]
fn lossy_pictures_are_as_libwebp_reads_them() {
    for (width, height) in [(64, 48), (67, 43), (17, 16), (1, 1)] {
        let picture = ramps(width, height);
        let opaque = image::DynamicImage::from(picture.clone()).into_rgb8();
        for (name, file) in [
            ("opaque", samples::lossy_webp(&opaque)),
            ("with alpha", samples::lossy_webp_with_alpha(&picture)),
            ("extended", samples::webp_with_exif((width, height), &samples::lossy_webp(&opaque), &[])),
        ] {
            let (most, average) = apart(&rgba(&decoded(&file)), &as_libwebp_reads(&file));
            assert!(most <= 2 && average < 0.5, "{name} {width}×{height}: {most}, {average} on average");
        }
    }
}

#[test]
fn the_first_frame_of_an_animation_is_as_libwebp_shows_it() {
    let (coloured, plain) = (ramps(32, 24), quadrants(32, 24));
    for (name, still) in [
        ("lossless", samples::lossless_webp(plain.clone())),
        ("lossless with alpha", samples::lossless_webp(coloured.clone())),
        ("lossy", samples::lossy_webp(&plain)),
        ("lossy with alpha", samples::lossy_webp_with_alpha(&coloured)),
    ] {
        for (canvas, place) in [((32, 24), (0, 0)), ((41, 33), (8, 4)), ((40, 28), (8, 4))] {
            for blended in [false, true] {
                let file = samples::animated_webp_at(canvas, place, (32, 24), &still, blended);
                let frames = webp::AnimDecoder::new(&file).decode().expect("libwebp reads it");
                let expected = frames.get_frame(0).expect("a frame").get_image().to_vec();
                let picture = decoded(&file);
                assert_eq!((picture.width(), picture.height()), canvas);
                let (most, _) = apart(&visible(rgba(&picture)), &visible(expected));
                assert!(most <= 1, "{name} at {place:?} blended {blended}: {most}");
            }
        }
    }
}
