//! Pictures that are rejected, and the cost of rejecting them.

use super::super::samples::{self, noise, opaque, quadrants};
use super::super::{Limits, Rejection, inspect};
use super::decode;
use super::memory::peak;

fn is_corrupt(bytes: &[u8]) -> bool {
    matches!(decode(bytes), Err(Rejection::Corrupt(_)))
}

#[test]
fn what_is_no_picture_is_unsupported() {
    for bytes in [
        b"".as_slice(),
        b"\xFF",
        b"\xFF\xD8",
        b"GIF8",
        b"#!/bin/sh\nrm -rf /\n",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<?xml version=\"1.0\"?><svg/>",
        b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0",
        b"%PDF-1.7",
        b"RIFF\x24\0\0\0WAVEfmt ",
    ] {
        assert_eq!(decode(bytes).err(), Some(Rejection::Unsupported), "{bytes:?}");
    }
}

#[test]
fn a_truncated_file_is_corrupt_wherever_it_ends() {
    let picture = noise(120, 90);
    let still = samples::lossless_webp(picture.clone());
    for (name, bytes) in [
        ("jpeg", samples::jpeg_with(&picture, |_| ())),
        ("progressive jpeg", samples::progressive_jpeg(&picture)),
        ("oriented jpeg", samples::oriented_jpeg(120, 90, 6)),
        ("png", samples::png(&picture)),
        ("palette png", samples::palette_png(120, 90)),
        ("interlaced png", samples::interlaced_png(120, 90)),
        ("lossy webp", samples::lossy_webp(&picture)),
        ("lossless webp", still.clone()),
        ("webp with exif", samples::webp_with_exif((120, 90), &still, &samples::exif(1))),
        ("animated webp", samples::animated_webp(120, 90, &[still.clone(), still])),
    ] {
        assert!(decode(&bytes).is_ok(), "{name} whole");
        for percent in [5, 10, 25, 50, 75, 90, 95, 99] {
            assert!(is_corrupt(&samples::truncated(&bytes, percent)), "{name} at {percent} %");
        }
        let one_percent = decode(&samples::truncated(&bytes, 1)).err();
        assert!(matches!(one_percent, Some(Rejection::Corrupt(_) | Rejection::Unsupported)), "{name} at 1 %");
        assert!(is_corrupt(&bytes[..bytes.len() - 1]), "{name} without its last byte");
    }
}

#[test]
fn a_gif_is_corrupt_until_its_first_frame_has_ended() {
    let picture = opaque(&noise(120, 90));
    let one = samples::gif(std::slice::from_ref(&picture));
    let two = samples::gif(&[picture.clone(), picture]);
    let whole = super::decoded(&one);
    // The block that ends the frame, and the trailer.
    let end = one.len() - 2;
    for percent in [5, 10, 25, 50, 75, 90, 95, 99] {
        assert!(is_corrupt(&samples::truncated(&one[..end], percent)), "{percent} %");
    }
    for bytes in [&one[..=end], &two[..=end], &two[..end + 100], &two[..two.len() - 1]] {
        assert!(super::decoded(bytes) == whole);
    }
}

#[test]
fn codes_that_mean_nothing_make_a_jpeg_corrupt() {
    for mut bytes in [samples::jpeg_with(&noise(120, 90), |_| ()), samples::progressive_jpeg(&noise(120, 90))]
    {
        // Ones alone are not a Huffman code.
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].copy_from_slice(&[0xFF, 0x00].repeat(32));
        assert!(is_corrupt(&bytes));
    }
}

#[test]
fn a_broken_checksum_is_corrupt() {
    let plain = samples::png(&noise(40, 40));
    let with_text = samples::with_chunk(&plain, *b"tEXt", b"key\0value");
    let with_late = samples::with_late_chunk(&plain, *b"eXIf", &samples::exif(6));
    for (name, bytes, at) in
        [("IHDR", &plain, 29), ("IDAT", &plain, plain.len() - 14), ("pixels", &plain, plain.len() / 2)]
    {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(is_corrupt(&bytes), "{name}");
    }
    // Damage outside the pixels costs only the damaged part.
    for (name, bytes, at) in [("text", &with_text, 33 + 8), ("late eXIf", &with_late, with_late.len() - 14)] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(super::decoded(&bytes) == super::decoded(&plain), "{name}");
    }
}

#[test]
fn claims_beyond_the_limits_are_refused_by_the_header_alone() {
    for (name, bytes, width, height) in [
        ("gif", samples::gif_claiming(65_535, 1), 65_535, 65_535),
        ("gif frame", samples::gif_claiming(1, 65_535), 65_535, 65_535),
        ("jpeg", samples::jpeg_claiming(65_535, 65_535), 65_535, 65_535),
        ("wide jpeg", samples::jpeg_claiming(16_385, 1), 16_385, 1),
        ("png", samples::png_claiming(65_535, 65_535), 65_535, 65_535),
        ("vast png", samples::png_claiming(u32::MAX, u32::MAX), u32::MAX, u32::MAX),
        ("small png", samples::png_claiming(12_000, 12_000), 12_000, 12_000),
        ("flat png", samples::flat_png(20_000), 20_000, 20_000),
        (
            "webp",
            samples::webp_with_exif((16_000, 16_000), &samples::lossy_webp(&quadrants(16, 16)), &[]),
            16_000,
            16_000,
        ),
    ] {
        let refusal = Some(Rejection::TooLarge { width, height });
        let peak = peak(|| {
            assert_eq!(inspect(&bytes, &Limits::default()).err(), refusal, "{name}");
            assert_eq!(decode(&bytes).err(), refusal, "{name}");
        });
        assert!(peak < 4096, "{name} takes {peak} bytes");
    }
    for bytes in samples::webps_claiming(16_383, 16_383) {
        let refusal = Some(Rejection::TooLarge { width: 16_383, height: 16_383 });
        assert_eq!(inspect(&bytes, &Limits::default()).err(), refusal);
    }
    assert_eq!(samples::png_claiming(12_000, 12_000).len(), 74);
}

#[test]
fn the_limits_themselves_are_allowed() {
    let limits = Limits { max_pixels: 400, max_side: 40 };
    assert!(inspect(&samples::png_claiming(40, 10), &limits).is_ok());
    assert!(inspect(&samples::png_claiming(41, 1), &limits).is_err());
    assert!(inspect(&samples::png_claiming(20, 21), &limits).is_err());
}

#[test]
fn a_size_of_nothing_is_corrupt() {
    for bytes in [samples::png_claiming(0, 5), samples::jpeg_claiming(5, 0), samples::gif_claiming(0, 0)] {
        assert!(is_corrupt(&bytes));
    }
}

#[test]
fn a_frame_larger_than_its_webp_canvas_is_corrupt() {
    let large = samples::lossless_webp(quadrants(64, 64));
    assert!(is_corrupt(&samples::webp_with_exif((16, 16), &large, &[])));
    assert!(is_corrupt(&samples::animated_webp(16, 16, &[large])));
}

#[test]
fn a_webp_chunk_that_claims_gigabytes_is_corrupt() {
    let mut bytes =
        samples::webp_with_exif((16, 16), &samples::lossy_webp(&quadrants(16, 16)), &samples::exif(1));
    let at = bytes.windows(4).position(|name| name == b"EXIF").expect("the chunk") + 4;
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(is_corrupt(&bytes));
}

#[test]
fn a_chunk_that_inflates_to_a_gigabyte_is_not_inflated() {
    for name in [*b"iCCP", *b"zTXt", *b"iTXt"] {
        let bytes = samples::png_bomb(name, 1 << 30);
        assert!(bytes.len() < 10 << 20);
        // The chunk may be dropped or the file rejected.
        let mut decoded = None;
        let peak = peak(|| decoded = Some(decode(&bytes)));
        assert!(matches!(decoded, Some(Ok(_) | Err(Rejection::Corrupt(_)))), "{decoded:?}");
        assert!(peak < 64 << 20, "{peak} bytes");
    }
}

#[test]
fn jpegs_that_no_browser_shows_are_unsupported() {
    // Lossless, hierarchical, and twelve bits deep.
    for (at, value) in [(3, 0xC3), (3, 0xC5), (3, 0xCB), (6, 12)] {
        let mut bytes = samples::jpeg_claiming(16, 16);
        bytes[at] = value;
        assert_eq!(decode(&bytes).err(), Some(Rejection::Unsupported));
    }
}

#[test]
fn damage_anywhere_never_panics_and_never_hangs() {
    let picture = noise(40, 30);
    let still = samples::lossless_webp(picture.clone());
    let mut state = 1_u32;
    for whole in [
        samples::telltale_jpeg(40, 30),
        samples::progressive_jpeg(&picture),
        samples::cmyk_jpeg(24, 24, [1, 2, 3, 4], true),
        samples::deep_png(40, 30),
        samples::interlaced_png(40, 30),
        samples::gif(&[opaque(&picture)]),
        samples::webp_with_exif((40, 30), &samples::lossy_webp(&picture), &samples::exif(5)),
        samples::animated_webp(40, 30, &[still.clone(), still]),
    ] {
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = (state >> 3) as u8;
            }
            // The damage may have increased a size. Small limits keep the test quick.
            let limits = Limits { max_pixels: 1_000_000, max_side: 4096 };
            if let Ok(picture) = super::super::decode(&bytes, &limits, 64) {
                assert!(picture.width().max(picture.height()) <= 64);
            }
        }
    }
}

#[test]
fn a_refusal_tells_a_client_enough_and_nothing_of_the_inside() {
    let texts = [
        decode(b"").err(),
        decode(&samples::png_claiming(12_000, 12_000)).err(),
        decode(&samples::truncated(&samples::jpeg(64, 48), 50)).err(),
    ]
    .map(|refusal| refusal.map_or_else(String::new, |refusal| refusal.to_string()));
    assert_eq!(
        texts,
        [
            "The file is not a supported JPEG, PNG, WebP or GIF picture.",
            "The picture is too large: it has 12000×12000 pixels.",
            "The picture is damaged: it ends too early.",
        ]
    );
}

#[test]
fn a_panic_in_a_decoder_is_a_corrupt_picture() {
    let rejected = super::super::contained(|| panic!("as a decoder might")).err();
    assert!(matches!(rejected, Some(Rejection::Corrupt(_))));
}
