//! Pictures that claim or contain more than a server could handle.

use serde_json::json;

use super::{Uploads, contains, corners};
use crate::app::TestApp;
use crate::pictures;

#[actix_web::test]
async fn a_header_that_claims_too_much_is_refused_unread() {
    let [extended, lossy, lossless] = pictures::webps_claiming(16_383, 16_383);
    let cases = [
        ("a PNG", pictures::png_claiming(65_535, 65_535), 65_535),
        ("a JPEG", pictures::jpeg_claiming(65_535, 65_535), 65_535),
        ("a GIF's screen", pictures::gif_claiming(65_535, 1), 65_535),
        ("a GIF's frame", pictures::gif_claiming(1, 65_535), 65_535),
        ("an extended WebP", extended, 16_383),
        ("a lossy WebP", lossy, 16_383),
        ("a lossless WebP", lossless, 16_383),
    ];
    for uploads in Uploads::each().await {
        for (what, picture, side) in &cases {
            let answer = uploads.refuses(what, picture.clone(), "422 image_too_large").await;
            let params = answer.at("/errors/0/params");
            let expected =
                json!({ "width": side, "height": side, "max_pixels": 40_000_000, "max_side": 16_384 });
            assert_eq!(params, expected, "{what}");
        }
    }
}

#[actix_web::test]
async fn a_picture_dearer_than_the_whole_budget_is_refused_by_its_header() {
    let app = TestApp::with(&["--media-memory", "64"]).await;
    let ana = app.member("ana");
    // A progressive JPEG is expensive, since all its scans are kept until the last one.
    let mut dear = pictures::jpeg_claiming(7300, 5470);
    dear[3] = 0xC2;
    let answer = ana.upload("/api/v1/profiles/me/avatar", "avatar", dear).await;
    assert_eq!(
        (answer.status.as_str(), answer.at("/code")),
        ("422 Unprocessable Entity", json!("image_too_large"))
    );
    assert_eq!(answer.at("/errors/0/pointer"), "/avatar");
    let params = answer.at("/errors/0/params");
    assert_eq!(params["max_memory"], 64 << 20);
    assert!(params["memory"].as_u64() > Some(128 << 20), "{params}");
    assert_eq!(app.files(), Vec::<String>::new());
    // A picture with as many pixels that is decoded row by row needs little memory.
    let plain = pictures::jpeg(6000, 4000);
    let answer = ana.upload("/api/v1/profiles/me/avatar", "avatar", plain).await;
    assert_eq!((answer.status.as_str(), answer.at("/avatar/width")), ("200 OK", json!(2048)));
}

#[actix_web::test]
async fn a_chunk_that_inflates_to_gigabytes_is_dropped_unread() {
    // Generated before any connection is opened, since idle connections are closed.
    let bombs = ["iCCP", "zTXt", "iTXt"].map(|name| {
        let bomb = pictures::png_bomb(name.as_bytes().try_into().expect("four letters"), 4 << 30);
        assert!(
            bomb.len() < 5 << 20 && contains(&bomb, name.as_bytes()),
            "{name} is small enough to be taken"
        );
        (name, bomb)
    });
    for uploads in Uploads::each().await {
        for (what, bomb) in &bombs {
            let answer = uploads.upload(bomb.clone()).await;
            for file in uploads.takes(what, answer).await {
                assert_eq!(corners(&file.bytes), "RGBY", "{what} in {}", file.url);
                assert!(!contains(&file.bytes, what.as_bytes()), "{what} in {}", file.url);
                assert!(file.bytes.len() < 100_000, "{what} in {}", file.url);
            }
        }
    }
}

#[actix_web::test]
async fn of_a_gif_with_ten_thousand_frames_the_first_is_kept() {
    let gif = pictures::gif_of_many(&pictures::opaque(&pictures::quadrants(64, 48)), 9_999);
    for uploads in Uploads::each().await {
        let answer = uploads.upload(gif.clone()).await;
        for file in uploads.takes("a GIF of 10,000 frames", answer).await {
            assert_eq!(corners(&file.bytes), "RGBY", "{}", file.url);
        }
    }
}
