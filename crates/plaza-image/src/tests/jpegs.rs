//! JPEG: every kind that cameras and programs write, compared with what libjpeg reads from it.

use super::super::samples::{self, quadrants};
use super::{Picture, apart, at, decoded, near};

macro_rules! reference {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!("../samples/reference/", $name, ".jpg")).as_slice(),
            include_bytes!(concat!("../samples/reference/", $name, ".ppm")).as_slice(),
        )),*]
    };
}

pub(super) fn reference_files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    REFERENCE.into_iter().map(|(name, file, _)| (name, file))
}

/// Files of libjpeg's encoder, with the pixels of its decoder. `samples/reference/make.sh` made them.
const REFERENCE: [(&str, &[u8], &[u8]); 22] = reference![
    "444",
    "422",
    "440",
    "420",
    "411",
    "progressive-444",
    "progressive-420",
    "restart-420",
    "restart-422",
    "optimised",
    "grey",
    "grey-progressive",
    "rgb",
    "rgb-unmarked",
    "arithmetic",
    "arithmetic-progressive",
    "mixed",
    "scans-444",
    "scans-422",
    "scans-440",
    "scans-420",
    "scans-420-restart",
];

/// The pixels of a PPM or PGM as `djpeg` writes it, three bytes each.
fn pixels(ppm: &[u8]) -> Vec<u8> {
    let body = &ppm[b"P6\n21 19\n255\n".len()..];
    if ppm.starts_with(b"P5") { body.iter().flat_map(|&grey| [grey; 3]).collect() } else { body.to_vec() }
}

#[test]
fn every_kind_of_jpeg_gives_the_pixels_that_libjpeg_gives() {
    for (name, file, expected) in REFERENCE {
        let picture = decoded(file);
        assert_eq!((picture.width(), picture.height(), picture.has_alpha()), (21, 19, false), "{name}");
        // The instructions of other processors may round differently.
        let (most, average) = apart(picture.pixels(), &pixels(expected));
        assert!(most <= 2 && average < 0.3, "{name}: {most} at most, {average} on average");
    }
}

#[test]
fn the_four_inks_of_a_jpeg_are_multiplied() {
    // In the encoder's input, 0 is no ink: the expected value is what remains of white after colour and black.
    for ink in
        [[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [60, 120, 30, 40]]
    {
        let left = |colour: u8| (u16::from(255 - colour) * u16::from(255 - ink[3]) / 255) as u8;
        let expected = [left(ink[0]), left(ink[1]), left(ink[2])];
        for ycck in [false, true] {
            let pixel = at(&decoded(&samples::cmyk_jpeg(32, 32, ink, ycck)), 4, 4);
            assert!(near(&pixel, &expected, 6), "{ink:?} ycck {ycck}: {pixel:?}, not {expected:?}");
        }
    }
}

#[test]
fn restarts_change_no_pixel() {
    let picture = quadrants(100, 75);
    let plain = decoded(&samples::jpeg_with(&picture, |_| ()));
    for interval in [1, 2, 7, 1000] {
        let with = decoded(&samples::jpeg_with(&picture, |encoder| encoder.set_restart_interval(interval)));
        assert!(with == plain, "{interval}");
        let progressive = samples::jpeg_with(&picture, |encoder| {
            encoder.set_progressive(true);
            encoder.set_restart_interval(interval);
        });
        assert!(near_everywhere(&decoded(&progressive), &plain), "progressive {interval}");
    }
}

#[test]
fn progressive_scans_give_the_picture_of_a_single_one() {
    let picture = quadrants(100, 75);
    for sampling in [
        jpeg_encoder::SamplingFactor::R_4_4_4,
        jpeg_encoder::SamplingFactor::R_4_2_2,
        jpeg_encoder::SamplingFactor::R_4_4_0,
        jpeg_encoder::SamplingFactor::R_4_2_0,
    ] {
        let single = samples::jpeg_with(&picture, |encoder| encoder.set_sampling_factor(sampling));
        let scans = samples::jpeg_with(&picture, |encoder| {
            encoder.set_sampling_factor(sampling);
            encoder.set_progressive(true);
        });
        assert!(near_everywhere(&decoded(&scans), &decoded(&single)), "{sampling:?}");
    }
}

fn near_everywhere(a: &Picture, b: &Picture) -> bool {
    apart(a.pixels(), b.pixels()).0 <= 2
}
