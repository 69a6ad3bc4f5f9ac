//! Optional rules for posts, enabled by settings.

use insta::assert_snapshot;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Client, send};
use crate::pictures;

const POSTS: &str = "/api/v1/posts";

async fn create(client: &Client, body: Value) -> String {
    let answer = client.post(POSTS, body).await;
    if answer.status == "201 Created" { answer.text("/slug") } else { answer.refusal() }
}

async fn change(client: &Client, slug: &str, body: Value) -> String {
    let answer = client.patch(&format!("{POSTS}/{slug}"), body).await;
    if answer.status == "200 OK" { answer.text("/slug") } else { answer.refusal() }
}

#[actix_web::test]
async fn without_a_setting_titles_and_slugs_are_free() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    assert_snapshot!(create(&ana, json!({ "title": "hello World", "slug": "other" })).await, @"other");
    assert_snapshot!(change(&ana, "other", json!({ "title": "hELLO", "slug": "another" })).await, @"another");
}

#[actix_web::test]
async fn titles_may_have_to_be_in_title_case() {
    let app = TestApp::with(&["--title-case", "on"]).await;
    let ana = app.member("ana");
    for (title, slug) in [
        ("Hello, World 2", "hello-world-2"),
        (" Hello ", "hello"),
        ("日本語", "ri-ben-yu"),
        ("!!!", "post"),
        ("Über Äpfel", "uber-apfel"),
        ("It'S", "it-s"),
    ] {
        assert_eq!(create(&ana, json!({ "title": title })).await, slug, "{title}");
    }
    for title in ["hello", "Hello world", "HELLO", "It's", "iPhone", "2nd Try"] {
        let refusal = "422 validation_failed /title not_title_case";
        assert_eq!(create(&ana, json!({ "title": title })).await, refusal, "{title}");
        assert_eq!(change(&ana, "hello", json!({ "title": title })).await, refusal, "{title}");
    }
    assert_snapshot!(create(&ana, json!({ "title": "", "rank": 9 })).await, @"422 validation_failed /title too_short, /rank out_of_range");
    assert_snapshot!(change(&ana, "hello", json!({ "title": "Good Bye", "slug": "good" })).await, @"good");
    // Titles from before the rule may stay.
    app.sql("UPDATE posts SET title = 'in lower case' WHERE slug = 'good'");
    assert_snapshot!(change(&ana, "good", json!({ "rank": 1 })).await, @"good");
    // The rule applies to forms, too, before the picture is checked.
    let form = Form::new()
        .text("title", "hello")
        .part("cover", Part::bytes(b"no picture".as_slice()).file_name("x"));
    let answer = send(ana.request(Method::POST, "/api/v1/forms/posts").multipart(form)).await;
    assert_snapshot!(answer.refusal(), @"422 validation_failed /title not_title_case");
}

#[actix_web::test]
async fn slugs_may_have_to_be_their_titles() {
    let app = TestApp::with(&["--slug-of-title", "on"]).await;
    let ana = app.member("ana");
    assert_snapshot!(create(&ana, json!({ "title": "Hello World" })).await, @"hello-world");
    assert_snapshot!(create(&ana, json!({ "title": "Hello World" })).await, @"hello-world-2");
    assert_snapshot!(create(&ana, json!({ "title": "Hello World", "slug": "hello-world-7" })).await, @"hello-world-7");
    assert_snapshot!(create(&ana, json!({ "title": "Straße", "slug": "strasse" })).await, @"strasse");
    assert_snapshot!(create(&ana, json!({ "title": "Straße", "slug": "strasse" })).await, @"409 slug_taken");
    let mismatch = "422 validation_failed /slug slug_mismatch";
    for slug in ["hello", "hello-world-1", "hello-world-02", "Hello-World", "hello_world"] {
        assert_eq!(create(&ana, json!({ "title": "Hello World", "slug": slug })).await, mismatch, "{slug}");
        assert_eq!(change(&ana, "hello-world", json!({ "slug": slug })).await, mismatch, "{slug}");
    }
    let expected = ana.post(POSTS, json!({ "title": "Hello World", "slug": "x" })).await;
    assert_eq!(expected.at("/errors/0/params/expected"), "hello-world");
    // A new title needs a new slug, given as `null` or by name.
    assert_eq!(change(&ana, "hello-world", json!({ "title": "Good Bye" })).await, mismatch);
    assert_snapshot!(change(&ana, "hello-world", json!({ "title": "HELLO world!" })).await, @"hello-world");
    assert_snapshot!(change(&ana, "hello-world", json!({ "title": "Good Bye", "slug": null })).await, @"good-bye");
    assert_snapshot!(change(&ana, "good-bye", json!({ "title": "Third", "slug": "third" })).await, @"third");
    assert_snapshot!(change(&ana, "third", json!({ "rank": 1 })).await, @"third");
    assert_snapshot!(change(&ana, "third", json!({ "slug": "third-2" })).await, @"third-2");
    // A long slug is cut to make room for the number.
    let long = "x".repeat(256);
    create(&ana, json!({ "title": long })).await;
    let cut = create(&ana, json!({ "title": long })).await;
    assert_eq!(cut, format!("{}-2", "x".repeat(254)));
    assert_eq!(change(&ana, &cut, json!({ "title": long, "content": "x" })).await, cut);
    // The rule applies to forms, too.
    let cover = Part::bytes(pictures::jpeg(8, 6)).file_name("cover.jpg");
    let form = Form::new().text("title", "Form").text("slug", "other").part("cover", cover);
    let answer = send(ana.request(Method::POST, "/api/v1/forms/posts").multipart(form)).await;
    assert_eq!(answer.refusal(), mismatch);
}

#[actix_web::test]
async fn both_rules_are_told_at_once() {
    let app = TestApp::with(&["--title-case", "on", "--slug-of-title", "on"]).await;
    let ana = app.member("ana");
    assert_snapshot!(create(&ana, json!({ "title": "hello", "slug": "x" })).await,
        @"422 validation_failed /title not_title_case, /slug slug_mismatch");
    assert_snapshot!(create(&ana, json!({ "title": "Hello" })).await, @"hello");
    assert_snapshot!(change(&ana, "hello", json!({ "title": "bye" })).await,
        @"422 validation_failed /title not_title_case, /slug slug_mismatch");
}
