//! The avatar of users who have not uploaded one.
//!
//! It is rendered from the username alone, so every node renders the same avatar and nothing is stored. It shows initials on a
//! colour, or a mirrored pattern if the font (Latin, Greek, Cyrillic and digits; see `font/make.sh`) has no letters for the name.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, InvalidFont, Point, ScaleFont};

use super::Picture;

type Colour = [u8; 3];

const WHITE: Colour = [255; 3];

/// White text on each of these has a contrast of at least 4.5 : 1 (WCAG AA).
pub(super) const COLOURS: [Colour; 16] = [
    [0xC6, 0x28, 0x28],
    [0xAD, 0x14, 0x57],
    [0x8E, 0x24, 0xAA],
    [0x5E, 0x35, 0xB1],
    [0x39, 0x49, 0xAB],
    [0x15, 0x65, 0xC0],
    [0x02, 0x6A, 0xA7],
    [0x00, 0x6D, 0x77],
    [0x00, 0x69, 0x5C],
    [0x2E, 0x7D, 0x32],
    [0x4B, 0x73, 0x1F],
    [0x7A, 0x64, 0x00],
    [0xA6, 0x51, 0x00],
    [0xBF, 0x36, 0x0C],
    [0x6D, 0x4C, 0x41],
    [0x45, 0x5A, 0x64],
];

static FONT: LazyLock<Result<FontRef<'static>, InvalidFont>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("font/plaza-initials.ttf")));

/// Returns the square avatar of this username, with `size` pixels per side.
#[must_use]
pub fn default_avatar(username: &str, size: u32) -> Picture {
    let size = size.max(1);
    let hash = hash(username.as_bytes());
    let mut canvas = Canvas::new(size, COLOURS[(hash % 16) as usize]);
    match FONT.as_ref().ok().and_then(|font| Some((font, initials(username, font)?))) {
        Some((font, initials)) => canvas.letters(font, &initials),
        None => canvas.pattern(hash >> 4 | CENTRE_CELL),
    }
    Picture::opaque(size, size, canvas.pixels)
}

/// Set in every pattern, so that none is empty.
const CENTRE_CELL: u64 = 1 << 8;

/// Hashes the bytes. Unlike the standard library's hash, this one is stable across versions and nodes. It is FNV-1a with an
/// additional mixing step: the low bits of FNV-1a alone hardly differ between short names.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    let stirred = (hash ^ hash >> 32).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    stirred ^ stirred >> 29
}

/// Returns the first letters of the first and the last word, capitalized; `None` if the font lacks one.
fn initials(username: &str, font: &impl Font) -> Option<Vec<char>> {
    let words: Vec<char> =
        username.split(|c: char| !c.is_alphanumeric()).filter_map(|word| word.chars().next()).collect();
    let (first, rest) = words.split_first()?;
    let drawable = |letter: &char| {
        let mut capital = letter.to_uppercase();
        let capital = match (capital.next(), capital.next()) {
            (Some(capital), None) => capital,
            // ß has no capital of one letter.
            _ => *letter,
        };
        (font.glyph_id(capital).0 != 0).then_some(capital)
    };
    std::iter::once(first).chain(rest.last()).map(drawable).collect()
}

struct Canvas {
    size: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(size: u32, colour: Colour) -> Self {
        let pixels = colour.repeat(size as usize * size as usize);
        Self { size, pixels }
    }

    /// Lays white over a pixel. Does nothing outside the canvas.
    fn whiten(&mut self, x: i64, y: i64, coverage: f32) {
        let inside = 0..i64::from(self.size);
        if !inside.contains(&x) || !inside.contains(&y) {
            return;
        }
        let at = (y as usize * self.size as usize + x as usize) * 3;
        for (channel, white) in self.pixels[at..at + 3].iter_mut().zip(WHITE) {
            let (below, above) = (f32::from(*channel), f32::from(white));
            *channel = (below + (above - below) * coverage.clamp(0.0, 1.0)).round() as u8;
        }
    }

    /// Draws the letters. They are centred horizontally by their ink and vertically by the height of a capital, so that an accent
    /// or a descender does not move the letter.
    fn letters(&mut self, font: &FontRef<'_>, letters: &[char]) {
        let size = self.size as f32;
        let (capital, widest) = if letters.len() > 1 { (0.34, 0.66) } else { (0.42, 0.66) };
        let unit = font.as_scaled(1000.0);
        let height = font
            .outline(font.glyph_id('H'))
            .map_or(700.0, |outline| unit.v_scale_factor() * outline.bounds.height().abs());
        let mut scale = 1000.0 * capital * size / height;
        let (left, right) = ink(font, letters, scale);
        let width = right - left;
        if width > widest * size {
            scale *= widest * size / width;
        }
        let (left, right) = ink(font, letters, scale);
        let start = (size - (right - left)) / 2.0 - left;
        let baseline = f32::midpoint(size, height * scale / 1000.0);
        for mut glyph in line(font, letters, scale) {
            glyph.position.x += start;
            glyph.position.y = baseline;
            if let Some(outlined) = font.outline_glyph(glyph) {
                let bounds = outlined.px_bounds();
                let (x, y) = (bounds.min.x as i64, bounds.min.y as i64);
                outlined.draw(|dx, dy, coverage| {
                    self.whiten(x + i64::from(dx), y + i64::from(dy), coverage);
                });
            }
        }
    }

    /// Draws five by five cells, the right half a mirror of the left, with a margin of one cell.
    fn pattern(&mut self, bits: u64) {
        let side = i64::from(self.size);
        for y in 0..side {
            for x in 0..side {
                let (column, row) = (x * 7 / side - 1, y * 7 / side - 1);
                if (0..5).contains(&column) && (0..5).contains(&row) {
                    let bit = row * 3 + column.min(4 - column);
                    if bits >> bit & 1 == 1 {
                        self.whiten(x, y, 0.88);
                    }
                }
            }
        }
    }
}

/// Returns the letters next to each other, starting at 0.
fn line(font: &FontRef<'_>, letters: &[char], scale: f32) -> Vec<Glyph> {
    let scaled = font.as_scaled(scale);
    let mut x = 0.0;
    letters
        .iter()
        .map(|&letter| {
            let id = font.glyph_id(letter);
            let glyph = id.with_scale_and_position(scale, Point { x, y: 0.0 });
            x += scaled.h_advance(id);
            glyph
        })
        .collect()
}

/// Returns where the ink of the line begins and ends.
fn ink(font: &FontRef<'_>, letters: &[char], scale: f32) -> (f32, f32) {
    let factor = font.as_scaled(scale).h_scale_factor();
    line(font, letters, scale)
        .iter()
        .filter_map(|glyph| {
            let bounds = font.outline(glyph.id)?.bounds;
            Some((glyph.position.x + bounds.min.x * factor, glyph.position.x + bounds.max.x * factor))
        })
        .reduce(|(left, right), (l, r)| (left.min(l), right.max(r)))
        .unwrap_or_default()
}
