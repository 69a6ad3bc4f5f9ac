//! Metadata is removed from pictures, and their orientation is applied.

use moxcms::ColorProfile;
use serde_json::json;

use super::{Uploads, contains, corners};
use crate::pictures;

const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET-XMP</x:xmpmeta>";

/// Each sample in this file contains some of these, and no served file may contain any: markers of this test, and the
/// names under which each format stores metadata.
const TRACES: [&[u8]; 14] = [
    b"SECRET",
    b"Exif",
    b"http://ns.adobe.com",
    b"xmpmeta",
    b"Photoshop",
    b"8BIM",
    b"ICC_PROFILE",
    b"acsp",
    b"NETSCAPE",
    b"XMP DataXMP",
    pictures::LATITUDE,
    b"MM\0*",
    b"Comment",
    b"PASSENGER",
];

/// A valid profile, with a marker in a part that no decoder reads.
fn profile() -> Vec<u8> {
    let mut profile = ColorProfile::new_display_p3().encode().expect("a profile");
    profile[100..110].copy_from_slice(b"SECRET-ICC");
    assert!(ColorProfile::new_from_slice(&profile).is_ok());
    profile
}

fn telltale_jpeg() -> Vec<u8> {
    let iptc = b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x10\x1C\x02\x50\0\x0BSECRET-IPTC";
    let segments: [(u8, Vec<u8>); 6] = [
        (0xFE, b"SECRET-COMMENT".to_vec()),
        (0xED, iptc.to_vec()),
        (0xE2, [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile()].concat()),
        (0xE1, [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), XMP].concat()),
        (0xEB, b"SECRET-OWN-SEGMENT".to_vec()),
        (0xE1, [b"Exif\0\0".as_slice(), &pictures::telltale_exif(1)].concat()),
    ];
    let jpeg = pictures::jpeg(64, 48);
    segments.iter().fold(jpeg, |jpeg, (marker, body)| pictures::with_segment(&jpeg, *marker, body))
}

fn telltale_png(png: &[u8]) -> Vec<u8> {
    let chunks: [([u8; 4], &[u8]); 5] = [
        (*b"tEXt", b"Comment\0SECRET-TEXT"),
        (*b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0SECRET-ITXT"),
        (*b"eXIf", &pictures::telltale_exif(1)),
        // 20 November 2026, 12:34:56.
        (*b"tIME", &[0x07, 0xEA, 11, 20, 12, 34, 56]),
        (*b"prVt", b"SECRET-CHUNK"),
    ];
    let png = chunks.iter().fold(png.to_vec(), |png, (name, body)| pictures::with_chunk(&png, *name, body));
    let png = pictures::png_with_compressed_text(&png, b"SECRET-ZTXT");
    let png = pictures::with_late_chunk(&png, *b"tEXt", b"Comment\0SECRET-LATE");
    pictures::png_with_profile(&png, &profile())
}

fn telltale_gif() -> Vec<u8> {
    let gif = pictures::gif(&[pictures::opaque(&pictures::quadrants(64, 48))]);
    let gif = pictures::with_extension(&gif, 0xFE, b"SECRET-COMMENT");
    let application = |name: &[u8; 11], body: &[u8]| {
        // The name takes a block of its own, so it is padded to the size of the body's blocks.
        pictures::with_extension(&gif, 0xFF, &[name.as_slice(), &[b' '; 244], body].concat())
    };
    application(b"XMP DataXMP", XMP)
}

/// The name, the picture, and the markers that it must contain for the test to prove anything.
type Telltale = (&'static str, Vec<u8>, Vec<&'static [u8]>);

fn telltales() -> [Telltale; 6] {
    let quadrants = pictures::quadrants(64, 48);
    let camera: [&[u8]; 7] = [
        b"SECRET-DESCRIPTION",
        b"SECRET-ARTIST",
        b"SECRET-MAKER-NOTE",
        b"SECRET-SERIAL",
        b"SECRET-GPS",
        b"SECRET-THUMBNAIL",
        pictures::LATITUDE,
    ];
    let with = |marks: &[&'static [u8]]| [&camera, marks].concat();
    let jpeg: [&[u8]; 5] =
        [b"SECRET-COMMENT", b"SECRET-IPTC", b"SECRET-ICC", b"SECRET-XMP", b"SECRET-OWN-SEGMENT"];
    let png: [&[u8]; 7] = [
        b"SECRET-TEXT",
        b"SECRET-ITXT",
        b"SECRET-ZTXT",
        b"SECRET-LATE",
        b"SECRET-CHUNK",
        b"SECRET-ICC",
        b"tIME",
    ];
    let webp: [&[u8]; 3] = [b"SECRET-ICC", b"SECRET-XMP", b"SECRET-CHUNK"];
    let exif = pictures::telltale_exif(1);
    let telltale_webp = |simple: &[u8]| pictures::telltale_webp((64, 48), simple, &profile(), &exif, XMP);
    [
        ("a JPEG", telltale_jpeg(), with(&jpeg)),
        ("a PNG", telltale_png(&pictures::png(&quadrants)), with(&png)),
        ("a PNG with alpha", telltale_png(&pictures::png_with_alpha(64, 48)), with(&png)),
        ("a lossy WebP", telltale_webp(&pictures::lossy_webp(&quadrants)), with(&webp)),
        ("a lossless WebP", telltale_webp(&pictures::lossless_webp(quadrants)), with(&webp)),
        ("a GIF", telltale_gif(), vec![b"SECRET-COMMENT", b"SECRET-XMP"]),
    ]
}

#[actix_web::test]
async fn no_file_tells_who_made_it_where_and_with_what() {
    let telltales = telltales();
    for uploads in Uploads::each().await {
        for (what, picture, marks) in &telltales {
            let answer = uploads.upload(picture.clone()).await;
            let text = String::from_utf8_lossy(&answer.bytes).into_owned();
            assert!(!text.contains("SECRET"), "{what}: {text}");
            let files = uploads.takes(what, answer).await;
            assert!(files.len() >= 3, "{what}: the original and its variants");
            for mark in marks {
                assert!(contains(picture, mark), "{} is in {what}", mark.escape_ascii());
            }
            for file in files {
                let names: &[&[u8]] = match file.url.rsplit_once('.').expect("an extension").1 {
                    "png" => &[b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"prVt"],
                    "webp" => &[b"EXIF", b"XMP ", b"ICCP", b"MINE"],
                    _ => &[],
                };
                for trace in marks.iter().chain(&TRACES).chain(names) {
                    assert!(
                        !contains(&file.bytes, trace),
                        "{} of {what} in {}",
                        trace.escape_ascii(),
                        file.url
                    );
                }
            }
        }
    }
}

#[actix_web::test]
async fn every_way_of_holding_a_camera_is_put_right() {
    // The colours of the upright picture, where the stored one has red and green above blue and yellow.
    let upright = ["RGBY", "GRYB", "YBGR", "BYRG", "RBGY", "BRYG", "YGBR", "GYRB"];
    let plain = pictures::quadrants(64, 48);
    for uploads in Uploads::each().await {
        for (orientation, expected) in (1..).zip(upright) {
            let (width, height) = if orientation < 5 { (64, 48) } else { (48, 64) };
            let exif = pictures::telltale_exif(orientation);
            for (format, picture) in [
                ("JPEG", pictures::oriented_jpeg(64, 48, orientation)),
                ("PNG", pictures::with_chunk(&pictures::png(&plain), *b"eXIf", &exif)),
                ("late PNG", pictures::with_late_chunk(&pictures::png(&plain), *b"eXIf", &exif)),
                ("WebP", pictures::webp_with_exif((64, 48), &pictures::lossy_webp(&plain), &exif)),
            ] {
                let what = format!("a {format} of orientation {orientation}");
                let answer = uploads.upload(picture).await;
                let member = answer.at(&format!("/{}", uploads.target.part));
                assert_eq!((&member["width"], &member["height"]), (&json!(width), &json!(height)), "{what}");
                let files = uploads.takes(&what, answer).await;
                let header = plaza_image::inspect(&files[0].bytes, &plaza::media::LIMITS);
                let size = header.map(|header| (header.width, header.height));
                assert_eq!(size, Ok((width, height)), "{what}");
                for file in files {
                    assert_eq!(corners(&file.bytes), expected, "{what}: {}", file.url);
                }
            }
        }
    }
}
