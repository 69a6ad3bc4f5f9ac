//! GIF: the first frame as a browser shows it.

use super::super::samples::{self, GifFrame, gif_colour};
use super::{decoded, rgba, visible};

const SCREEN: (u16, u16) = (24, 18);

/// Indexes in which every colour occurs.
fn numbered(size: (u16, u16)) -> Vec<u8> {
    (0..usize::from(size.0) * usize::from(size.1)).map(|at| (at % 128) as u8).collect()
}

fn frame(place: (u16, u16), size: (u16, u16)) -> GifFrame {
    GifFrame { place, size, indexes: numbered(size), disposal: 1, ..GifFrame::default() }
}

/// The screen with only this frame on it.
fn shown(frame: &GifFrame) -> Vec<u8> {
    let mut pixels = vec![[0; 4]; usize::from(SCREEN.0) * usize::from(SCREEN.1)];
    let width = usize::from(frame.size.0);
    for (at, &index) in frame.indexes.iter().enumerate() {
        let (x, y) = (at % width + usize::from(frame.place.0), at / width + usize::from(frame.place.1));
        if Some(index) != frame.transparent {
            let [red, green, blue] = gif_colour(index);
            pixels[y * usize::from(SCREEN.0) + x] = [red, green, blue, 255];
        }
    }
    pixels.concat()
}

#[test]
fn the_first_frame_is_what_is_seen_whatever_follows() {
    let whole = frame((0, 0), SCREEN);
    let loud = GifFrame { indexes: vec![5; 24 * 18], ..whole.clone() };
    for disposal in 0..=3 {
        for first in [
            GifFrame { disposal, ..whole.clone() },
            GifFrame { disposal, transparent: Some(7), ..whole.clone() },
            GifFrame { disposal, interlaced: true, ..whole.clone() },
            GifFrame { disposal, ..frame((3, 2), (11, 9)) },
            GifFrame { disposal, transparent: Some(9), interlaced: true, ..frame((13, 9), (11, 9)) },
        ] {
            let expected = shown(&first);
            for frames in [
                vec![first.clone()],
                vec![first.clone(), loud.clone()],
                vec![first, loud.clone(), loud.clone()],
            ] {
                let picture = decoded(&samples::gif_of(SCREEN, 3, &frames));
                assert_eq!((picture.width(), picture.height()), (24, 18));
                let seen = visible(rgba(&picture));
                assert!(seen == expected, "{:?}", GifFrame { indexes: Vec::new(), ..frames[0].clone() });
            }
        }
    }
}

#[test]
fn only_what_is_transparent_or_uncovered_gives_alpha() {
    let whole = frame((0, 0), SCREEN);
    assert!(!decoded(&samples::gif_of(SCREEN, 0, std::slice::from_ref(&whole))).has_alpha());
    // An index that no pixel has.
    let unused = GifFrame { transparent: Some(127), indexes: vec![1; 24 * 18], ..whole.clone() };
    assert!(!decoded(&samples::gif_of(SCREEN, 0, &[unused])).has_alpha());
    let used = GifFrame { transparent: Some(7), ..whole };
    assert!(decoded(&samples::gif_of(SCREEN, 0, &[used])).has_alpha());
    assert!(decoded(&samples::gif_of(SCREEN, 0, &[frame((0, 0), (24, 17))])).has_alpha());
}

#[test]
fn a_frame_that_leaves_the_screen_never_panics() {
    for (place, size) in [((20, 10), (11, 9)), ((60_000, 60_000), (5, 5)), ((0, 0), (40, 40))] {
        let bytes = samples::gif_of(SCREEN, 0, &[frame(place, size)]);
        if let Ok(picture) = super::decode(&bytes) {
            assert!(picture.width() <= 40 && picture.height() <= 40);
        }
    }
}
