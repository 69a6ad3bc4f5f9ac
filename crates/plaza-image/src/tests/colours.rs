//! Colours as browsers draw them. The expected values are those of lcms and of the formulas for sRGB.

use moxcms::{ColorProfile, curve_from_gamma};

use super::super::samples::{self, png_chunk, png_raw};
use super::{at, decoded, near};

/// A PNG of one colour with these chunks before its pixels.
fn flat_png(colour: [u8; 3], chunks: &[Vec<u8>]) -> Vec<u8> {
    let row: Vec<u8> = std::iter::once(0).chain(colour.repeat(8)).collect();
    png_raw((8, 8), 8, 2, false, &chunks.concat(), &row.repeat(8))
}

fn grey_png(grey: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let row: Vec<u8> = std::iter::once(0).chain([grey; 8]).collect();
    png_raw((8, 8), 8, 0, false, &chunks.concat(), &row.repeat(8))
}

fn gamma(times_100_000: u32) -> Vec<u8> {
    png_chunk(*b"gAMA", &times_100_000.to_be_bytes())
}

/// White, red, green, blue; x and y of each.
fn points(times_100_000: [u32; 8]) -> Vec<u8> {
    png_chunk(*b"cHRM", &times_100_000.map(u32::to_be_bytes).concat())
}

const DISPLAY_P3: [u32; 8] = [31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000];
const SRGB: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];

fn icc(profile: &ColorProfile) -> Vec<u8> {
    let bytes = profile.encode().expect("a profile");
    png_chunk(*b"iCCP", &[b"name\0\0".as_slice(), &samples::stored_zlib(&bytes)].concat())
}

/// sRGB's primaries with another curve.
fn with_gamma(gamma: f32) -> ColorProfile {
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    profile.red_trc = Some(curve_from_gamma(gamma));
    profile.green_trc = Some(curve_from_gamma(gamma));
    profile.blue_trc = Some(curve_from_gamma(gamma));
    profile
}

#[track_caller]
fn assert_shows(name: &str, bytes: &[u8], expected: [u8; 3]) {
    let pixel = at(&decoded(bytes), 4, 4);
    assert!(near(&pixel, &expected, 3), "{name}: {pixel:?}, not {expected:?}");
}

const COLOUR: [u8; 3] = [200, 60, 60];
/// The sRGB numbers of `COLOUR` if its own numbers are in Display P3.
const FROM_P3: [u8; 3] = [217, 40, 52];

#[test]
fn a_png_tells_of_its_colours_in_four_ways_of_which_the_first_counts() {
    let p3 = || png_chunk(*b"cICP", &[12, 13, 0, 1]);
    let srgb_points = || png_chunk(*b"cICP", &[1, 13, 0, 1]);
    let p3_profile = || icc(&ColorProfile::new_display_p3());
    let srgb = || png_chunk(*b"sRGB", &[0]);
    let p3_points = || points(DISPLAY_P3);
    let broken_profile = || {
        png_chunk(*b"iCCP", &[b"name\0\0".as_slice(), &samples::stored_zlib(b"no profile at all")].concat())
    };
    for (name, chunks, expected) in [
        ("nothing", vec![], COLOUR),
        ("cICP", vec![p3()], FROM_P3),
        ("iCCP", vec![p3_profile()], FROM_P3),
        ("sRGB", vec![srgb()], COLOUR),
        ("gAMA and cHRM", vec![gamma(45_455), p3_points()], FROM_P3),
        ("gAMA and sRGB's cHRM", vec![gamma(45_455), points(SRGB)], COLOUR),
        ("primaries of one colour", vec![gamma(45_455), points([30_000; 8])], COLOUR),
        ("primaries that are no colours", vec![gamma(100_000), points([90_000; 8])], COLOUR),
        ("gAMA and cHRM behind a broken iCCP", vec![broken_profile(), gamma(45_455), p3_points()], FROM_P3),
        ("cHRM alone", vec![p3_points()], COLOUR),
        ("cICP before iCCP", vec![srgb_points(), p3_profile()], COLOUR),
        ("iCCP before sRGB", vec![p3_profile(), srgb()], FROM_P3),
        ("sRGB before gAMA", vec![srgb(), gamma(100_000)], COLOUR),
        ("iCCP before gAMA", vec![icc(&ColorProfile::new_srgb()), gamma(100_000)], COLOUR),
        ("an unknown cICP", vec![png_chunk(*b"cICP", &[2, 2, 0, 1])], COLOUR),
        ("iCCP behind an unknown cICP", vec![png_chunk(*b"cICP", &[12, 2, 0, 1]), p3_profile()], FROM_P3),
        ("a cICP of part of the range", vec![png_chunk(*b"cICP", &[12, 13, 0, 0])], COLOUR),
        (
            "iCCP behind a cICP that is none",
            vec![png_chunk(*b"cICP", &[12, 13, 9, 7]), p3_profile()],
            FROM_P3,
        ),
        ("a cICP that is cut off", vec![png_chunk(*b"cICP", &[12])], COLOUR),
        ("a cICP of other than RGB", vec![png_chunk(*b"cICP", &[12, 13, 9, 1])], COLOUR),
    ] {
        assert_shows(name, &flat_png(COLOUR, &chunks), expected);
    }
}

#[test]
fn the_gamma_of_a_png_is_applied() {
    for (times_100_000, grey, shown) in
        [(100_000, 55, 128), (100_000, 128, 188), (100_000, 200, 229), (55_556, 128, 146), (55_556, 55, 71)]
    {
        let name = format!("{times_100_000} {grey}");
        assert_shows(&name, &flat_png([grey; 3], &[gamma(times_100_000)]), [shown; 3]);
        assert_shows(&name, &grey_png(grey, &[gamma(times_100_000)]), [shown; 3]);
    }
    // A gamma close to sRGB's is taken as sRGB, and a meaningless one is ignored.
    for times_100_000 in [45_455, 45_454, 44_000, 0, 1, u32::MAX] {
        assert_shows("as it is", &flat_png([10; 3], &[gamma(times_100_000)]), [10; 3]);
    }
    let alpha = samples::png_with_alpha(40, 30);
    let linear = [&alpha[..33], &gamma(100_000), &alpha[33..]].concat();
    assert_eq!(at(&decoded(&linear), 6, 1)[3], at(&decoded(&alpha), 6, 1)[3], "alpha is no colour");
}

#[test]
fn grey_ends_on_the_curve_of_srgb() {
    // In dark colours, gamma 2.2 itself is darker than sRGB.
    for (curve, grey, shown) in [(2.2, 10, 3), (2.2, 128, 129), (1.0, 55, 128), (1.8, 55, 71)] {
        let profile = ColorProfile::new_gray_with_gamma(curve);
        assert_shows(&format!("{curve} {grey}"), &grey_png(grey, &[icc(&profile)]), [shown; 3]);
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
        encoder.add_icc_profile(&profile.encode().expect("a profile")).expect("a profile fits");
        encoder.encode(&[grey; 1024], 32, 32, jpeg_encoder::ColorType::Luma).expect("a picture");
        assert_shows(&format!("{curve} {grey}, JPEG"), &bytes, [shown; 3]);
    }
}

#[test]
fn a_grey_jpeg_may_have_the_profile_of_colours() {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.add_icc_profile(&with_gamma(1.0).encode().expect("a profile")).expect("a profile fits");
    encoder.encode(&[55; 1024], 32, 32, jpeg_encoder::ColorType::Luma).expect("a picture");
    assert_shows("grey", &bytes, [128; 3]);
}

/// The profile of a fictitious printer: a table of sixteen mixtures of inks, whose inks are light and whose black is black.
fn ink_profile() -> Vec<u8> {
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for row in 0..9 {
        table.extend(if row % 4 == 0 { 65_536_u32 } else { 0 }.to_be_bytes());
    }
    let same = || (0..=u8::MAX).collect::<Vec<u8>>();
    table.extend(same().repeat(4));
    for mixture in 0..16_i16 {
        let [cyan, magenta, yellow, black] = [3, 2, 1, 0].map(|bit| mixture >> bit & 1);
        let lab = if black == 1 {
            [0, 128, 128]
        } else {
            [
                255 - 40 * (cyan + magenta + yellow),
                128 - 30 * cyan + 60 * magenta,
                128 - 40 * cyan + 80 * yellow,
            ]
        };
        table.extend(lab.map(|value| value as u8));
    }
    table.extend(same().repeat(3));

    let mut profile = vec![0; 128];
    profile[8..24].copy_from_slice(b"\x02\x40\0\0prtrCMYKLab ");
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&[0xF6D6_u32, 0x1_0000, 0xD32D].map(u32::to_be_bytes).concat());
    profile.extend(1_u32.to_be_bytes());
    profile.extend(b"A2B0");
    profile.extend([144, table.len() as u32].map(u32::to_be_bytes).concat());
    profile.extend(table);
    let size = (profile.len() as u32).to_be_bytes();
    profile[..4].copy_from_slice(&size);
    profile
}

#[test]
fn inks_are_shown_as_their_profile_says() {
    for (ink, shown) in [
        ([0, 0, 0, 0], [255, 255, 255]),
        ([0, 255, 0, 0], [255, 161, 213]),
        ([0, 0, 255, 0], [240, 208, 30]),
        ([255, 255, 0, 0], [193, 149, 241]),
        ([0, 0, 0, 255], [0, 0, 0]),
        ([0, 0, 0, 128], [118, 118, 118]),
    ] {
        for ycck in [false, true] {
            let plain = samples::cmyk_jpeg(32, 32, ink, ycck);
            let profile = [b"ICC_PROFILE\0\x01\x01".as_slice(), &ink_profile()].concat();
            let pixel = at(&decoded(&samples::with_segment(&plain, 0xE2, &profile)), 4, 4);
            assert!(near(&pixel, &shown, 6), "{ink:?} ycck {ycck}: {pixel:?}, not {shown:?}");
        }
    }
    // The profile of another kind of picture is ignored.
    let plain = samples::cmyk_jpeg(32, 32, [0, 255, 0, 0], false);
    let srgb = ColorProfile::new_srgb().encode().expect("a profile");
    let other = samples::with_segment(&plain, 0xE2, &[b"ICC_PROFILE\0\x01\x01".as_slice(), &srgb].concat());
    assert!(decoded(&other) == decoded(&plain));
}
