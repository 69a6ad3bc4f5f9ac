//! The file name and the content type that a client sends have no effect.

use super::{Uploads, part};
use crate::pictures;

#[actix_web::test]
async fn a_picture_is_taken_by_its_content_whatever_it_is_called() {
    let quadrants = pictures::quadrants(64, 48);
    let cases = [
        (pictures::jpeg(64, 48), "a.png", "image/png", "image/jpeg"),
        (pictures::png_with_alpha(64, 48), "a.jpg", "image/jpeg", "image/png"),
        (pictures::lossy_webp(&quadrants), "a.svg", "image/svg+xml", "image/png"),
        (pictures::gif(&[pictures::opaque(&quadrants)]), "a.php", "application/x-php", "image/png"),
        (pictures::jpeg(64, 48), "a.html", "text/html; charset=utf-8", "image/jpeg"),
        (pictures::jpeg(64, 48), "", "no type at all", "image/jpeg"),
    ];
    for uploads in Uploads::each().await {
        let name = uploads.target.part;
        for (picture, file_name, declared, stored) in &cases {
            let what = format!("{file_name:?} as {declared}");
            let headers = format!(
                "content-disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\ncontent-type: {declared}"
            );
            let answer = uploads.form(&[part(headers, picture)]).await;
            assert_eq!(answer.at(&format!("/{name}/content_type")), *stored, "{what}");
            for file in uploads.takes(&what, answer).await {
                let served = uploads.app.guest().get(&file.url).await;
                let extension = file.url.rsplit_once('.').expect("an extension").1.replace("jpg", "jpeg");
                assert_eq!(served.header("content-type"), format!("image/{extension}"), "{what}");
            }
        }
        // A file that is not a picture is rejected, whatever it claims to be.
        let headers = format!(
            "content-disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\ncontent-type: image/jpeg"
        );
        let answer = uploads.form(&[part(headers, b"<svg/>")]).await;
        let expected = format!("415 unsupported_picture /{name} unsupported_picture");
        uploads.is_refused("an SVG as image/jpeg", answer, &expected).await;
    }
}

#[actix_web::test]
async fn no_file_name_reaches_the_store() {
    let long = "x".repeat(4096);
    // With the expected status: a name that no header can contain is rejected, all others are ignored.
    let cases: [(&str, Vec<u8>, &str); 17] = [
        ("none", b"".to_vec(), "200"),
        ("an empty one", b"; filename=\"\"".to_vec(), "200"),
        ("one that climbs", b"; filename=\"../../../../tmp/EVIL.jpg\"".to_vec(), "200"),
        ("one that climbs elsewhere", b"; filename=\"..\\..\\EVIL.jpg\"".to_vec(), "200"),
        ("one from the root", b"; filename=\"/etc/EVIL\"".to_vec(), "200"),
        ("one with an encoded NUL", b"; filename=\"EVIL.php%00.jpg\"".to_vec(), "200"),
        ("one that turns around", "; filename=\"EVIL\u{202e}gpj.exe\"".into(), "200"),
        ("one in another notation", b"; filename*=UTF-8''..%2F..%2FEVIL%E2%80%AE.jpg".to_vec(), "200"),
        ("one of a shell", b"; filename=\"$(touch EVIL);`id`|&.jpg\"".to_vec(), "200"),
        ("one with a quote", b"; filename=\"EVIL\\\".jpg\"".to_vec(), "200"),
        ("one of 4 KiB", format!("; filename=\"EVIL{long}.jpg\"").into_bytes(), "200"),
        ("one with a header behind it", b"; filename=\"EVIL\"\r\nx-evil: ../EVIL".to_vec(), "200"),
        ("one that is no UTF-8", b"; filename=\"EVIL\xFF\xFE\xC0\x80.jpg\"".to_vec(), "400"),
        ("one with a header in it", b"; filename=\"EVIL\r\nx-evil: 1\"".to_vec(), "400"),
        ("one with a NUL", b"; filename=\"EVIL\0.jpg\"".to_vec(), "400"),
        ("one with a new line", b"; filename=\"EVIL\n.jpg\"".to_vec(), "400"),
        ("one with a return", b"; filename=\"EVIL\r.jpg\"".to_vec(), "400"),
    ];
    let picture = pictures::jpeg(64, 48);
    for uploads in Uploads::each().await {
        let disposition = format!("content-disposition: form-data; name=\"{}\"", uploads.target.part);
        for (what, name, status) in &cases {
            let answer = uploads.form(&[part([disposition.as_bytes(), name].concat(), &picture)]).await;
            if *status == "200" {
                // This checks the key of every file.
                uploads.takes(what, answer).await;
            } else {
                uploads.is_refused(what, answer, "400 malformed_body").await;
            }
        }
        assert!(uploads.app.files().iter().all(|key| !key.to_lowercase().contains("evil")));
    }
}
