//! Malformed forms: each gets a client error, and nothing is kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;

use super::{END, FORM, Uploads, part};
use crate::pictures;

const MALFORMED: &str = "400 malformed_body";

/// Forms with one part that has a fault.
fn wrong_parts(name: &str, picture: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let right = format!("content-disposition: form-data; name=\"{name}\"");
    [
        ("headers that are none", "no header".to_owned()),
        ("no headers", String::new()),
        ("no name", "content-disposition: form-data".to_owned()),
        ("another disposition", right.replace("form-data", "attachment")),
        ("a form in a form", format!("{right}\r\ncontent-type: multipart/mixed; boundary=y")),
        ("endless headers", format!("{right}; {}", "x".repeat(1 << 17))),
    ]
    .map(|(what, headers)| (what, [part(headers, picture).as_slice(), END].concat()))
    .to_vec()
}

#[actix_web::test]
async fn a_form_that_cannot_be_read_is_malformed() {
    let picture = pictures::jpeg(64, 48);
    for uploads in Uploads::each().await {
        let whole = [uploads.file(&picture).as_slice(), END].concat();
        let cut = |behind: usize| whole[..whole.len() - behind].to_vec();
        let many = part("content-disposition: form-data; name=\"p\"", b"x").repeat(10_000);
        let mut cases = wrong_parts(uploads.target.part, &picture);
        cases.extend([
            ("nothing", Vec::new()),
            ("headers without an end", b"--x\r\ncontent-disposition: form-data".to_vec()),
            ("a last boundary without its end", cut(4)),
            ("a boundary that is not closed", cut(END.len())),
            ("a part that is not ended", cut(END.len() + 2)),
            ("a part that is cut off", cut(END.len() + 50)),
            ("10,000 parts", [many.as_slice(), END].concat()),
        ]);
        for (what, body) in cases {
            let answer = uploads.send(FORM, body).await;
            uploads.is_refused(what, answer, MALFORMED).await;
        }
        for (kind, expected) in [
            ("multipart/form-data", MALFORMED),
            ("multipart/form-data; boundary=", MALFORMED),
            ("multipart/form-data; boundary=y", MALFORMED),
            ("multipart/mixed; boundary=x", "415 unsupported_media_type"),
        ] {
            uploads.is_refused(kind, uploads.send(kind, whole.clone()).await, expected).await;
        }
        uploads.takes("the form without a fault", uploads.send(FORM, whole).await).await;
    }
}

#[actix_web::test]
async fn a_form_has_the_one_file_and_nothing_else() {
    let picture = pictures::jpeg(64, 48);
    for uploads in Uploads::each().await {
        let (name, file) = (uploads.target.part, uploads.file(&picture));
        let other = |name: &str| part(format!("content-disposition: form-data; name=\"{name}\""), &picture);
        let unknown = |name: &str| format!("422 validation_failed /{name} unknown_member");
        let cases = [
            ("no part", vec![], format!("422 validation_failed /{name} required")),
            (
                "the part twice",
                vec![file.clone(), file.clone()],
                format!("422 validation_failed /{name} duplicate_part"),
            ),
            ("another part", vec![other("picture")], unknown("picture")),
            ("another part behind it", vec![file.clone(), other("a/b~")], unknown("a~1b~0")),
            ("a part without letters", vec![other("")], unknown("")),
            ("the name in capitals", vec![other(&name.to_uppercase())], unknown(&name.to_uppercase())),
            ("32 parts", vec![file.clone(); 32], format!("422 validation_failed /{name} duplicate_part")),
            ("33 parts", vec![file.clone(); 33], MALFORMED.to_owned()),
        ];
        for (what, parts, expected) in cases {
            let answer = uploads.form(&parts).await;
            uploads.is_refused(what, answer, &expected).await;
        }
    }
}

#[actix_web::test]
async fn an_encoding_of_a_part_is_not_undone() {
    let picture = pictures::jpeg(64, 48);
    for uploads in Uploads::each().await {
        let name = uploads.target.part;
        let headers = format!(
            "content-disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\ncontent-transfer-encoding: base64"
        );
        // RFC 7578 deprecates this header, and no client sends it. A picture in Base64 is therefore just text.
        let answer = uploads.form(&[part(&headers, STANDARD.encode(&picture).as_bytes())]).await;
        let expected = format!("415 unsupported_picture /{name} unsupported_picture");
        uploads.is_refused("a picture in Base64", answer, &expected).await;
        uploads.takes("a picture that is said to be", uploads.form(&[part(&headers, &picture)]).await).await;
    }
}

#[actix_web::test]
async fn a_part_that_lies_about_its_length_is_malformed() {
    let picture = pictures::jpeg(64, 48);
    for uploads in Uploads::each().await {
        let disposition = format!("content-disposition: form-data; name=\"{}\"", uploads.target.part);
        for length in ["5", "100000", "18446744073709551615", "99999999999999999999", "-1", "x"] {
            let headers = format!("{disposition}\r\ncontent-length: {length}");
            let answer = uploads.form(&[part(headers, &picture)]).await;
            uploads.is_refused(length, answer, MALFORMED).await;
        }
        let headers = format!("{disposition}\r\ncontent-length: {}", picture.len());
        uploads.takes("the right length", uploads.form(&[part(headers, &picture)]).await).await;
    }
}

#[actix_web::test]
async fn a_file_over_the_limit_is_refused_with_a_length_and_without() {
    for uploads in Uploads::each().await {
        let name = uploads.target.part;
        let expected = format!("413 payload_too_large /{name} payload_too_large");
        uploads.refuses("10 MiB and a byte", vec![0xFF; (10 << 20) + 1], "413 payload_too_large").await;
        uploads.refuses("15 MiB", vec![0xFF; 15 << 20], "413 payload_too_large").await;

        let head = format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n");
        let chunks = std::iter::once(head.into_bytes()).chain((0..11).map(|_| vec![0xFF; 1 << 20]));
        let body = reqwest::Body::wrap_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)));
        let answer = uploads.send(FORM, body).await;
        assert_eq!(answer.at("/errors/0/params/max"), 10 << 20);
        uploads.is_refused("11 MiB in chunks", answer, &expected).await;

        // Two files that are together too large: the error names the second.
        let six = uploads.file(&vec![0xFF; 6 << 20]);
        let answer = uploads.form(&[six.clone(), six]).await;
        uploads.is_refused("twice 6 MiB", answer, &expected).await;
    }
}
