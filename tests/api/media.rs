//! The files of the store over HTTP.

use std::time::Duration;

use plaza::timing::Timing;

use crate::app::{self, TestApp};
use crate::pictures;

async fn picture(app: &TestApp) -> String {
    app.member("ana")
        .upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(200, 200))
        .await
        .text("/avatar/url")
}

#[actix_web::test]
async fn a_file_is_immutable_and_runs_nothing() {
    for app in TestApp::on_each_store(&[]).await {
        let url = picture(&app).await;
        let file = app.guest().get(&url).await;
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(file.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(file.header("content-disposition"), "inline");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(file.header("etag").starts_with('"'), "a strong tag: {file:?}");
        assert_eq!(file.header("content-length"), file.bytes.len().to_string());
        let again = app.guest().get_with(&url, "if-none-match", file.header("etag")).await;
        assert_eq!(again.status, "304 Not Modified");
        let compressed = app.guest().get_with(&url, "accept-encoding", "gzip, br").await;
        assert_eq!(compressed.bytes, file.bytes);
        let head = app.guest().head(&url).await;
        assert_eq!(head.header("content-length"), file.header("content-length"));
        assert!(head.bytes.is_empty());
    }
}

#[actix_web::test]
async fn a_variant_that_another_node_does_not_finish_is_to_be_asked_for_later() {
    let timing = Timing { variant_wait: Duration::from_millis(100), ..app::timing() };
    let app = TestApp::timed(timing, &[]).await;
    let ana = app.member("ana");
    let avatar = ana.upload("/api/v1/profiles/me/avatar", "avatar", pictures::jpeg(200, 200)).await;
    let url = avatar.text("/avatar/variants/0/url");
    let (_, key) = url.split_once("/media/").expect("a file of the store");
    app.sql(&format!(
        "INSERT INTO files (key, picture_key, claimed_until) SELECT '{key}', key, now() + interval '1 hour' FROM pictures"
    ));
    let busy = app.guest().get(&url).await;
    assert_eq!((&*busy.status, &*busy.text("/code")), ("503 Service Unavailable", "busy"), "{busy:?}");
    assert_eq!(busy.header("retry-after"), "1");

    app.sql("UPDATE files SET claimed_until = now() WHERE stored_at IS NULL");
    assert_eq!(app.guest().get(&url).await.status, "200 OK", "who died over it keeps it from nobody");
}

#[actix_web::test]
async fn a_file_comes_in_ranges() {
    for app in TestApp::on_each_store(&[]).await {
        let url = picture(&app).await;
        let whole = app.guest().get(&url).await;
        let size = whole.bytes.len();
        let cases = [
            ("bytes=0-9", 0..10),
            ("bytes=10-", 10..size),
            ("bytes=-5", size - 5..size),
            (&format!("bytes=5-{}", size + 100), 5..size),
            (&format!("bytes=-{}", size + 100), 0..size),
        ];
        for (range, expected) in cases {
            let part = app.guest().get_with(&url, "range", range).await;
            assert_eq!(part.status, "206 Partial Content", "{range}");
            assert_eq!(part.bytes, whole.bytes[expected.clone()], "{range}");
            assert_eq!(
                part.header("content-range"),
                format!("bytes {}-{}/{size}", expected.start, expected.end - 1)
            );
        }
        for whole_range in ["bytes=0-1,3-4", "bytes=9-3", "lines=1-2", "bytes=x-y"] {
            assert_eq!(
                app.guest().get_with(&url, "range", whole_range).await.bytes.len(),
                size,
                "{whole_range}"
            );
        }
        let beyond = app.guest().get_with(&url, "range", &format!("bytes={size}-")).await;
        assert_eq!(beyond.refusal(), "416 range_not_satisfiable");
        assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
        let request = app
            .guest()
            .request(reqwest::Method::GET, &url)
            .header("range", "bytes=0-9")
            .header("if-range", "\"other\"");
        assert_eq!(crate::client::send(request).await.bytes.len(), size);
    }
}

#[actix_web::test]
async fn nothing_but_our_own_files_is_served() {
    let app = TestApp::new().await;
    picture(&app).await;
    std::fs::write(app.media().join("secret.jpg"), "x").expect("a file");
    std::fs::write(app.media().join("avatars/page.html"), "x").expect("a file");
    let outside = app.media().parent().expect("a parent").join("outside.jpg");
    std::fs::write(outside, "x").expect("a file");
    let wrong = [
        "",
        "avatars",
        "avatars/",
        "secret.jpg",
        "avatars/page.html",
        "avatars/x.jpg",
        "/etc/passwd",
        "avatars//x.jpg",
        "avatars/%00.jpg",
        "avatars/a.jpg%23",
        &format!("avatars/{}.jpg", "x".repeat(5000)),
    ];
    for path in wrong {
        let answer = app.guest().get(&format!("/media/{path}")).await;
        assert_eq!(answer.refusal(), "404 not_found", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "errors are not kept: {path}");
    }
}

#[actix_web::test]
async fn no_path_leads_out_of_the_store() {
    let app = TestApp::new().await;
    picture(&app).await;
    std::fs::write(app.media().parent().expect("a parent").join("outside.jpg"), "secret").expect("a file");
    // HTTP clients normalise such paths before they send them, so this uses a bare connection.
    for path in [
        "avatars/../../outside.jpg",
        "../outside.jpg",
        "avatars/%2e%2e/%2e%2e/outside.jpg",
        "avatars/..%2f..%2foutside.jpg",
        "avatars/\\..\\..\\outside.jpg",
        "avatars/....//....//outside.jpg",
    ] {
        let answer = crate::client::bare(&app.base, &format!("GET /media/{path} HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}: {answer}");
    }
}
