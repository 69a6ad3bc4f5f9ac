//! Graphics remain graphics, and photographs become small.

use ::image::{Rgb, RgbImage};

use super::super::samples::{self, noise, quadrants};
use super::super::{Format, Picture, Resize};
use super::{apart, decoded, resized};

/// A drawing: lines and a disc on white, with smooth edges.
fn drawing(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let centre = f64::from(side) / 2.0;
        let (dx, dy) = (f64::from(x) - centre, f64::from(y) - centre);
        let coverage = (centre * 0.7 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
        let mix = |ink: f64| (255.0 + (ink - 255.0) * coverage) as u8;
        if x % 40 == 3 { Rgb([0, 60, 200]) } else { Rgb([mix(230.0), mix(20.0), mix(60.0)]) }
    })
}

/// A photograph, as far as encoders can tell: every pixel differs a little from the next.
fn photograph(width: u32, height: u32) -> RgbImage {
    let grain = noise(width, height);
    RgbImage::from_fn(width, height, |x, y| {
        let Rgb(grain) = *grain.get_pixel(x, y);
        let shade = |base: u32, grain: u8| (40 + base * 160 / (width + height) + u32::from(grain) / 16) as u8;
        Rgb([shade(x, grain[0]), shade(y, grain[1]), shade(x + y, grain[2])])
    })
}

fn original(picture: &Picture) -> (Format, usize) {
    let file = picture.encode_original().expect("a file");
    (file.format, file.bytes.len())
}

#[test]
fn a_drawing_is_kept_to_the_bit_and_no_larger_than_it_came() {
    for (name, drawing) in [("few colours", quadrants(300, 200)), ("smooth edges", drawing(300))] {
        let came = samples::png(&drawing);
        let picture = decoded(&came);
        let file = picture.encode_original().expect("a file");
        assert_eq!(file.format, Format::Png, "{name}");
        assert!(decoded(&file.bytes) == picture, "{name}");
        assert!(file.bytes.len() <= came.len(), "{name}: {} of {}", file.bytes.len(), came.len());
    }
}

#[test]
fn the_variants_of_a_drawing_have_no_fringes() {
    let picture = decoded(&samples::png(&drawing(600)));
    for resize in [Resize::Fit { width: 320, height: 0 }, Resize::Fill { width: 256, height: 256 }] {
        let variant = resized(&picture, resize);
        let webp = decoded(&variant.encode(Format::WebP).expect("a file").bytes);
        assert!(webp == variant, "{resize:?} is not lossless");
    }
}

#[test]
fn a_small_logo_with_smooth_edges_stays_a_drawing() {
    for side in [33, 64, 200] {
        let came = samples::png(&drawing(side));
        let picture = decoded(&came);
        let file = picture.encode_original().expect("a file");
        assert_eq!(file.format, Format::Png, "{side}");
        let webp = decoded(&picture.encode(Format::WebP).expect("a file").bytes);
        assert!(webp == picture, "{side} is not lossless");
    }
    let gradient = RgbImage::from_fn(600, 400, |x, y| Rgb([(x / 3) as u8, (y / 2) as u8, 90]));
    let file = decoded(&samples::png(&gradient)).encode_original().expect("a file");
    assert_eq!(file.format, Format::Png);
}

#[test]
fn a_photograph_becomes_a_jpeg_and_its_variants_lossy() {
    let picture = decoded(&samples::png(&photograph(400, 300)));
    assert_eq!(original(&picture).0, Format::Jpeg);
    let variant = resized(&picture, Resize::Fit { width: 320, height: 0 });
    let webp = variant.encode(Format::WebP).expect("a file");
    assert!(decoded(&webp.bytes) != variant);
    // A picture that was uploaded as a JPEG remains one, however flat it is.
    assert_eq!(original(&decoded(&samples::jpeg(300, 200))).0, Format::Jpeg);
}

#[test]
fn every_pixel_has_a_part_in_the_colours_of_a_jpeg() {
    // Every other pixel alone would make it red, or blue.
    let checkerboard =
        RgbImage::from_fn(320, 320, |x, y| Rgb(if (x + y) % 2 == 0 { [240, 20, 20] } else { [20, 20, 240] }));
    let picture = decoded(&samples::jpeg_with(&checkerboard, |jpeg| {
        jpeg.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
        jpeg.set_quality(100);
    }));
    let jpeg = decoded(&picture.encode(Format::Jpeg).expect("a file").bytes);
    let mean = |channel: usize| {
        jpeg.pixels().iter().skip(channel).step_by(3).map(|value| f64::from(*value)).sum::<f64>() / 102_400.0
    };
    assert!((mean(0) - 130.0).abs() < 8.0 && (mean(2) - 130.0).abs() < 8.0, "{} and {}", mean(0), mean(2));
    // As a drawing, it is stored unchanged.
    let drawn = decoded(&samples::png(&checkerboard));
    assert!(decoded(&drawn.encode_original().expect("a file").bytes) == drawn);
}

#[test]
fn small_jpegs_keep_all_of_their_colours() {
    let lines = RgbImage::from_fn(64, 64, |x, _| Rgb(if x % 2 == 0 { [220, 30, 30] } else { [30, 30, 220] }));
    let picture = decoded(&samples::jpeg_with(&lines, |jpeg| {
        jpeg.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
        jpeg.set_quality(95);
    }));
    let jpeg = decoded(&picture.encode(Format::Jpeg).expect("a file").bytes);
    let (_, mean) = apart(picture.pixels(), jpeg.pixels());
    assert!(mean < 12.0, "{mean}");
}

#[test]
fn transparent_drawings_are_kept_in_a_palette_too() {
    let picture = decoded(&samples::png_with_alpha(300, 200));
    let file = picture.encode_original().expect("a file");
    assert!(decoded(&file.bytes) == picture);
    // IHDR says that its colours are those of a palette.
    assert_eq!((file.format, file.bytes[25]), (Format::Png, 3));
}
