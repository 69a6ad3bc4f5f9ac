//! Truncated or damaged pictures, and files that are not pictures.

use serde_json::json;

use super::Uploads;
use crate::pictures;

#[actix_web::test]
async fn a_picture_that_is_cut_off_is_corrupt() {
    // Large enough for one percent of the file to be more than its signature.
    let noise = pictures::noise(160, 120);
    let cases = [
        ("a JPEG", pictures::jpeg_with(&noise, |_| ())),
        ("a progressive JPEG", pictures::progressive_jpeg(&noise)),
        ("a PNG", pictures::png(&noise)),
        ("a lossy WebP", pictures::lossy_webp(&noise)),
        ("a lossless WebP", pictures::lossless_webp(noise.clone())),
        ("a GIF", pictures::gif(&[pictures::opaque(&noise)])),
    ];
    for uploads in Uploads::each().await {
        for (name, whole) in &cases {
            for percent in [1, 50, 99] {
                let what = format!("{percent} % of {name}");
                uploads.refuses(&what, pictures::truncated(whole, percent), "422 image_corrupt").await;
            }
            uploads.takes(name, uploads.upload(whole.clone()).await).await;
        }
    }
}

#[actix_web::test]
async fn a_png_with_a_wrong_checksum_is_corrupt() {
    let plain = pictures::png(&pictures::noise(40, 30));
    let text = pictures::with_chunk(&plain, *b"tEXt", b"Comment\0good");
    // The header's checksum follows its 13 bytes. The pixels' checksum precedes the 12 bytes of the end. The text's
    // checksum follows its own 12 bytes.
    let mut broken_text = text.clone();
    broken_text[33 + 8 + 12] ^= 0x01;
    for uploads in Uploads::each().await {
        for (what, whole, at) in [
            ("the header's", &plain, 8 + 8 + 13),
            ("the pixels'", &plain, plain.len() - 12 - 4),
            ("the end's", &plain, plain.len() - 1),
        ] {
            let mut picture = whole.clone();
            picture[at] ^= 0x01;
            uploads.refuses(&format!("{what} wrong checksum"), picture, "422 image_corrupt").await;
        }
        uploads.takes("with the right ones", uploads.upload(text.clone()).await).await;
        // Damage outside the picture data does not matter.
        uploads.takes("a text's", uploads.upload(broken_text.clone()).await).await;
    }
}

/// The beginning of an ISO base media file, such as AVIF and HEIC.
fn iso_media(brand: &str) -> Vec<u8> {
    [b"\0\0\0\x1Cftyp", brand.as_bytes(), b"\0\0\0\0mif1", brand.as_bytes(), b"miaf", &[0; 400]].concat()
}

#[actix_web::test]
async fn what_is_no_picture_or_none_that_is_accepted_is_unsupported() {
    let eicar = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    let cases: [(&str, Vec<u8>); 17] = [
        ("nothing", Vec::new()),
        ("a byte", vec![0xFF]),
        ("most of a signature", b"\x89PNG\r\n\x1a".to_vec()),
        ("an SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec()),
        (
            "an SVG behind a prolog",
            b"<?xml version=\"1.0\"?>\n<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
        ),
        ("what virus scanners look for", eicar.into_bytes()),
        ("a page", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("a PDF", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n".to_vec()),
        ("a BMP", [b"BM\x3A\0\0\0\0\0\0\0\x36\0\0\0".as_slice(), &[0; 44]].concat()),
        ("a little-endian TIFF", b"II*\0\x08\0\0\0\0\0".to_vec()),
        ("a big-endian TIFF", b"MM\0*\0\0\0\x08\0\0".to_vec()),
        ("an icon", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0".to_vec()),
        ("an AVIF", iso_media("avif")),
        ("a HEIC", iso_media("heic")),
        ("a sound in a WebP's container", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0".to_vec()),
        ("a ZIP", b"PK\x03\x04\x14\0\0\0\0\0".to_vec()),
        ("a picture behind a space", [b" ".as_slice(), &pictures::jpeg(20, 20)].concat()),
    ];
    let accepted = json!(["image/jpeg", "image/png", "image/webp", "image/gif"]);
    for uploads in Uploads::each().await {
        for (what, bytes) in &cases {
            let answer = uploads.refuses(what, bytes.clone(), "415 unsupported_picture").await;
            assert_eq!(answer.at("/errors/0/params/accepted"), accepted, "{what}");
        }
    }
}
