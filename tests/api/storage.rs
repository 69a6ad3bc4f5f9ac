//! The requests that the store gets, the attributes that it gets, and what works while it is unavailable.

use insta::assert_snapshot;
use object_store::Attribute;
use serde_json::json;

use crate::app::TestApp;
use crate::buckets::Answers;
use crate::pictures;

const AVATAR: &str = "/api/v1/profiles/me/avatar";

#[actix_web::test]
async fn an_object_tells_a_cdn_what_it_is_and_that_it_may_be_kept() {
    let app = TestApp::on_a_bucket(&[]).await;
    let ana = app.member("ana");
    for picture in [pictures::jpeg(60, 40), pictures::png_with_alpha(60, 40)] {
        assert_eq!(ana.upload(AVATAR, "avatar", picture).await.status, "200 OK");
        app.idle().await;
        let files = app.files();
        assert_eq!(files.len(), 3, "{files:?}");
        for file in files {
            let content_type = match file.rsplit_once('.').expect("an extension").1 {
                "jpg" => "image/jpeg",
                "png" => "image/png",
                _ => "image/webp",
            };
            let attributes = app.attributes(&file).await;
            let told = |attribute| attributes.get(&attribute).map(AsRef::as_ref);
            assert_eq!(told(Attribute::ContentType), Some(content_type), "{file}");
            assert_eq!(told(Attribute::CacheControl), Some("public, max-age=31536000, immutable"), "{file}");
        }
    }
}

#[actix_web::test]
async fn no_json_and_no_default_picture_asks_the_store() {
    let app = TestApp::on_a_bucket(&[]).await;
    let ana = app.member("ana");
    let post = ana.post("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    assert_snapshot!(post.status, @"201 Created");
    let picture = ana.upload(AVATAR, "avatar", pictures::jpeg(60, 40)).await.text("/avatar/url");
    app.member("bob");
    let asked = app.bucket().requests();
    assert!(asked > 0, "an upload does ask it");
    for path in [
        "/api/v1/profiles/me",
        "/api/v1/profiles",
        "/api/v1/users/ana",
        "/api/v1/posts/hello",
        "/api/v1/posts",
        "/media/default-avatars/bob/256.webp",
        "/media/covers/nocover.png",
        "/media/covers/nocover_card.webp",
    ] {
        assert_eq!(ana.get(path).await.status, "200 OK", "{path}");
    }
    assert_snapshot!(ana.get("/api/v1/profiles/ana/avatar").await.status, @"302 Found");
    // An upload that is rejected before its first byte is stored does not access the store either.
    assert_snapshot!(ana.upload(AVATAR, "avatar", b"no picture".to_vec()).await.status, @"415 Unsupported Media Type");
    assert_snapshot!(ana.get("/media/secret.jpg").await.status, @"404 Not Found");
    assert_eq!(app.bucket().requests(), asked);

    let file = ana.get(&picture).await;
    assert_eq!(app.bucket().requests(), asked + 1);
    assert_snapshot!(ana.get_with(&picture, "if-none-match", file.header("etag")).await.status, @"304 Not Modified");
    assert_eq!(app.bucket().requests(), asked + 2);
    ana.delete(AVATAR).await;
    app.idle().await;
    assert_snapshot!(ana.get_with(&picture, "if-none-match", file.header("etag")).await.status, @"404 Not Found");
}

#[actix_web::test]
async fn a_store_that_is_away_costs_uploads_only_and_changes_nothing() {
    let app = TestApp::on_a_bucket(&[]).await;
    let ana = app.member("ana");
    let before = ana.upload(AVATAR, "avatar", pictures::jpeg(60, 40)).await.at("/avatar");
    let (files, url) = (app.files(), before["url"].as_str().expect("a URL").to_owned());
    for answers in [Answers::SlowDown, Answers::Never] {
        app.bucket().answer(answers);
        let refused = ana.upload(AVATAR, "avatar", pictures::jpeg(80, 40)).await;
        assert_eq!(refused.refusal(), "503 store_unavailable");
        assert_eq!(refused.header("retry-after"), "5");
        let file = app.guest().get(&url).await;
        assert_eq!(file.refusal(), "503 store_unavailable");
        assert_eq!(file.header("cache-control"), "no-store", "nobody keeps it");
        let part = app.guest().get_with(&url, "range", "bytes=0-9").await;
        assert_eq!(part.refusal(), "503 store_unavailable");
        assert_eq!(ana.get("/api/v1/profiles/me").await.at("/avatar"), before);
        // The store may still complete the request, so the file is removed again after that must have ended.
        assert_eq!(app.count("jobs WHERE due_at > now() + interval '5 minutes'"), 1);
        app.bucket().answer(Answers::Well);
        // When the store responds again, the next attempt removes what was announced.
        app.sql("UPDATE jobs SET due_at = now()");
        app.idle().await;
        assert_eq!((app.files(), app.count("pictures")), (files.clone(), 1));
        assert_eq!(app.guest().get(&url).await.status, "200 OK");
    }
    let after = ana.upload(AVATAR, "avatar", pictures::jpeg(80, 40)).await;
    assert_snapshot!(after.status, @"200 OK");
    app.idle().await;
    assert_eq!((app.files().len(), app.count("pictures")), (3, 1));
}

#[actix_web::test]
async fn two_nodes_share_one_store() {
    for app in TestApp::on_each_store(&[]).await {
        let other = app.beside(&[]);
        let picture = app.member("ana").upload(AVATAR, "avatar", pictures::jpeg(60, 40)).await.at("/avatar");
        let path =
            picture["url"].as_str().expect("a URL").strip_prefix(&app.base).expect("a URL of the node");
        let file = other.guest().get(path).await;
        assert_eq!(picture["bytes"], file.bytes.len());
        assert_eq!(other.files(), app.files());
        assert_eq!(other.member("ana").delete(AVATAR).await.status, "204 No Content");
        app.idle().await;
        assert_eq!(app.guest().get(path).await.status, "404 Not Found");
    }
}

#[actix_web::test]
async fn a_folder_that_is_emptied_refuses_nobody_who_writes_into_it() {
    let app = TestApp::new().await;
    let clients: Vec<_> = (0..3).map(|n| app.member(&format!("user{n}"))).collect();
    // Removing the last file of a day's folder removes the folder, possibly while other uploads write into it.
    let rounds = clients.iter().map(|client| async {
        for round in 0..60 {
            let answer = client.upload(AVATAR, "avatar", pictures::jpeg(8, 6)).await;
            assert_eq!(answer.status, "200 OK", "round {round}: {answer:?}");
            assert_eq!(client.delete(AVATAR).await.status, "204 No Content");
        }
    });
    futures_util::future::join_all(rounds).await;
    app.idle().await;
    assert_eq!(app.files(), Vec::<String>::new());
}
