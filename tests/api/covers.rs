//! The picture of a post, set alone or in one form with the post.

use std::time::Instant;

use insta::assert_snapshot;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::app::{PATIENCE, TestApp};
use crate::client::{Answer, Client, send};
use crate::pictures;

const COVER: &str = "/api/v1/posts/hello/cover";
const FORM: &str = "/api/v1/forms/posts";

async fn hello(client: &Client) {
    let post = json!({ "title": "Hello", "published": true, "editor": "bob" });
    assert_eq!(client.post("/api/v1/posts", post).await.status, "201 Created");
}

fn picture(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("cover.jpg")
}

async fn post_form(client: &Client, form: Form) -> Answer {
    send(client.request(Method::POST, FORM).multipart(form)).await
}

async fn post_form_once(client: &Client, key: &str, form: Form) -> Answer {
    send(client.request(Method::POST, FORM).header("idempotency-key", key).multipart(form)).await
}

#[actix_web::test]
async fn a_post_without_a_cover_shows_the_one_that_is_shipped() {
    let app = TestApp::new().await;
    app.member("bob");
    hello(&app.member("ana")).await;
    let cover = app.guest().get("/api/v1/posts/hello").await.at("/cover");
    assert_eq!(cover["url"], format!("{}/media/covers/nocover.png", app.base));
    assert_eq!(
        (&cover["is_default"], &cover["width"], &cover["height"]),
        (&json!(true), &json!(1280), &json!(720))
    );
    let variants = cover["variants"].as_array().expect("variants");
    let sizes: Vec<_> = variants
        .iter()
        .map(|v| {
            format!("{} {} {}x{}", v["name"], v["content_type"], v["width"], v["height"]).replace('"', "")
        })
        .collect();
    assert_snapshot!(sizes.join("\n"), @r"
    320 image/webp 320x180
    640 image/webp 640x360
    1280 image/webp 1280x720
    card image/webp 640x360
    320 image/png 320x180
    640 image/png 640x360
    1280 image/png 1280x720
    card image/png 640x360
    ");
    for file in std::iter::once(&cover).chain(variants) {
        let url = file["url"].as_str().expect("a URL");
        let answer = app.guest().get(url).await;
        assert_eq!(
            (answer.status.as_str(), answer.header("content-type")),
            ("200 OK", file["content_type"].as_str().expect("a type")),
            "{url}"
        );
        assert_eq!(answer.header("cache-control"), "public, max-age=86400");
        let header = plaza_image::inspect(&answer.bytes, &plaza::media::LIMITS).expect("a picture");
        assert_eq!(
            (json!(header.width), json!(header.height)),
            (file["width"].clone(), file["height"].clone()),
            "{url}"
        );
        let again = app.guest().get_with(url, "if-none-match", answer.header("etag")).await;
        assert_eq!(again.status, "304 Not Modified", "{url}");
    }
    assert_eq!(app.guest().get(cover["url"].as_str().expect("a URL")).await.bytes.len(), cover["bytes"]);
    assert_eq!(app.files(), Vec::<String>::new());
    assert_snapshot!(app.guest().get("/media/covers/nocover_2000.webp").await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn writer_editor_and_staff_change_a_cover() {
    for app in TestApp::on_each_store(&[]).await {
        let (ana, bob, root, eve) =
            (app.member("ana"), app.member("bob"), app.staff("root"), app.member("eve"));
        hello(&ana).await;
        let before = ana.get("/api/v1/posts/hello").await;
        for (number, client) in [&ana, &bob, &root].into_iter().enumerate() {
            let answer = client.upload(COVER, "cover", pictures::jpeg(900, 600)).await;
            assert_eq!(answer.status, "200 OK", "{number}: {answer:?}");
            let cover = answer.at("/cover");
            assert_eq!((&cover["is_default"], &cover["width"]), (&json!(false), &json!(900)));
            assert!(cover["url"].as_str().is_some_and(|url| url.contains("/media/covers/20")), "{cover}");
            assert_ne!(answer.header("etag"), before.header("etag"));
        }
        assert_eq!(eve.upload(COVER, "cover", pictures::jpeg(9, 6)).await.refusal(), "403 forbidden");
        assert_eq!(eve.delete(COVER).await.refusal(), "403 forbidden");
        let guest = app.guest().upload(COVER, "cover", pictures::jpeg(9, 6)).await;
        assert_eq!(guest.refusal(), "401 authentication_required");
        ana.patch("/api/v1/posts/hello", json!({ "published": false })).await;
        assert_eq!(eve.upload(COVER, "cover", pictures::jpeg(9, 6)).await.refusal(), "404 not_found");
        assert_eq!(
            bob.upload(COVER, "avatar", pictures::jpeg(9, 6)).await.refusal(),
            "422 validation_failed /avatar unknown_member"
        );
        assert_eq!(
            bob.upload(COVER, "cover", b"no".to_vec()).await.refusal(),
            "415 unsupported_picture /cover unsupported_picture"
        );

        app.idle().await;
        assert_eq!((app.files().len(), app.count("pictures"), app.count("files")), (1, 1, 1));
        assert_eq!(bob.delete(COVER).await.status, "204 No Content");
        assert_eq!(bob.delete(COVER).await.status, "204 No Content");
        assert_eq!(ana.get("/api/v1/posts/hello").await.at("/cover/is_default"), true);
        app.idle().await;
        assert_eq!((app.files(), app.count("pictures")), (Vec::new(), 0));
    }
}

#[actix_web::test]
async fn a_cover_is_part_of_its_posts_version() {
    let app = TestApp::new().await;
    let (ana, _bob) = (app.member("ana"), app.member("bob"));
    hello(&ana).await;
    let stale = ana.get("/api/v1/posts/hello").await.header("etag").to_owned();
    let fresh = ana.upload(COVER, "cover", pictures::jpeg(90, 60)).await.header("etag").to_owned();
    let upload = async |tag: &str| {
        let form = Form::new().part("cover", picture(pictures::jpeg(60, 60)));
        send(ana.request(Method::PUT, COVER).header("if-match", tag).multipart(form)).await
    };
    assert_snapshot!(upload(&stale).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(upload(&fresh).await.status, @"200 OK");
    let delete = async |tag: &str| send(ana.request(Method::DELETE, COVER).header("if-match", tag)).await;
    assert_snapshot!(delete(&fresh).await.refusal(), @"412 precondition_failed");
    assert_snapshot!(delete("*").await.status, @"204 No Content");
    ana.patch("/api/v1/posts/hello", json!({ "slug": "welcome" })).await;
    let moved = ana.upload(COVER, "cover", pictures::jpeg(90, 60)).await;
    assert_snapshot!(moved.status, @"308 Permanent Redirect");
    assert!(moved.header("location").ends_with("/api/v1/posts/welcome/cover"), "{moved:?}");
}

fn whole() -> Form {
    Form::new()
        .text("title", " Über Äpfel ")
        .text("content", "Red ones")
        .text("category", "TEC")
        .text("rating", "5")
        .text("rank", " 1 ")
        .text("published", "true")
        .text("editor", "bob")
        .part("cover", picture(pictures::jpeg(700, 500)))
}

#[actix_web::test]
async fn a_post_and_its_cover_come_in_one_form() {
    for app in TestApp::on_each_store(&[]).await {
        let (ana, _bob) = (app.member("ana"), app.member("bob"));
        let answer = post_form(&ana, whole()).await;
        assert_eq!(answer.status, "201 Created");
        let post = answer.json();
        let told = ["title", "content", "category", "rating", "rank", "published", "slug"]
            .map(|member| post[member].clone());
        let sent = [
            json!("Über Äpfel"),
            json!("Red ones"),
            json!("TEC"),
            json!(5),
            json!(1),
            json!(true),
            json!("uber-apfel"),
        ];
        assert_eq!(told, sent);
        assert_eq!((&post["editor"]["username"], &post["cover"]["width"]), (&json!("bob"), &json!(700)));
        assert_eq!(answer.header("location"), post["url"]);
        assert_eq!(app.guest().get("/api/v1/posts/uber-apfel").await.header("etag"), answer.header("etag"));
        // A form as some SDKs send it, with a file of the maximum size.
        let mut large = pictures::png_with_alpha(9, 9);
        large.resize(10 << 20, 0);
        let other = Form::new()
            .text("title", "x")
            .text("slug", "")
            .text("editor", "")
            .text("published", "True")
            .part("cover", picture(large));
        let other = post_form(&ana, other).await;
        assert_eq!(other.status, "201 Created", "{other:?}");
        assert_eq!(
            (other.at("/editor"), other.at("/published"), other.at("/cover/content_type")),
            (Value::Null, json!(true), json!("image/png"))
        );
    }
}

#[actix_web::test]
async fn of_a_form_all_is_taken_or_nothing() {
    let app = TestApp::on_a_bucket(&[]).await;
    let (ana, _bob) = (app.member("ana"), app.member("bob"));
    let asked = app.bucket().requests();
    let refusal = async |form: Form| post_form(&ana, form).await.refusal();
    let cover = || picture(pictures::jpeg(70, 50));
    let bad = || picture(b"no picture".to_vec());
    // The text fields are validated before the picture, and all of them together.
    let text = Form::new().text("rating", "six").part("cover", bad());
    assert_snapshot!(refusal(text).await, @"422 validation_failed /rating invalid_type");
    let text =
        Form::new().text("rating", "6").text("editor", "nobody").text("category", "X").part("cover", bad());
    assert_snapshot!(refusal(text).await, @"422 validation_failed /title required, /category not_a_choice, /rating out_of_range, /editor unknown_user");
    assert_snapshot!(refusal(Form::new().text("title", "x").text("published", "yes").part("cover", bad())).await, @"422 validation_failed /published invalid_type");
    assert_snapshot!(refusal(Form::new().text("content", "x")).await, @"422 validation_failed /title required, /cover required");
    assert_snapshot!(refusal(whole().text("writer", "bob")).await, @"422 validation_failed /writer unknown_member");
    assert_snapshot!(refusal(whole().text("title", "again")).await, @"422 validation_failed /title duplicate_part");
    assert_snapshot!(refusal(whole().part("cover", cover())).await, @"422 validation_failed /cover duplicate_part");
    let long = Form::new().text("title", "x").text("content", "x".repeat(200_001)).part("cover", cover());
    assert_snapshot!(refusal(long).await, @"422 validation_failed /content too_long");
    let longer = Form::new().text("title", "x").text("content", "x".repeat(2 << 20)).part("cover", cover());
    assert_snapshot!(refusal(longer).await, @"413 payload_too_large /content payload_too_large");
    let no_text = Form::new().part("title", Part::bytes(b"\xff\xfe".as_slice())).part("cover", cover());
    assert_snapshot!(refusal(no_text).await, @"400 malformed_body");
    assert_snapshot!(refusal(Form::new().text("title", "x").part("cover", bad())).await, @"415 unsupported_picture /cover unsupported_picture");
    let half = picture(pictures::truncated(&pictures::jpeg(700, 500), 50));
    assert_snapshot!(refusal(Form::new().text("title", "x").part("cover", half)).await, @"422 image_corrupt /cover image_corrupt");
    assert_eq!((app.bucket().requests(), app.count("jobs"), app.count("posts")), (asked, 0, 0));

    // Only the database can detect this conflict.
    ana.post("/api/v1/posts", json!({ "title": "x", "slug": "taken" })).await;
    assert_snapshot!(refusal(Form::new().text("title", "x").text("slug", "taken").part("cover", cover())).await, @"409 slug_taken");
    app.idle().await;
    assert_eq!(
        (app.files(), app.count("pictures"), app.count("files"), app.count("posts")),
        (Vec::new(), 0, 0, 1)
    );
    assert_snapshot!(post_form(&app.guest(), whole()).await.refusal(), @"401 authentication_required");
}

#[actix_web::test]
async fn a_form_that_is_sent_again_is_posted_once() {
    let app = TestApp::new().await;
    let (ana, _bob) = (app.member("ana"), app.member("bob"));
    let first = post_form_once(&ana, "k", whole()).await;
    assert_snapshot!(first.status, @"201 Created");
    // The same form with another boundary, another file name and another order of the parts.
    let same = Form::new()
        .part("cover", Part::bytes(pictures::jpeg(700, 500)).file_name("other.png"))
        .text("editor", "bob")
        .text("published", "true")
        .text("rank", " 1 ")
        .text("rating", "5")
        .text("category", "TEC")
        .text("content", "Red ones")
        .text("title", " Über Äpfel ");
    let again = post_form_once(&ana, "k", same).await;
    assert_eq!((again.status.as_str(), again.header("idempotency-replayed")), ("201 Created", "true"));
    assert_eq!(again.bytes, first.bytes);
    let other = Form::new().text("title", " Über Äpfel ").part("cover", picture(pictures::jpeg(700, 501)));
    assert_snapshot!(post_form_once(&ana, "k", other).await.refusal(), @"422 idempotency_key_reused Idempotency-Key idempotency_key_reused");

    // Concurrent repetitions: one creates the post, the others get its response or a conflict, and none leaves a
    // file.
    let deadline = Instant::now() + PATIENCE;
    let all = (0..8).map(|_| async {
        loop {
            let answer = post_form_once(&ana, "race", whole()).await;
            // A busy machine may tell any client to retry.
            if answer.status != "503 Service Unavailable" {
                return answer;
            }
            assert!(answer.refusal().starts_with("503 busy") && Instant::now() < deadline, "{answer:?}");
        }
    });
    let answers = futures_util::future::join_all(all).await;
    let counted = |status: &str| answers.iter().filter(|answer| answer.status == status).count();
    assert!(counted("201 Created") >= 1, "{answers:?}");
    assert_eq!(counted("201 Created") + counted("409 Conflict"), 8, "{answers:?}");
    app.idle().await;
    assert_eq!(
        (app.count("posts"), app.count("pictures"), app.count("files"), app.files().len()),
        (2, 2, 2, 2)
    );
}
