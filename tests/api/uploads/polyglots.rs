//! Valid pictures that are also valid files of another kind: only the picture is kept.

use super::{Uploads, contains, corners};
use crate::pictures;

/// What follows the picture. Each is a complete file of its kind.
const PASSENGERS: [(&str, &[u8]); 3] = [
    ("a page", b"<!doctype html><script>alert('PASSENGER')</script>"),
    ("a PHP script", b"<?php system($_GET['PASSENGER']); ?>"),
    // One stored file, `p`, which contains `PASSENGER`: local header, directory, end.
    (
        "a ZIP",
        b"PK\x03\x04\x0A\0\0\0\0\0\0\0\0\0\x87\x22\x4F\x0E\x09\0\0\0\x09\0\0\0\x01\0\0\0pPASSENGER\
          PK\x01\x02\x0A\0\x0A\0\0\0\0\0\0\0\0\0\x87\x22\x4F\x0E\x09\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0p\
          PK\x05\x06\0\0\0\0\x01\0\x01\0\x2F\0\0\0\x28\0\0\0\0\0",
    ),
];

#[actix_web::test]
async fn what_stands_behind_a_picture_is_never_served() {
    let quadrants = pictures::quadrants(64, 48);
    let vehicles = [
        ("a JPEG", pictures::jpeg(64, 48)),
        ("a PNG", pictures::png(&quadrants)),
        ("a PNG with alpha", pictures::png_with_alpha(64, 48)),
        ("a GIF", pictures::gif(&[pictures::opaque(&quadrants)])),
        ("a lossy WebP", pictures::lossy_webp(&quadrants)),
        ("a lossless WebP", pictures::lossless_webp(quadrants)),
    ];
    for uploads in Uploads::each().await {
        for (vehicle, picture) in &vehicles {
            for (passenger, bytes) in PASSENGERS {
                let what = format!("{passenger} behind {vehicle}");
                let answer = uploads.upload([picture.as_slice(), bytes].concat()).await;
                for file in uploads.takes(&what, answer).await {
                    assert_eq!(corners(&file.bytes), "RGBY", "{what} in {}", file.url);
                    for trace in [b"PASSENGER".as_slice(), b"<script", b"<?php", b"PK\x03\x04", b"PK\x05\x06"]
                    {
                        assert!(!contains(&file.bytes, trace), "{what} in {}", file.url);
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn what_stands_inside_of_a_picture_is_never_served() {
    let quadrants = pictures::quadrants(64, 48);
    let script = b"<?php system($_GET['PASSENGER']); ?>";
    let gif = pictures::gif(&[pictures::opaque(&quadrants)]);
    let cases = [
        ("a JPEG's comment", pictures::with_segment(&pictures::jpeg(64, 48), 0xFE, script)),
        ("a PNG's text", pictures::with_chunk(&pictures::png_with_alpha(64, 48), *b"tEXt", script)),
        ("a PNG's own chunk", pictures::with_chunk(&pictures::png(&quadrants), *b"prVt", script)),
        ("a GIF's comment", pictures::with_extension(&gif, 0xFE, script)),
    ];
    for uploads in Uploads::each().await {
        for (what, picture) in &cases {
            assert!(contains(picture, b"PASSENGER"), "{what}");
            for file in uploads.takes(what, uploads.upload(picture.clone()).await).await {
                assert_eq!(corners(&file.bytes), "RGBY", "{what} in {}", file.url);
                assert!(!contains(&file.bytes, b"PASSENGER"), "{what} in {}", file.url);
            }
        }
    }
}
