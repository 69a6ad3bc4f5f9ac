//! Files that break a rule and are shown all the same, by browsers and therefore here.

use super::super::Rejection;
use super::super::samples::{self, GifFrame, gif_colour, opaque, png_chunk, quadrants, with_segment};
use super::jpegs::reference_files;
use super::{decode, decoded, rgba};

/// Asserts that each of these files looks like the picture from which it was made.
#[track_caller]
fn assert_shown_alike(whole: &[u8], changed: Vec<(&str, Vec<u8>)>) {
    let expected = decoded(whole);
    for (name, bytes) in changed {
        match decode(&bytes) {
            Ok(picture) => assert!(picture == expected, "{name} looks otherwise"),
            Err(rejected) => panic!("{name}: {rejected}"),
        }
    }
}

/// Returns where the first segment with this marker begins.
fn at(jpeg: &[u8], marker: u8) -> usize {
    jpeg.windows(2).position(|pair| pair == [0xFF, marker]).expect("such a segment")
}

fn inserted(bytes: &[u8], at: usize, more: &[u8]) -> Vec<u8> {
    [&bytes[..at], more, &bytes[at..]].concat()
}

fn changed(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    bytes
}

#[test]
fn stray_bytes_between_the_segments_of_a_jpeg_are_passed_over() {
    let plain = samples::jpeg_with(&samples::noise(61, 43), |_| ());
    let stray = [0x00, 0x12, 0x34, 0xFF, 0x00, 0x56];
    let mut places: Vec<_> = [0xDB, 0xC0, 0xC4, 0xDA].map(|marker| ("a segment", at(&plain, marker))).into();
    places.push(("the end", plain.len() - 2));
    let strayed: Vec<_> =
        places.iter().map(|(name, place)| (*name, inserted(&plain, *place, &stray))).collect();
    // A JPEG is recognised by its first three bytes.
    places.push(("the first segment", 2));
    let filled = places.iter().map(|(name, place)| (*name, inserted(&plain, *place, &[0xFF; 5])));
    assert_shown_alike(&plain, strayed.into_iter().chain(filled).collect());

    let progressive = samples::progressive_jpeg(&samples::noise(61, 43));
    let last = progressive.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).expect("a scan");
    let between = inserted(&progressive, last, &stray);
    let behind = inserted(&progressive, progressive.len(), b"FF behind the end");
    assert_shown_alike(&progressive, vec![("between scans", between), ("behind the end", behind)]);
}

#[test]
fn a_jpeg_may_tell_its_height_behind_its_pixels() {
    for plain in [samples::jpeg(64, 48), samples::progressive_jpeg(&quadrants(64, 48))] {
        let frame = if plain.windows(2).any(|pair| pair == [0xFF, 0xC2]) { 0xC2 } else { 0xC0 };
        let height = at(&plain, frame) + 5;
        let late = changed(&plain, |bytes| bytes[height..height + 2].fill(0));
        // After the first scan, which is where the next segment begins.
        let data = at(&late, 0xDA) + 2;
        let end = data
            + late[data..]
                .windows(2)
                .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7))
                .expect("an end");
        assert_shown_alike(&plain, vec![("late", inserted(&late, end, &[0xFF, 0xDC, 0, 4, 0, 48]))]);
        assert_eq!(decode(&late).err(), Some(Rejection::Corrupt("it has no pixels")));
    }
}

#[test]
fn the_components_of_a_jpeg_may_share_an_id() {
    let plain = samples::jpeg(64, 48);
    let (frame, scan) = (at(&plain, 0xC0), at(&plain, 0xDA));
    let shared = changed(&plain, |bytes| {
        for component in 0..3 {
            bytes[frame + 10 + 3 * component] = 1;
            bytes[scan + 5 + 2 * component] = 1;
        }
    });
    assert_shown_alike(&plain, vec![("shared", shared)]);
}

#[test]
fn damage_beside_the_pixels_of_a_jpeg_costs_only_what_is_damaged() {
    let plain = samples::jpeg(64, 48);
    let scan = at(&plain, 0xDA);
    let exif = samples::exif(6);
    assert_shown_alike(
        &plain,
        vec![
            ("no EXIF", with_segment(&plain, 0xE1, b"Exif\0\0nonsense")),
            ("EXIF whose directory is nowhere", with_segment(&plain, 0xE1, b"Exif\0\0II*\0\xFF\xFF\xFF\xFF")),
            (
                "EXIF that is cut off",
                with_segment(&plain, 0xE1, &[b"Exif\0\0", &exif[..exif.len() / 3]].concat()),
            ),
            ("an Adobe segment that is cut off", with_segment(&plain, 0xEE, b"Adobe\0d")),
            ("an Adobe segment of no known transform", with_segment(&plain, 0xEE, b"Adobe\0d\0\0\0\0\x07")),
            ("a piece of a profile", with_segment(&plain, 0xE2, b"ICC_PROFILE\0\x02\x03nonsense")),
            ("another JFIF", changed(&plain, |bytes| bytes[11] = 9)),
            ("a scan without its last bytes", changed(&plain, |bytes| bytes[scan + 11..scan + 14].fill(0))),
        ],
    );
}

#[test]
fn bytes_may_fill_the_room_before_the_end_of_arithmetic_codes() {
    for (_, plain) in reference_files().filter(|(name, _)| name.contains("arithmetic")) {
        assert_shown_alike(plain, vec![("filled", inserted(plain, plain.len() - 2, &[0xFF; 3]))]);
    }
}

#[test]
fn the_first_exif_before_the_pixels_of_a_jpeg_counts() {
    let plain = samples::jpeg(64, 48);
    let turned = samples::oriented_jpeg(64, 48, 6);
    let exif = &turned[2..turned.len() - plain.len() + 2];
    assert_shown_alike(&plain, vec![("behind the pixels", inserted(&plain, plain.len() - 2, exif))]);
    assert_shown_alike(
        &turned,
        vec![
            ("behind an empty one", with_segment(&turned, 0xE1, b"Exif\0\0")),
            ("with other padding", changed(&turned, |bytes| bytes[11] = 1)),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_chunk_of_a_png_that_is_damaged_is_left_out() {
    let plain = samples::png_with_alpha(40, 30);
    let broken = |name: [u8; 4], body: &[u8]| {
        changed(&png_chunk(name, body), |chunk| {
            let last = chunk.len() - 1;
            chunk[last] ^= 1;
        })
    };
    let gamma = png_chunk(*b"gAMA", &100_000_u32.to_be_bytes());
    let early = |chunk: &[u8]| inserted(&plain, 33, chunk);
    let late = |chunk: &[u8]| inserted(&plain, plain.len() - 12, chunk);
    assert_shown_alike(
        &plain,
        vec![
            ("text", early(&broken(*b"tEXt", b"Title\0hello"))),
            ("a gamma", early(&broken(*b"gAMA", &100_000_u32.to_be_bytes()))),
            ("a gamma of no length", early(&png_chunk(*b"gAMA", &[]))),
            ("a gamma of nothing", early(&png_chunk(*b"gAMA", &[0; 4]))),
            ("a gamma behind the pixels", late(&gamma)),
            ("a profile", early(&png_chunk(*b"iCCP", b"name\0\0nonsense"))),
            ("EXIF", early(&broken(*b"eXIf", &samples::exif(6)))),
            ("a time", early(&broken(*b"tIME", &[0; 7]))),
            ("an unknown chunk", early(&broken(*b"abCd", b"nonsense"))),
            ("an animation of nothing", early(&png_chunk(*b"acTL", &[0; 8]))),
            ("an animation without its frames", early(&png_chunk(*b"acTL", &[0, 0, 0, 9, 0, 0, 0, 0]))),
            (
                "a frame beyond the picture",
                early(
                    &[
                        png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
                        png_chunk(
                            *b"fcTL",
                            &[&[0; 4][..], &4000_u32.to_be_bytes(), &4000_u32.to_be_bytes(), &[9; 14]]
                                .concat(),
                        ),
                    ]
                    .concat(),
                ),
            ),
            ("a frame's data that is cut off", late(&broken(*b"fdAT", &[0, 0, 0, 7, 1, 2, 3]))),
        ],
    );
    // An animation that is cut off after its first picture.
    let animated = early(&png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
    let behind = animated.len() - 12;
    let frame =
        [&animated[..behind], &png_chunk(*b"fcTL", &[0; 26]), &png_chunk(*b"fdAT", &[7; 60])].concat();
    for cut in [behind, behind + 3, behind + 20, frame.len() - 5] {
        assert_shown_alike(&plain, vec![("an animation that is cut off", frame[..cut].to_vec())]);
    }
    assert!(matches!(decode(&frame[..behind - 9]), Err(Rejection::Corrupt(_))), "not its pixels");

    let palette = samples::palette_png(40, 30);
    let unknown = inserted(&palette, 33, &png_chunk(*b"ABCD", b"critical, and unknown"));
    assert!(matches!(decode(&unknown), Err(Rejection::Corrupt(_))), "whatever it asks for cannot be done");
}

fn frame(place: (u16, u16), size: (u16, u16)) -> GifFrame {
    let indexes = vec![7; usize::from(size.0) * usize::from(size.1)];
    GifFrame { place, size, indexes, disposal: 1, ..GifFrame::default() }
}

#[test]
fn a_gif_is_drawn_on_a_screen_that_holds_its_first_frame() {
    let [red, green, blue] = gif_colour(7);
    for (screen, place, size, canvas) in [
        ((24, 18), (0, 0), (40, 40), (40, 40)),
        ((24, 18), (20, 10), (11, 9), (31, 19)),
        ((24, 18), (3, 2), (4, 5), (24, 18)),
        ((0, 0), (0, 0), (6, 4), (6, 4)),
        ((10, 10), (30, 0), (2, 2), (32, 10)),
    ] {
        let picture = decoded(&samples::gif_of(screen, 0, &[frame(place, size)]));
        assert_eq!((picture.width(), picture.height()), canvas, "{place:?} {size:?} on {screen:?}");
        let pixels = rgba(&picture);
        for (index, pixel) in pixels.chunks_exact(4).enumerate() {
            let (x, y) = (index as u32 % canvas.0, index as u32 / canvas.0);
            let covers = |at: u32, start: u16, length: u16| {
                (u32::from(start)..u32::from(start + length)).contains(&at)
            };
            let is_covered = covers(x, place.0, size.0) && covers(y, place.1, size.1);
            let expected = if is_covered { [red, green, blue, 255] } else { [0; 4] };
            assert_eq!(pixel, expected, "({x}, {y}) of {place:?} {size:?} on {screen:?}");
        }
    }
    // As large as the limits allow, and no larger.
    let far = samples::gif_of((24, 18), 0, &[frame((60_000, 0), (5, 5))]);
    assert_eq!(decode(&far).err(), Some(Rejection::TooLarge { width: 60_005, height: 18 }));
}

#[test]
fn an_index_beyond_the_palette_of_a_gif_is_black() {
    // Four colours, and codes of eight bits.
    let mut bytes = b"GIF89a\x03\0\x01\0\x81\0\0".to_vec();
    bytes.extend([9, 8, 7, 60, 50, 40, 10, 20, 30, 90, 80, 70, 0x2C, 0, 0, 0, 0, 3, 0, 1, 0, 0]);
    // Clear, 1, 200, 3, end: nine bits each, the lowest first.
    let codes = [256_u64, 1, 200, 3, 257].iter().enumerate().map(|(at, code)| code << (9 * at)).sum::<u64>();
    bytes.extend([8, 6]);
    bytes.extend(&codes.to_le_bytes()[..6]);
    bytes.extend([0, 0x3B]);
    assert_eq!(decoded(&bytes).pixels(), [60, 50, 40, 0, 0, 0, 90, 80, 70]);
}

#[test]
fn what_follows_the_first_frame_of_a_gif_is_nothing_to_us() {
    let picture = opaque(&quadrants(40, 30));
    let plain = samples::gif(std::slice::from_ref(&picture));
    let behind = plain.len() - 1;
    assert_shown_alike(
        &plain,
        vec![
            ("no trailer", plain[..behind].to_vec()),
            ("an unknown block", inserted(&plain, behind, &[0x77, 1, 2, 3])),
            ("an unknown extension", samples::with_extension(&plain, 0x77, b"what is this")),
            ("a frame that is cut off", inserted(&plain[..behind], behind, &[0x2C, 0, 0, 0, 0, 9])),
            (
                "a frame that is damaged",
                inserted(&plain, behind, &[0x2C, 0, 0, 0, 0, 9, 0, 9, 0, 0, 8, 3, 255, 255, 255, 0]),
            ),
        ],
    );
}
