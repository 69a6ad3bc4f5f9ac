//! One module each for what is accepted, what is rejected, and what is made of it.

mod avatars;
mod colours;
mod cut_off;
mod gifs;
mod graphics;
mod jpegs;
mod memory;
mod orientation;
mod pixels;
mod pixels_reference;
mod pixels_table;
mod png_kinds;
mod pngs;
mod read;
mod refused;
mod sizes;
mod sizes_table;
mod tolerated;
mod webps;
mod written;

use super::samples::{BLUE, GREEN, RED, YELLOW};
use super::{Limits, Picture, Rejection, Resize};

fn decode(bytes: &[u8]) -> Result<Picture, Rejection> {
    super::decode(bytes, &Limits::default(), 2048)
}

#[track_caller]
fn decoded(bytes: &[u8]) -> Picture {
    match decode(bytes) {
        Ok(picture) => picture,
        Err(rejected) => panic!("{rejected}"),
    }
}

#[track_caller]
fn resized(picture: &Picture, resize: Resize) -> Picture {
    picture.variant(resize).expect("a variant")
}

/// Returns the pixel at a position given in eighths of the width and height.
fn at(picture: &Picture, x: u32, y: u32) -> Vec<u8> {
    let step = if picture.has_alpha() { 4 } else { 3 };
    let (x, y) = (picture.width() * x / 8, picture.height() * y / 8);
    let start = (y * picture.width() + x) as usize * step;
    picture.pixels()[start..start + step].to_vec()
}

/// Returns the colours at the upper left, upper right, lower left and lower right.
fn corners(picture: &Picture) -> String {
    [(1, 1), (6, 1), (1, 6), (6, 6)].map(|(x, y)| name(&at(picture, x, y))).iter().collect()
}

fn name(pixel: &[u8]) -> char {
    [('R', RED), ('G', GREEN), ('B', BLUE), ('Y', YELLOW)]
        .into_iter()
        .find(|(_, colour)| near(pixel, colour, 24))
        .map_or('?', |(name, _)| name)
}

fn near(pixel: &[u8], colour: &[u8], tolerance: u8) -> bool {
    colour.iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) <= tolerance)
}

/// Returns four bytes per pixel, whether the picture has alpha or not.
fn rgba(picture: &Picture) -> Vec<u8> {
    let step = if picture.has_alpha() { 4 } else { 3 };
    let opaque = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2], pixel.get(3).copied().unwrap_or(u8::MAX)];
    picture.pixels().chunks_exact(step).flat_map(opaque).collect()
}

/// Returns the difference between two pictures' bytes: the maximum and the average.
fn apart(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let apart = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (apart().max().unwrap_or(0), apart().map(f64::from).sum::<f64>() / a.len() as f64)
}

/// Clears the colour of transparent pixels, which does not count.
fn visible(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] == 0) {
        pixel.fill(0);
    }
    pixels
}
