//! Files whose rows are gone, and how they are removed.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;

use crate::app::TestApp;
use crate::buckets::Answers;
use crate::lifecycle::{AVATAR, agrees, variant};
use crate::pictures;

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
