//! `plaza media check`: it finds what an earlier version damaged, and repairs it where possible.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;

use super::{file_of, variant};
use crate::samples;
use crate::support::{Client, Output, Place, eventually, text};

#[test]
fn damaged_variants_are_made_again_under_other_names_and_damaged_originals_named() {
    let place = Place::new();
    let plaza = place.serve();
    let media = place.media();
    let (ana, bob, eve) = (
        plaza.client().registered("ana"),
        plaza.client().registered("bob"),
        plaza.client().registered("eve"),
    );
    let (of_ana, of_bob, of_eve) =
        (avatar(&ana, (800, 600)), avatar(&bob, (2048, 1400)), avatar(&eve, (800, 600)));
    let damaged = variant(&of_ana, "256");
    lose_rows_of_webp(&ana, &media, &damaged, 50);
    lose_rows_of_original(&media, &text(&of_bob, "/url"), (2048, 1400), 300);
    eve.get(&variant(&of_eve, "256")).expect(200);

    let check = |flags: &[&str]| {
        Output::of(place.command(["media", "check"].into_iter().chain(flags.iter().copied())))
    };
    let key = |url: &str| super::key_of(url).to_owned();
    let original = format!("damaged {}, shown by profiles/bob of bob: 29", key(&text(&of_bob, "/url")));
    let rehearsed = check(&["--dry-run"]);
    assert!(rehearsed.out.contains(&format!("damaged {}: 49 rows", key(&damaged))), "{rehearsed:?}");
    assert!(rehearsed.out.contains(&original), "{rehearsed:?}");
    assert_eq!(picture(&ana), of_ana, "a rehearsal changes nothing");

    let done = check(&[]);
    assert!(done.code == Some(1) && done.out.contains(&original), "{done:?}");
    assert!(
        done.out.contains("1 variants are damaged, 1 pictures renewed; 1 originals are damaged"),
        "{done:?}"
    );
    let renewed = picture(&ana);
    assert_ne!(text(&renewed, "/url"), text(&of_ana, "/url"));
    assert_eq!((&renewed["width"], &renewed["blurhash"]), (&of_ana["width"], &of_ana["blurhash"]));
    let shown = read(&ana, &variant(&renewed, "256"));
    assert!(shown.get_pixel(20, 250).0[2] > 150, "blue below left: {:?}", shown.get_pixel(20, 250));
    eventually("the old files are gone", || (!file_of(&media, &damaged).exists()).then_some(()));
    ana.get(&damaged).expect(404);
    assert_eq!((picture(&bob), picture(&eve)), (of_bob, of_eve), "others stay as they are");

    let again = check(&[]);
    assert!(again.out.contains("0 variants are damaged, 0 pictures renewed; 1 originals"), "{again:?}");
    plaza.stop();
}

fn avatar(client: &Client, (width, height): (u32, u32)) -> Value {
    client.send(client.upload(samples::jpeg(width, height), "me.jpg")).expect(200).json()["avatar"].clone()
}

fn picture(client: &Client) -> Value {
    client.get("/api/v1/profiles/me").expect(200).json()["avatar"].clone()
}

fn read(client: &Client, url: &str) -> RgbImage {
    let bytes = client.get(url).expect(200).bytes;
    image::load_from_memory(&bytes).expect("a picture").into_rgb8()
}

fn lose_rows(picture: &mut RgbImage, rows: u32) {
    let first = picture.height() - rows;
    picture
        .enumerate_pixels_mut()
        .filter(|(_, y, _)| *y >= first)
        .for_each(|(_, _, pixel)| *pixel = Rgb([0; 3]));
}

/// Simulate the resampler's bug: the last rows are black.
fn lose_rows_of_webp(client: &Client, media: &Path, url: &str, rows: u32) {
    let mut picture = read(client, url);
    lose_rows(&mut picture, rows);
    fs::write(file_of(media, url), samples::lossy_webp(&picture)).expect("our own file");
}

fn lose_rows_of_original(media: &Path, url: &str, (width, height): (u32, u32), rows: u32) {
    let mut picture = samples::quadrants(width, height);
    lose_rows(&mut picture, rows);
    fs::write(file_of(media, url), samples::jpeg_with(&picture, |jpeg| jpeg.set_quality(60)))
        .expect("our own file");
}
