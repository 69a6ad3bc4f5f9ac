//! The life of a picture: the upload, the variants that are generated on request, and the removal of every file.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;

use crate::app::{TestApp, timing};
use crate::buckets::Answers;
use crate::client::Client;
use crate::pictures;

const AVATAR: &str = "/api/v1/profiles/me/avatar";

/// The URL of a variant of the client's avatar.
async fn variant(client: &Client, name: &str, content_type: &str) -> String {
    let avatar = client.get("/api/v1/profiles/me").await.at("/avatar");
    let variants = avatar["variants"].as_array().expect("variants");
    let found = variants.iter().find(|v| v["name"] == name && v["content_type"] == content_type);
    found.expect("the variant")["url"].as_str().expect("a URL").to_owned()
}

/// Assert that the rows and the store agree, and that there is this number of files.
async fn agrees(app: &TestApp, files: i64) {
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
async fn whatever_way_a_picture_goes_its_files_go_with_it() {
    for app in TestApp::on_each_store(&[]).await {
        let ways = [
            "DELETE FROM profiles",
            "DELETE FROM users WHERE username = 'ana'",
            "UPDATE profiles SET avatar_key = NULL",
            "TRUNCATE posts, profiles CASCADE",
            "TRUNCATE users CASCADE",
            "DELETE FROM posts",
            "UPDATE posts SET cover_key = NULL",
            "TRUNCATE pictures CASCADE",
        ];
        for way in ways {
            // Users without a profile cannot be requested.
            app.sql("DELETE FROM users WHERE id NOT IN (SELECT user_id FROM profiles)");
            let client = app.member("ana");
            assert_eq!(
                client.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await.status,
                "200 OK",
                "{way}"
            );
            client.post("/api/v1/posts", json!({ "title": "Hello" })).await;
            client.upload("/api/v1/posts/hello/cover", "cover", pictures::jpeg(40, 30)).await;
            app.guest().get(&variant(&client, "32", "image/webp").await).await;
            agrees(&app, 5).await;
            app.sql(way);
            app.idle().await;
            app.sql("DELETE FROM posts; UPDATE profiles SET avatar_key = NULL");
            agrees(&app, 0).await;
            assert_eq!(app.count("pictures"), 0, "{way}");
        }
    }
}

#[actix_web::test]
async fn ten_thousand_posts_take_their_covers_along() {
    let app = TestApp::new().await;
    app.member("ana");
    app.sql(
        "INSERT INTO files (key, picture_key, stored_at) SELECT 'covers/1/' || md5(n::text) || '.jpg', NULL, NULL FROM generate_series(1, 10000) n;
         INSERT INTO pictures (key, width, height, bytes, blurhash, purpose) SELECT key, 1, 1, 1, '', 'cover' FROM files;
         UPDATE files SET picture_key = key, stored_at = now();
         INSERT INTO posts (slug, title, content, writer_id, cover_key)
             SELECT 'p' || row_number() OVER (), 'x', '', (SELECT id FROM users), key FROM pictures",
    );
    app.sql("BEGIN; DELETE FROM posts; ROLLBACK");
    assert_eq!((app.count("pictures"), app.count("jobs")), (10_000, 0));
    app.sql("DELETE FROM posts WHERE slug <> 'p1'");
    app.idle().await;
    assert_eq!((app.count("pictures"), app.count("files"), app.count("jobs")), (1, 1, 0));
    assert_eq!(app.app.state().metrics.files_collected.get(), 9999);
}

#[actix_web::test]
async fn nothing_is_removed_that_a_row_still_shows() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let url = ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await.text("/avatar/url");
    // Two rows that share a file are how django-cleanup loses data.
    ana.post("/api/v1/posts", json!({ "title": "Hello" })).await;
    app.sql("UPDATE posts SET cover_key = (SELECT key FROM pictures)");
    ana.delete(AVATAR).await;
    app.idle().await;
    assert_snapshot!(app.guest().get(&url).await.status, @"200 OK");
    let refused = app.try_sql("DELETE FROM pictures").expect_err("a refusal");
    assert!(refused.contains("posts_cover_key_fkey"), "{refused}");
    let refused = app.try_sql("DELETE FROM files WHERE key = picture_key").expect_err("a refusal");
    assert!(refused.contains("pictures_key_fkey"), "{refused}");
    // A job must not remove a file that has a row, again or still.
    app.sql("INSERT INTO jobs (kind, payload) SELECT 'media.remove', jsonb_build_object('keys', jsonb_agg(key)) FROM files");
    agrees(&app, 3).await;
    assert_snapshot!(ana.delete("/api/v1/posts/hello").await.status, @"200 OK");
    agrees(&app, 0).await;
}

#[actix_web::test]
async fn two_who_replace_at_once_leave_one_picture() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let uploads = (0..8).map(|number| ana.upload(AVATAR, "avatar", pictures::jpeg(40 + number, 30)));
        for answer in join_all(uploads).await {
            assert_eq!(answer.status, "200 OK");
        }
        agrees(&app, 3).await;
        let shown = ana.get("/api/v1/profiles/me").await.text("/avatar/url");
        assert_eq!(app.guest().get(&shown).await.status, "200 OK");
    }
}

#[actix_web::test]
async fn an_upload_that_is_rolled_back_leaves_nothing() {
    for app in TestApp::on_each_store(&[]).await {
        let ana = app.member("ana");
        let before = ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await.at("/avatar");
        app.sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON profiles DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        );
        assert_eq!(
            ana.upload(AVATAR, "avatar", pictures::jpeg(50, 30)).await.refusal(),
            "500 internal_error"
        );
        app.sql("DROP TRIGGER refuse ON profiles");
        agrees(&app, 3).await;
        assert_eq!(ana.get("/api/v1/profiles/me").await.at("/avatar"), before);
    }
}

#[actix_web::test]
async fn what_took_longer_than_its_lease_is_refused_and_removed() {
    let app = TestApp::with(&["--upload-lease", "3s", "--statement-timeout", "1m"]).await;
    let ana = app.member("ana");
    ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await;
    // Lock the profile, so that the upload cannot be recorded.
    let lock = app.lock("SELECT FROM profiles FOR UPDATE");
    let upload = ana.upload(AVATAR, "avatar", pictures::jpeg(50, 30));
    let release = async {
        app.eventually("it is announced", || app.count("files") == 6).await;
        app.eventually("it is swept away", || app.count("files") == 3).await;
        drop(lock);
    };
    let (answer, ()) = futures_util::future::join(upload, release).await;
    assert_snapshot!(answer.refusal(), @"503 busy");
    agrees(&app, 3).await;
}

#[actix_web::test]
async fn a_store_that_does_not_delete_is_asked_until_it_does() {
    let app = TestApp::on_a_bucket(&[]).await;
    let ana = app.member("ana");
    ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await;
    app.bucket().answer(Answers::SlowDown);
    assert_snapshot!(ana.delete(AVATAR).await.status, @"204 No Content");
    app.eventually("it failed", || app.count("jobs WHERE last_error IS NOT NULL AND failed_at IS NULL") == 1)
        .await;
    assert_eq!((app.files().len(), app.count("files")), (3, 0));
    let metrics =
        reqwest::get(format!("{}/metrics", app.ops)).await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("plaza_file_collections_failed_total 1"), "{metrics}");
    app.bucket().answer(Answers::Well);
    app.sql("UPDATE jobs SET due_at = now()");
    agrees(&app, 0).await;
}

#[actix_web::test]
async fn a_file_that_cannot_be_removed_keeps_no_other() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let url = ana.upload(AVATAR, "avatar", pictures::jpeg(40, 30)).await.text("/avatar/url");
    let original = app.media().join(url.split_once("/media/").expect("a file").1);
    // A folder with this name cannot be removed as a file.
    std::fs::remove_file(&original).expect("the original");
    std::fs::create_dir_all(original.join("in/the/way")).expect("a folder");
    std::fs::write(original.join("in/the/way/file"), "").expect("a file");
    ana.delete(AVATAR).await;
    app.eventually("the others are gone", || app.files().len() == 1).await;
    app.eventually("it is tried again", || {
        app.count("jobs WHERE last_error IS NOT NULL AND attempts > 0") == 1
    })
    .await;
    std::fs::remove_dir_all(&original).expect("the folder");
    agrees(&app, 0).await;
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
