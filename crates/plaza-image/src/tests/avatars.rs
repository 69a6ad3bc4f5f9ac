//! The avatar of users who have not uploaded one.

use super::super::{Picture, default_avatar};

/// The share of the picture that is ink.
fn ink(picture: &Picture) -> f32 {
    let background = &picture.pixels()[..3];
    let inked = picture.pixels().chunks_exact(3).filter(|pixel| *pixel != background).count();
    inked as f32 / (picture.width() * picture.height()) as f32
}

/// The first and the last column and row with ink.
fn bounds(picture: &Picture) -> [u32; 4] {
    let size = picture.width();
    let background = &picture.pixels()[..3];
    let mut bounds = [size, 0, size, 0];
    for (index, _) in (0..).zip(picture.pixels().chunks_exact(3)).filter(|(_, pixel)| *pixel != background) {
        let (x, y) = (index % size, index / size);
        bounds = [bounds[0].min(x), bounds[1].max(x), bounds[2].min(y), bounds[3].max(y)];
    }
    bounds
}

#[test]
fn it_is_the_same_every_time_and_differs_between_users() {
    assert!(default_avatar("ana", 64) == default_avatar("ana", 64));
    assert!(default_avatar("ana", 64) != default_avatar("bob", 64));
    assert!(default_avatar("日本語", 64) != default_avatar("中文", 64));
    assert!(default_avatar("日本語", 64) == default_avatar("日本語", 64));
}

#[test]
fn it_has_the_size_asked_for() {
    for size in [1, 32, 64, 128, 256, 512] {
        let picture = default_avatar("ana", size);
        assert_eq!((picture.width(), picture.height()), (size, size));
        assert!(!picture.has_alpha());
    }
    assert_eq!(default_avatar("ana", 0).width(), 1);
}

#[test]
fn every_name_gives_ink_within_a_margin() {
    for name in [
        "ana",
        "bob.smith",
        "Ünal",
        "日本語",
        "42",
        "@x",
        "Ж",
        "ω.λ",
        "ß",
        "W.W",
        "i",
        "a日",
        "...a",
        "+-@",
        "",
        "한국어",
        "ǆ",
    ] {
        for size in [32, 256] {
            let picture = default_avatar(name, size);
            let ink = ink(&picture);
            assert!((0.01..0.6).contains(&ink), "{name:?} at {size}: {ink}");
            let [left, right, top, bottom] = bounds(&picture);
            let margin = size / 16;
            assert!(
                left >= margin && top >= margin && right < size - margin && bottom < size - margin,
                "{name:?} at {size}"
            );
        }
    }
}

#[test]
fn letters_are_centred() {
    for name in ["ana", "bob.smith", "Ünal", "42", "@x", "W.W", "i"] {
        let [left, right, ..] = bounds(&default_avatar(name, 256));
        assert!(left.abs_diff(255 - right) <= 2, "{name}: {left} and {right}");
    }
    let [_, _, top, bottom] = bounds(&default_avatar("H", 256));
    assert!(top.abs_diff(255 - bottom) <= 2, "{top} and {bottom}");
}

#[test]
fn white_is_readable_on_every_colour() {
    let linear = |channel: u8| {
        let value = f32::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    for colour in super::super::initials::COLOURS {
        let [red, green, blue] = colour.map(linear);
        let contrast = 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
        assert!(contrast >= 4.5, "{colour:X?}: {contrast}");
    }
}
