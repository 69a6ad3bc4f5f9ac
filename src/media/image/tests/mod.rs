//! One file for what is taken, what is refused, and what is made of it.

mod avatars;
mod read;
mod refused;
mod sizes;
mod written;

use super::samples::{BLUE, GREEN, RED, YELLOW};
use super::{Limits, Picture, Rejected};

fn decode(bytes: &[u8]) -> Result<Picture, Rejected> {
    super::decode(bytes, &Limits::default(), 2048)
}

#[track_caller]
fn decoded(bytes: &[u8]) -> Picture {
    match decode(bytes) {
        Ok(picture) => picture,
        Err(rejected) => panic!("{rejected}"),
    }
}

/// The pixel at a place given in eighths of the width and height.
fn at(picture: &Picture, x: u32, y: u32) -> Vec<u8> {
    let step = if picture.has_alpha() { 4 } else { 3 };
    let (x, y) = (picture.width() * x / 8, picture.height() * y / 8);
    let start = (y * picture.width() + x) as usize * step;
    picture.pixels()[start..start + step].to_vec()
}

/// The colours at upper left, upper right, lower left, lower right.
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
