//! Pictures that are accepted, and that they are decoded correctly.

use moxcms::ColorProfile;

use super::super::samples::{self, noise, opaque, quadrants};
use super::super::{Format, Limits, inspect};
use super::{at, corners, decode, decoded, near};

#[test]
fn the_format_is_told_by_content() {
    let picture = quadrants(8, 8);
    let tell = |bytes: &[u8]| inspect(bytes, &Limits::default()).map(|header| header.format);
    assert_eq!(tell(&samples::jpeg(8, 8)), Ok(Format::Jpeg));
    assert_eq!(tell(&samples::png(&picture)), Ok(Format::Png));
    assert_eq!(tell(&samples::gif(&[opaque(&picture)])), Ok(Format::Gif));
    assert_eq!(tell(&samples::lossy_webp(&picture)), Ok(Format::WebP));
    assert_eq!(tell(&samples::lossless_webp(picture)), Ok(Format::WebP));
}

#[test]
fn the_header_tells_the_size() {
    let picture = quadrants(60, 40);
    for bytes in [
        samples::jpeg(60, 40),
        samples::progressive_jpeg(&picture),
        samples::png(&picture),
        samples::gif(&[opaque(&picture)]),
        samples::lossy_webp(&picture),
        samples::lossless_webp(picture.clone()),
        samples::webp_with_exif((60, 40), &samples::lossy_webp(&picture), &[]),
    ] {
        let header = inspect(&bytes, &Limits::default()).expect("a header");
        assert_eq!((header.width, header.height), (60, 40), "{:?}", header.format);
    }
}

#[test]
fn every_format_and_variety_gives_its_pixels() {
    let picture = quadrants(64, 48);
    let still = samples::lossless_webp(picture.clone());
    for (name, bytes) in [
        ("jpeg", samples::jpeg(64, 48)),
        ("progressive jpeg", samples::progressive_jpeg(&picture)),
        ("png", samples::png(&picture)),
        ("palette png", samples::palette_png(64, 48)),
        ("interlaced png", samples::interlaced_png(64, 48)),
        ("odd interlaced png", samples::interlaced_png(67, 43)),
        ("gif", samples::gif(&[opaque(&picture)])),
        ("lossy webp", samples::lossy_webp(&picture)),
        ("lossless webp", still.clone()),
        ("animated webp", samples::animated_webp(64, 48, &[still, samples::lossless_webp(noise(64, 48))])),
        ("animated gif", samples::gif(&[opaque(&picture), opaque(&noise(64, 48))])),
        ("endless gif", samples::gif_of_many(&opaque(&picture), 10_000)),
    ] {
        let decoded = decoded(&bytes);
        assert_eq!(corners(&decoded), "RGBY", "{name}");
        assert!(!decoded.has_alpha(), "{name}");
    }
}

#[test]
fn a_tightly_packed_png_of_one_colour_is_read() {
    // The code that makes bombs is correct, so bombs are rejected for being bombs.
    let bytes = samples::flat_png(4000);
    assert!(bytes.len() < 4000);
    let picture = decoded(&bytes);
    assert_eq!((picture.width(), at(&picture, 4, 4)), (2048, vec![0; 3]));
}

#[test]
fn alpha_is_kept_where_something_shines_through() {
    let half = samples::half_transparent(64, 48);
    for bytes in [
        samples::png_with_alpha(64, 48),
        samples::deep_png(64, 48),
        samples::lossless_webp(half.clone()),
        samples::lossy_webp_with_alpha(&half),
    ] {
        let picture = decoded(&bytes);
        assert!(picture.has_alpha());
        assert_eq!(corners(&picture), "RGBY");
        assert!(near(&at(&picture, 6, 1)[3..], &[128], 1));
        assert_eq!(at(&picture, 1, 1)[3], 255);
    }
}

#[test]
fn a_transparent_colour_of_a_grey_or_palette_png_is_alpha() {
    let rows: Vec<u8> = (0..16).flat_map(|_| [0].into_iter().chain((0..16).map(|x| x * 10))).collect();
    let transparent = samples::png_chunk(*b"tRNS", &[0, 0]);
    let picture = decoded(&samples::png_raw((16, 16), 8, 0, false, &transparent, &rows));
    assert!(picture.has_alpha());
    assert_eq!(&picture.pixels()[..8], [0, 0, 0, 0, 10, 10, 10, 255]);
}

#[test]
fn grey_and_four_inks_come_out_as_colours() {
    assert!(near(&at(&decoded(&samples::grey_jpeg(32, 32, 90)), 4, 4), &[90; 3], 2));
    for ycck in [false, true] {
        // Ink 0 is none: cyan and yellow together are green.
        let picture = decoded(&samples::cmyk_jpeg(32, 32, [255, 0, 255, 0], ycck));
        let pixel = at(&picture, 4, 4);
        assert!(near(&pixel, &[0, 255, 0], 12), "{ycck} {pixel:?}");
    }
}

#[test]
fn a_large_picture_is_brought_within_the_bound_and_turned() {
    let picture = super::super::decode(&samples::oriented_jpeg(800, 600, 6), &Limits::default(), 200)
        .expect("a picture");
    assert_eq!((picture.width(), picture.height()), (150, 200));
    assert_eq!(corners(&picture), "BRYG");
}

#[test]
fn a_wide_gamut_picture_is_converted_to_srgb() {
    let profile = ColorProfile::new_display_p3().encode().expect("a profile");
    let bytes =
        samples::jpeg_with(&image::RgbImage::from_pixel(32, 32, image::Rgb([200, 60, 60])), |encoder| {
            encoder.add_icc_profile(&profile).expect("a profile fits");
        });
    let pixel = at(&decoded(&bytes), 4, 4);
    // P3's red is more saturated, so the same colour needs more of sRGB's.
    assert!(near(&pixel, &[217, 40, 52], 8), "{pixel:?}");
}

#[test]
fn an_srgb_profile_changes_no_pixel() {
    let profile = ColorProfile::new_srgb().encode().expect("a profile");
    let picture = noise(64, 64);
    let with = samples::jpeg_with(&picture, |encoder| {
        encoder.add_icc_profile(&profile).expect("a profile fits");
    });
    let without = samples::jpeg_with(&picture, |_| ());
    assert!(decoded(&with) == decoded(&without));
}

#[test]
fn a_profile_that_is_broken_or_of_another_colour_space_is_ignored() {
    let grey = ColorProfile::new_gray_with_gamma(1.0).encode().expect("a profile");
    for profile in [b"nonsense".to_vec(), vec![0; 200], grey] {
        let bytes = samples::jpeg_with(&quadrants(64, 48), |encoder| {
            encoder.add_icc_profile(&profile).expect("a profile fits");
        });
        assert_eq!(corners(&decoded(&bytes)), "RGBY");
    }
}

#[test]
fn a_grey_profile_is_applied_to_a_grey_picture() {
    let profile = ColorProfile::new_gray_with_gamma(1.0).encode().expect("a profile");
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.add_icc_profile(&profile).expect("a profile fits");
    encoder.encode(&[55; 1024], 32, 32, jpeg_encoder::ColorType::Luma).expect("a picture");
    let pixel = at(&decoded(&bytes), 4, 4);
    assert!(near(&pixel, &[128; 3], 4), "{pixel:?}");
}

#[test]
fn the_trailing_part_of_a_file_is_nothing_to_us() {
    for mut bytes in
        [samples::jpeg(64, 48), samples::png(&quadrants(64, 48)), samples::lossy_webp(&quadrants(64, 48))]
    {
        bytes.extend(b"trailing");
        assert_eq!(corners(&decoded(&bytes)), "RGBY");
    }
}

#[test]
fn a_gif_frame_smaller_than_its_screen_leaves_the_rest_transparent() {
    let mut bytes = samples::gif(&[opaque(&quadrants(16, 16))]);
    bytes[6..10].copy_from_slice(&[32, 0, 32, 0]);
    let picture = decode(&bytes).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (32, 32));
    assert!(picture.has_alpha());
    assert_eq!(at(&picture, 7, 7)[3], 0);
}
