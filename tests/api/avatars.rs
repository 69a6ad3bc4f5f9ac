//! The picture of a profile.

use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::app::{PATIENCE, TestApp};
use crate::client::Client;
use crate::pictures;

const AVATAR: &str = "/api/v1/profiles/me/avatar";

#[actix_web::test]
async fn an_uploaded_picture_is_shown_in_all_its_sizes() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let answer = ana.upload(AVATAR, "avatar", pictures::jpeg(3000, 1500)).await;
        assert_eq!(answer.status, "200 OK");
        let avatar = answer.at("/avatar");
        assert_eq!((&avatar["width"], &avatar["height"]), (&json!(2048), &json!(1024)));
        assert_eq!((&avatar["is_default"], &avatar["content_type"]), (&json!(false), &json!("image/jpeg")));
        assert!(avatar["blurhash"].as_str().is_some_and(|hash| hash.len() > 6), "{avatar}");
        let variants = avatar["variants"].as_array().expect("variants");
        let listed = variants.iter().map(|variant| {
            let text = |member: &str| variant[member].as_str().expect("text").to_owned();
            (text("content_type"), text("name"))
        });
        let names = ["32", "64", "128", "256", "512"];
        let expected =
            ["image/webp", "image/jpeg"].map(|kind| names.map(|name| (kind.to_owned(), name.to_owned())));
        assert_eq!(listed.collect::<Vec<_>>(), expected.concat());
        for file in std::iter::once(&avatar).chain(variants) {
            let side =
                |member: &str| u32::try_from(file[member].as_u64().expect("a number")).expect("a side");
            let size = (side("width"), side("height"));
            let named = file["name"].as_str().map_or((2048, 1024), |name| {
                let side = name.parse().expect("a number");
                (side, side)
            });
            assert_eq!(size, named);
            let url = file["url"].as_str().expect("a URL");
            let file_answer = app.guest().get(url).await;
            assert_eq!(file_answer.status, "200 OK", "{url}");
            assert_eq!(file_answer.header("content-type"), file["content_type"]);
            assert_eq!(dimensions(&file_answer.bytes), size, "{url}");
        }
        assert_eq!(
            avatar["bytes"],
            app.guest().get(avatar["url"].as_str().expect("a URL")).await.bytes.len()
        );
        assert_eq!(app.guest().get("/api/v1/profiles/ana").await.at("/avatar"), avatar);
    }
}

fn dimensions(bytes: &[u8]) -> (u32, u32) {
    let header = plaza_image::inspect(bytes, &plaza::media::LIMITS).expect("a picture");
    (header.width, header.height)
}

#[actix_web::test]
async fn a_stored_picture_is_upright_and_tells_nothing_of_its_maker() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        for orientation in 1..=8 {
            let answer = ana.upload(AVATAR, "avatar", pictures::oriented_jpeg(60, 40, orientation)).await;
            let expected = if orientation < 5 { (60, 40) } else { (40, 60) };
            let file = app.guest().get(&answer.text("/avatar/url")).await.bytes;
            assert_eq!(dimensions(&file), expected, "orientation {orientation}");
        }
        let answer = ana.upload(AVATAR, "avatar", pictures::telltale_jpeg(64, 64)).await;
        let mut urls = vec![answer.text("/avatar/url")];
        urls.extend((0..2).map(|n| answer.text(&format!("/avatar/variants/{n}/url"))));
        for url in urls {
            let file = app.guest().get(&url).await.bytes;
            for marker in [b"Exif".as_slice(), b"GPS", b"http://ns.adobe.com", b"Photoshop", b"ICC_PROFILE"] {
                assert!(
                    !file.windows(marker.len()).any(|bytes| bytes == marker),
                    "{} in {url}",
                    String::from_utf8_lossy(marker)
                );
            }
        }
    }
}

#[actix_web::test]
async fn every_accepted_format_is_taken_by_its_content() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let picture = pictures::quadrants(80, 60);
        let cases = [
            // Drawings stay lossless.
            (pictures::png(&picture), "image/png"),
            (pictures::png(&pictures::noise(80, 60)), "image/jpeg"),
            (pictures::png_with_alpha(80, 60), "image/png"),
            (pictures::palette_png(80, 60), "image/png"),
            (pictures::interlaced_png(80, 60), "image/png"),
            (pictures::deep_png(80, 60), "image/png"),
            (pictures::lossless_webp(picture.clone()), "image/png"),
            (pictures::lossy_webp(&picture), "image/png"),
            (pictures::gif(&[pictures::opaque(&picture)]), "image/png"),
            (pictures::grey_jpeg(80, 60, 100), "image/jpeg"),
            (pictures::progressive_jpeg(&picture), "image/jpeg"),
        ];
        for (number, (bytes, stored)) in cases.into_iter().enumerate() {
            let answer = ana.upload(AVATAR, "avatar", bytes).await;
            assert_eq!(answer.status, "200 OK", "case {number}: {answer:?}");
            assert_eq!(answer.at("/avatar/content_type"), stored, "case {number}");
            assert_eq!(
                (answer.at("/avatar/width"), answer.at("/avatar/height")),
                (json!(80), json!(60)),
                "case {number}"
            );
        }
        // The previous picture is deleted when the next one is set.
        app.idle().await;
        assert_eq!((app.files().len(), app.count("pictures")), (3, 1));
    }
}

#[actix_web::test]
async fn what_is_no_good_picture_is_refused_and_changes_nothing() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let before = ana.upload(AVATAR, "avatar", pictures::jpeg(100, 100)).await.at("/avatar");
        let files = app.files();
        let whole = pictures::jpeg(300, 300);
        let cases: [(&str, Vec<u8>, &str); 11] = [
            ("nothing", Vec::new(), "415 unsupported_picture /avatar unsupported_picture"),
            ("a byte", vec![0xff], "415 unsupported_picture /avatar unsupported_picture"),
            (
                "an SVG",
                b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
                "415 unsupported_picture /avatar unsupported_picture",
            ),
            (
                "a script",
                b"#!/bin/sh\necho hi\n".to_vec(),
                "415 unsupported_picture /avatar unsupported_picture",
            ),
            ("half a JPEG", pictures::truncated(&whole, 50), "422 image_corrupt /avatar image_corrupt"),
            ("most of a JPEG", pictures::truncated(&whole, 99), "422 image_corrupt /avatar image_corrupt"),
            (
                "a claim of 12000²",
                pictures::png_claiming(12_000, 12_000),
                "422 image_too_large /avatar image_too_large",
            ),
            (
                "20000² of one colour",
                pictures::flat_png(20_000),
                "422 image_too_large /avatar image_too_large",
            ),
            (
                "a JPEG's claim of 65500²",
                pictures::jpeg_claiming(65_500, 65_500),
                "422 image_too_large /avatar image_too_large",
            ),
            (
                "a GIF's claim of 65535²",
                pictures::gif_claiming(65_535, 65_535),
                "422 image_too_large /avatar image_too_large",
            ),
            ("10 MiB and a byte", vec![0; (10 << 20) + 1], "413 payload_too_large /avatar payload_too_large"),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(ana.upload(AVATAR, "avatar", bytes).await.refusal(), expected, "{name}");
        }
        assert_eq!(ana.get("/api/v1/profiles/me").await.at("/avatar"), before);
        assert_eq!(app.files(), files);
    }
}

#[actix_web::test]
async fn a_form_has_exactly_one_file() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let picture = || Part::bytes(pictures::jpeg(20, 20)).file_name("a.jpg");
        let refusal = async |form: Form| ana.form(AVATAR, form).await.refusal();
        assert_eq!(
            refusal(Form::new().part("avatar", picture()).part("avatar", picture())).await,
            "422 validation_failed /avatar duplicate_part"
        );
        assert_eq!(
            refusal(Form::new().part("picture", picture())).await,
            "422 validation_failed /picture unknown_member"
        );
        assert_eq!(
            refusal(Form::new().part("avatar", picture()).text("name", "x")).await,
            "422 validation_failed /name unknown_member"
        );
        let many = "--x\r\ncontent-disposition: form-data; name=\"p\"\r\n\r\nx\r\n".repeat(10_000);
        let many = ana
            .request(reqwest::Method::PUT, AVATAR)
            .header("content-type", "multipart/form-data; boundary=x")
            .body(many);
        assert_eq!(crate::client::send(many).await.refusal(), "400 malformed_body");
        let json = ana.request(reqwest::Method::PUT, AVATAR).json(&json!({}));
        assert_eq!(crate::client::send(json).await.refusal(), "415 unsupported_media_type");
        for (content_type, body) in [
            ("multipart/form-data", "x"),
            ("multipart/form-data; boundary=x", "x"),
            ("multipart/form-data; boundary=x", ""),
        ] {
            let request =
                ana.request(reqwest::Method::PUT, AVATAR).header("content-type", content_type).body(body);
            assert_eq!(
                crate::client::send(request).await.refusal(),
                "400 malformed_body",
                "{content_type} {body}"
            );
        }
        assert_eq!(app.files(), Vec::<String>::new());
    }
}

#[actix_web::test]
async fn whose_avatar_it_is_comes_before_what_is_uploaded() {
    for app in TestApp::on_each_store(&[]).await {
        let (bob, staff) = (app.member("bob"), app.staff("root"));
        app.member("ana");
        let upload = async |client: &Client, path: &str| {
            client.upload(path, "avatar", b"no picture".to_vec()).await.refusal()
        };
        assert_eq!(upload(&app.guest(), "/api/v1/profiles/ana/avatar").await, "401 authentication_required");
        assert_eq!(upload(&bob, "/api/v1/profiles/nobody/avatar").await, "404 not_found");
        assert_eq!(upload(&bob, "/api/v1/profiles/ana/avatar").await, "403 forbidden");
        assert_eq!(
            upload(&staff, "/api/v1/profiles/ana/avatar").await,
            "415 unsupported_picture /avatar unsupported_picture"
        );
        assert_eq!(bob.delete("/api/v1/profiles/ana/avatar").await.refusal(), "403 forbidden");
        let picture = Form::new().part("avatar", Part::bytes(pictures::jpeg(20, 20)).file_name("a.jpg"));
        let stale =
            bob.request(reqwest::Method::PUT, AVATAR).header("If-Match", "\"77-x\"").multipart(picture);
        assert_eq!(crate::client::send(stale).await.refusal(), "412 precondition_failed");
        assert_eq!(app.files(), Vec::<String>::new());
    }
}

#[actix_web::test]
async fn a_removed_avatar_gives_way_to_the_default() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let url = ana.upload(AVATAR, "avatar", pictures::jpeg(40, 40)).await.text("/avatar/url");
        assert_eq!(ana.delete(AVATAR).await.status, "204 No Content");
        app.idle().await;
        assert_eq!(app.guest().get(&url).await.refusal(), "404 not_found");
        assert_eq!(app.files(), Vec::<String>::new());
        assert_eq!(ana.delete(AVATAR).await.status, "204 No Content");
        let avatar = ana.get("/api/v1/profiles/me").await.at("/avatar");
        assert_eq!(
            (&avatar["is_default"], &avatar["bytes"], &avatar["blurhash"]),
            (&json!(true), &Value::Null, &Value::Null)
        );
    }
}

#[actix_web::test]
async fn a_default_avatar_is_drawn_from_the_name() {
    let app = TestApp::new().await;
    app.member("日本");
    app.member("a+b@c");
    for name in ["日本", "a+b@c"] {
        let avatar = app.guest().get(&format!("/api/v1/profiles/{name}")).await.at("/avatar");
        for variant in avatar["variants"].as_array().expect("variants") {
            let url = variant["url"].as_str().expect("a URL");
            let (first, second) = (app.guest().get(url).await, app.guest().get(url).await);
            assert_eq!(first.status, "200 OK", "{url}");
            assert_eq!(first.header("content-type"), variant["content_type"]);
            let side = variant["name"].as_str().expect("a name").parse().expect("a number");
            assert_eq!(dimensions(&first.bytes), (side, side));
            assert_eq!(first.bytes, second.bytes);
            let again = app.guest().get_with(url, "if-none-match", first.header("etag")).await;
            assert_eq!(again.status, "304 Not Modified");
        }
    }
    for wrong in ["ana/100.webp", "ana/256.gif", "ana/256", &format!("{}/256.webp", "x".repeat(151))] {
        let answer = app.guest().get(&format!("/media/default-avatars/{wrong}")).await;
        assert_eq!(answer.refusal(), "404 not_found", "{wrong}");
    }
}

#[actix_web::test]
async fn an_img_tag_needs_no_json() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let path = "/api/v1/profiles/ana/avatar";
        let default = app.guest().get(path).await;
        assert_eq!(default.status, "302 Found");
        assert_eq!(default.header("cache-control"), "max-age=60");
        // Without this, a shared cache would redirect all clients to a format that only some can show.
        let varies = default.header("vary").to_lowercase();
        assert!(varies.split(", ").any(|name| name == "accept"), "{varies}");
        assert!(default.header("location").ends_with("/media/default-avatars/ana/128.jpg"), "{default:?}");
        assert_eq!(app.guest().get(&format!("{path}?d=404")).await.refusal(), "404 not_found");
        ana.upload(AVATAR, "avatar", pictures::jpeg(40, 40)).await;
        let webp = app
            .guest()
            .get_with(&format!("{path}?size=64&d=404"), "accept", "image/avif,image/webp,*/*")
            .await;
        assert!(webp.header("location").ends_with("_64.webp"), "{webp:?}");
        assert_eq!(app.guest().get(webp.header("location")).await.status, "200 OK");
        for (query, fault) in [("size=0", "size"), ("size=x", "size"), ("size=16385", "size"), ("d=405", "d")]
        {
            let refusal = app.guest().get(&format!("{path}?{query}")).await.refusal();
            assert_eq!(refusal, format!("400 invalid_query {fault} invalid_parameter"), "{query}");
        }
    }
}

#[actix_web::test]
async fn a_client_that_resets_its_connection_leaves_no_file_behind() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let token = ana.token.clone().expect("a token");
        let picture = pictures::jpeg(200, 200);
        let mut body =
            b"--x\r\ncontent-disposition: form-data; name=\"avatar\"; filename=\"a\"\r\n\r\n".to_vec();
        body.extend_from_slice(&picture);
        body.extend_from_slice(b"\r\n--x--\r\n");
        let head = format!(
            "PUT {AVATAR} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: multipart/form-data; boundary=x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        for patience in 0..20 {
            let mut stream =
                TcpStream::connect(app.base.trim_start_matches("http://")).await.expect("a connection");
            stream.set_zero_linger().expect("a connection of ours");
            stream.write_all(&[head.as_bytes(), &body].concat()).await.expect("an upload");
            // At any moment between the first byte of the upload and its last file.
            tokio::time::sleep(Duration::from_millis(2 * patience)).await;
        }
        assert_eq!(ana.upload(AVATAR, "avatar", picture).await.status, "200 OK");
        // What has begun completes or is cleaned up by itself. Then there is one picture with its files.
        let deadline = Instant::now() + PATIENCE;
        while app.files().len() != 3 || app.count("pictures") != 1 {
            assert!(Instant::now() < deadline, "{:?} for {} pictures", app.files(), app.count("pictures"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
