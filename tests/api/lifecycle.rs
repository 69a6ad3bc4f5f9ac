//! The life of a picture: the upload, the variants that are generated on request, and the removal of every file.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;

use crate::app::{TestApp, timing};
use crate::client::Client;
use crate::pictures;

pub const AVATAR: &str = "/api/v1/profiles/me/avatar";

/// The URL of a variant of the client's avatar.
pub async fn variant(client: &Client, name: &str, content_type: &str) -> String {
    let avatar = client.get("/api/v1/profiles/me").await.at("/avatar");
    let variants = avatar["variants"].as_array().expect("variants");
    let found = variants.iter().find(|v| v["name"] == name && v["content_type"] == content_type);
    found.expect("the variant")["url"].as_str().expect("a URL").to_owned()
}

/// Assert that the rows and the store agree, and that there is this number of files.
pub async fn agrees(app: &TestApp, files: i64) {
    app.idle().await;
    assert_eq!(app.count("files WHERE stored_at IS NULL"), 0);
    assert_eq!(
        (i64::try_from(app.files().len()).expect("a number"), app.count("files")),
        (files, files),
        "{:?}",
        app.files()
    );
}

#[actix_web::test]
async fn a_variant_is_made_when_it_is_asked_for_and_kept() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        ana.upload(AVATAR, "avatar", pictures::jpeg(300, 200)).await;
        agrees(&app, 3).await;
        for (name, side) in [("32", 32), ("512", 512)] {
            for kind in ["image/webp", "image/jpeg"] {
                let url = variant(&ana, name, kind).await;
                let made = app.app.state().metrics.variants_made.get();
                let first = app.guest().get(&url).await;
                assert_eq!((first.status.as_str(), first.header("content-type")), ("200 OK", kind));
                let header = plaza_image::inspect(&first.bytes, &plaza::media::LIMITS).expect("a picture");
                assert_eq!((header.width, header.height), (side, side));
                let statements = app.app.state().metrics.statements.get();
                let again = app.guest().get(&url).await;
                assert_eq!(again.bytes, first.bytes);
                assert_eq!(again.header("etag"), first.header("etag"));
                assert_eq!(app.app.state().metrics.variants_made.get(), made + 1);
                // Existing files are served without the database. The statements counted are those of event
                // publication and job polling.
                for _ in 0..100 {
                    app.guest().get(&url).await;
                }
                assert!(app.app.state().metrics.statements.get() < statements + 100, "{url}");
            }
        }
        agrees(&app, 7).await;
        let part = app.guest().get_with(&variant(&ana, "64", "image/webp").await, "range", "bytes=0-9").await;
        assert_eq!(
            (part.status.as_str(), part.bytes.len()),
            ("206 Partial Content", 10),
            "also a part, at once"
        );
        agrees(&app, 8).await;
    }
}

#[actix_web::test]
async fn nobody_fills_the_store_with_sizes_of_his_own() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let url = ana.upload(AVATAR, "avatar", pictures::jpeg(300, 200)).await.text("/avatar/url");
        let stem = url.strip_suffix(".jpg").expect("a JPEG");
        let other = "0".repeat(32);
        let unknown = [
            format!("{stem}_33.webp"),
            format!("{stem}_card.webp"),
            format!("{stem}_64.png"),
            format!("{stem}_64.gif"),
            format!("{stem}_.webp"),
            format!("{stem}_64_64.webp"),
            format!("{stem}.webp"),
            format!("{}/{other}_64.webp", stem.rsplit_once('/').expect("a folder").0),
        ];
        for url in &unknown {
            assert_eq!(app.guest().get(url).await.refusal(), "404 not_found", "{url}");
        }
        agrees(&app, 3).await;
    }
}

#[actix_web::test]
async fn of_all_who_ask_first_one_makes_it() {
    for app in TestApp::on_each_store(&[]).await {
        let other = app.beside(&[]);
        let ana = app.member("ana");
        ana.upload(AVATAR, "avatar", pictures::jpeg(900, 700)).await;
        let url = variant(&ana, "256", "image/webp").await;
        let path = url.strip_prefix(&app.base).expect("a URL of the node");
        let guests = [app.guest(), other.guest()];
        let answers = join_all((0..100).map(|number| guests[number % 2].get(path))).await;
        for answer in &answers {
            assert_eq!((answer.status.as_str(), &answer.bytes), ("200 OK", &answers[0].bytes));
        }
        let made =
            app.app.state().metrics.variants_made.get() + other.app.state().metrics.variants_made.get();
        assert_eq!((made, app.count("files WHERE key LIKE '%\\_256.webp'")), (1, 1));
        agrees(&app, 4).await;
    }
}

#[actix_web::test]
async fn a_variant_that_vanished_is_made_again_and_a_source_that_vanished_is_told() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let original = ana.upload(AVATAR, "avatar", pictures::jpeg(300, 200)).await.text("/avatar/url");
    let url = variant(&ana, "64", "image/webp").await;
    let first = app.guest().get(&url).await;
    let on_disk = |url: &str| app.media().join(url.split_once("/media/").expect("a file").1);
    std::fs::remove_file(on_disk(&url)).expect("the variant");
    assert_eq!(app.guest().get(&url).await.bytes, first.bytes);
    assert_eq!(app.app.state().metrics.variants_made.get(), 2);
    agrees(&app, 4).await;

    let (kept, missing) =
        (std::fs::read(on_disk(&original)).expect("the original"), variant(&ana, "32", "image/jpeg").await);
    for broken in [None, Some(b"no picture".to_vec()), Some(kept[..kept.len() / 2].to_vec())] {
        std::fs::remove_file(on_disk(&original)).expect("the original");
        if let Some(bytes) = broken {
            std::fs::write(on_disk(&original), bytes).expect("a file");
        }
        let answer = app.guest().get(&missing).await;
        assert_eq!(
            (answer.refusal().as_str(), answer.header("cache-control")),
            ("404 source_missing", "no-store")
        );
        assert_eq!(app.guest().get(&url).await.status, "200 OK", "what is there is served");
        std::fs::write(on_disk(&original), &kept).expect("a file");
        // For this time the node remembers that the source is missing.
        tokio::time::sleep(timing().missing_remembered).await;
    }
    assert_snapshot!(app.guest().get(&missing).await.status, @"200 OK");
    agrees(&app, 5).await;
}

#[actix_web::test]
async fn a_page_of_pictures_takes_one_statement_and_asks_no_store() {
    let app = TestApp::on_a_bucket(&[]).await;
    for number in 0..20 {
        let client = app.member(&format!("user{number}"));
        client.upload(AVATAR, "avatar", pictures::jpeg(20, 20)).await;
        client.post("/api/v1/posts", json!({ "title": format!("Post {number}"), "published": true })).await;
        client.upload(&format!("/api/v1/posts/post-{number}/cover"), "cover", pictures::jpeg(20, 20)).await;
    }
    app.rest().await;
    let guest = app.guest();
    for path in ["/api/v1/posts", "/api/v1/profiles", "/api/v1/posts/post-7", "/api/v1/profiles/user7"] {
        let (asked, statements) = (app.bucket().requests(), app.app.state().metrics.statements.get());
        for _ in 0..100 {
            let page = guest.get(path).await;
            assert_eq!(page.status, "200 OK");
            assert!(!page.json().to_string().contains("\"is_default\":true"), "{path}");
        }
        let statements = app.app.state().metrics.statements.get() - statements;
        assert_eq!(app.bucket().requests(), asked, "{path}");
        assert_eq!(statements, 100, "{path}, 100 times");
    }
}

#[actix_web::test]
async fn where_somebody_else_serves_the_files_all_of_them_are_made_at_once() {
    let flags = ["--serve-media", "off", "--media-url", "https://cdn.example/pictures"];
    for app in TestApp::on_each_store(&flags).await {
        let ana = app.member("ana");
        let avatar = ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await.at("/avatar");
        let mut urls: Vec<_> =
            avatar["variants"].as_array().expect("variants").iter().map(|v| v["url"].clone()).collect();
        urls.push(avatar["url"].clone());
        let mut keys: Vec<_> = urls
            .iter()
            .map(|url| {
                url.as_str()
                    .and_then(|url| url.strip_prefix("https://cdn.example/pictures/"))
                    .expect("a URL of the CDN")
                    .to_owned()
            })
            .collect();
        keys.sort();
        assert_eq!(app.files(), keys);
        for key in keys {
            assert_eq!(app.guest().get(&format!("/media/{key}")).await.refusal(), "404 not_found");
        }
        // Files that are not in the store cannot be served by another server.
        ana.delete(AVATAR).await;
        let url = ana.get("/api/v1/profiles/me").await.text("/avatar/url");
        assert_eq!(app.guest().get(&url).await.status, "200 OK");
        assert_eq!(app.guest().get("/media/covers/nocover.png").await.status, "200 OK");
    }
}

#[actix_web::test]
async fn settings_say_which_variants_there_are() {
    let app = TestApp::with(&[
        "--avatar-variants",
        "tiny=fill:16x16,wide=fit:100x,round=cover:50x80",
        "--variants-at-upload",
        "avatar/tiny,avatar/wide",
        "--avatar-folder",
        "people",
    ])
    .await;
    let ana = app.member("ana");
    let avatar = ana.upload(AVATAR, "avatar", pictures::png_with_alpha(300, 200)).await.at("/avatar");
    let listed: Vec<_> = avatar["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|v| {
            format!("{} {} {}x{}", v["name"], v["content_type"], v["width"], v["height"]).replace('"', "")
        })
        .collect();
    assert_snapshot!(listed.join(", "), @"tiny image/webp 16x16, wide image/webp 100x67, round image/webp 120x80, tiny image/png 16x16, wide image/png 100x67, round image/png 120x80");
    agrees(&app, 5).await;
    assert!(app.files().iter().all(|file| file.starts_with("people/")), "{:?}", app.files());
    for variant in avatar["variants"].as_array().expect("variants") {
        let file = app.guest().get(variant["url"].as_str().expect("a URL")).await;
        let header = plaza_image::inspect(&file.bytes, &plaza::media::LIMITS).expect("a picture");
        assert_eq!(
            (json!(header.width), json!(header.height)),
            (variant["width"].clone(), variant["height"].clone())
        );
    }
    let mentioned = ana.post("/api/v1/posts", json!({ "title": "x" })).await.text("/writer/avatar_url");
    assert!(mentioned.ends_with("_tiny.webp"), "{mentioned}");
    ana.delete(AVATAR).await;
    for variant in ana.get("/api/v1/profiles/me").await.at("/avatar/variants").as_array().expect("variants") {
        let file = app.guest().get(variant["url"].as_str().expect("a URL")).await;
        let header = plaza_image::inspect(&file.bytes, &plaza::media::LIMITS).expect("a picture");
        assert_eq!(
            (json!(header.width), json!(header.height)),
            (variant["width"].clone(), variant["height"].clone())
        );
    }
}
