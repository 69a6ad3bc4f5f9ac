//! Registrations: who becomes a user, and under which names.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};

fn registration(username: &str) -> Value {
    json!({ "username": username, "email": format!("{username}@example.org"), "password": PASSWORD })
}

#[actix_web::test]
async fn whoever_registers_is_a_user_with_a_profile() {
    let app = TestApp::new().await;
    let answer = app.guest().post("/api/v1/users", registration("Ana")).await;
    assert_snapshot!(answer.status, @"201 Created");
    assert_eq!(answer.header("location"), format!("{}/api/v1/users/Ana", app.base));
    assert!(answer.header("etag").starts_with("\"1-"), "{answer:?}");
    let user = answer.json();
    assert_eq!(user["url"], answer.header("location"));
    assert_eq!(user["email"], "Ana@example.org");
    assert_eq!((&user["is_active"], &user["is_staff"]), (&json!(true), &json!(false)));

    let profile = app.guest().get("/api/v1/profiles/ANA").await;
    assert_eq!(profile.at("/display_name"), "Ana");
}

#[actix_web::test]
async fn a_user_made_by_sql_has_a_profile_too() {
    let app = TestApp::new().await;
    app.sql(
        "INSERT INTO users (username, username_key, email, email_key, password_hash)
         SELECT 'u' || n, 'u' || n, 'u' || n || '@x.org', 'u' || n || '@x.org', '-' FROM generate_series(1, 50) AS n",
    );
    assert_eq!(app.count("profiles"), 50);
}

#[actix_web::test]
async fn every_fault_of_a_registration_is_told_at_once() {
    let app = TestApp::new().await;
    let refusal = async |body: Value| app.guest().post("/api/v1/users", body).await.refusal();
    assert_snapshot!(refusal(json!({})).await,
        @"422 validation_failed /username required, /email required, /password required");
    assert_snapshot!(refusal(json!({ "username": "me", "email": "x", "password": "123" })).await,
        @"422 validation_failed /username invalid_username, /email invalid_email, /password too_short, /password password_numeric");
    assert_snapshot!(refusal(json!({ "username": "a b", "email": "a@b.de", "password": "a\u{0}bcdefgh" })).await,
        @"422 validation_failed /username invalid_username, /password null_character");
    assert_snapshot!(refusal(json!({ "username": "x".repeat(151), "email": null, "password": "x".repeat(257) })).await,
        @"422 validation_failed /email required, /username too_long, /username invalid_username, /password too_long");
    assert_snapshot!(refusal(json!({ "username": 7 })).await, @"422 validation_failed /username invalid_type");
    assert_snapshot!(refusal(json!({ "username": "ana", "is_staff": true })).await,
        @"422 validation_failed /is_staff unknown_member");
    let with_password =
        |password: &str| json!({ "username": "ana", "email": "a@b.de", "password": password });
    assert_snapshot!(refusal(with_password("12345678")).await,
        @"422 validation_failed /password password_common, /password password_numeric");
    assert_snapshot!(refusal(with_password("Jennifer")).await, @"422 validation_failed /password password_common");
    assert_eq!(app.count("users"), 0);
}

#[actix_web::test]
async fn names_and_addresses_are_unique_whatever_the_case() {
    let app = TestApp::new().await;
    let guest = app.guest();
    guest.post("/api/v1/users", registration("Ana")).await;
    let same_name = json!({ "username": "aNA", "email": "b@example.org", "password": PASSWORD });
    assert_snapshot!(guest.post("/api/v1/users", same_name).await.refusal(), @"409 username_taken");
    let same_address = json!({ "username": "bob", "email": "ANA@example.ORG", "password": PASSWORD });
    assert_snapshot!(guest.post("/api/v1/users", same_address).await.refusal(), @"409 email_taken");
}

#[actix_web::test]
async fn nobody_takes_a_name_that_is_anothers_address() {
    let app = TestApp::new().await;
    let (vic, root) = (app.member("vic"), app.staff("root"));
    let register = async |name: &str, email: &str| {
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        app.guest().post("/api/v1/users", body).await
    };
    assert_snapshot!(register("VIC@example.org", "eve@example.org").await.refusal(), @"409 username_taken");
    // Your own address is allowed as your name.
    assert_snapshot!(register("bob@example.org", "Bob@example.org").await.status, @"201 Created");
    assert_snapshot!(register("eve@example.net", "eve@example.org").await.status, @"201 Created");
    assert_snapshot!(register("mal", "eve@example.net").await.refusal(), @"409 email_taken");
    let wish = json!({ "email": "eve@example.net", "current_password": PASSWORD });
    assert_snapshot!(vic.patch("/api/v1/users/me", wish).await.refusal(), @"409 email_taken");
    let set = json!({ "email": "eve@example.net" });
    assert_snapshot!(root.patch("/api/v1/users/vic", set).await.refusal(), @"409 email_taken");
    // A released address is free again.
    root.patch("/api/v1/users/vic", json!({ "email": "new@example.org" })).await;
    assert_snapshot!(register("vic@example.org", "other@example.org").await.status, @"201 Created");
    assert_eq!(app.count("login_names"), 9);
}

#[actix_web::test]
async fn of_200_parallel_registrations_of_one_name_one_wins() {
    let app = TestApp::with(&["--throttle", "off"]).await;
    let guest = app.guest();
    let register = |n: usize| {
        let guest = guest.clone();
        let body = json!({ "username": "ana", "email": format!("{n}@example.org"), "password": PASSWORD });
        async move { guest.post("/api/v1/users", body).await.status }
    };
    let statuses = join_all((0..200).map(register)).await;
    let count = |status: &str| statuses.iter().filter(|seen| *seen == status).count();
    assert_eq!((count("201 Created"), count("409 Conflict")), (1, 199), "{statuses:?}");
    assert_eq!((app.count("users"), app.count("profiles")), (1, 1));
}
