//! Profiles: what users tell about themselves.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::TestApp;

#[actix_web::test]
async fn a_profile_is_changed_member_by_member() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let answer = ana
        .patch(
            "/api/v1/profiles/me",
            json!({ "display_name": " Ana García ", "bio": "Hello", "phone": "+34 600" }),
        )
        .await;
    assert_snapshot!(answer.status, @"200 OK");
    assert_eq!(answer.at("/display_name"), "Ana García");
    let answer = ana.patch("/api/v1/profiles/ANA", json!({ "bio": "", "occupation": "Baker" })).await;
    let profile = answer.json();
    assert_eq!(
        (&profile["bio"], &profile["occupation"], &profile["phone"]),
        (&Value::Null, &json!("Baker"), &json!("+34 600"))
    );
    let answer = ana.patch("/api/v1/profiles/me", json!({ "display_name": null, "phone": null })).await;
    assert_eq!((answer.at("/display_name"), answer.at("/phone")), (json!("ana"), Value::Null));
}

#[actix_web::test]
async fn a_change_of_nothing_keeps_the_version() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let before = ana.get("/api/v1/profiles/me").await;
    let after = ana.patch("/api/v1/profiles/me", json!({})).await;
    assert_eq!(after.header("etag"), before.header("etag"));
    assert_eq!(after.json(), before.json());
}

#[actix_web::test]
async fn rules_of_a_profile_are_told() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let refusal = async |body: Value| ana.patch("/api/v1/profiles/me", body).await.refusal();
    assert_snapshot!(refusal(json!({ "display_name": "x".repeat(129), "phone": "1".repeat(17) })).await,
        @"422 validation_failed /display_name too_long, /phone too_long");
    assert_snapshot!(refusal(json!({ "bio": "a\u{0}b" })).await, @"422 validation_failed /bio null_character");
    assert_snapshot!(refusal(json!({ "avatar": null })).await, @"422 validation_failed /avatar unknown_member");
    assert_snapshot!(refusal(json!([])).await, @"422 validation_failed  invalid_type");
    let answer = ana.patch("/api/v1/profiles/me", json!({ "display_name": "日".repeat(128) })).await;
    assert_snapshot!(answer.status, @"200 OK");
}

#[actix_web::test]
async fn a_phone_is_private() {
    let app = TestApp::new().await;
    let (ana, bob, staff) = (app.member("ana"), app.member("bob"), app.staff("root"));
    ana.patch("/api/v1/profiles/me", json!({ "phone": "1" })).await;
    assert_eq!(app.guest().get("/api/v1/profiles/ana").await.at("/phone"), Value::Null);
    assert_eq!(bob.get("/api/v1/profiles").await.at("/results/0/phone"), Value::Null);
    assert_eq!(staff.get("/api/v1/profiles").await.at("/results/0/phone"), "1");
}

#[actix_web::test]
async fn only_oneself_and_staff_change_a_profile() {
    let app = TestApp::new().await;
    let (bob, staff) = (app.member("bob"), app.staff("root"));
    app.member("ana");
    let body = json!({ "bio": "x" });
    assert_snapshot!(app.guest().patch("/api/v1/profiles/ana", body.clone()).await.refusal(), @"401 authentication_required");
    assert_snapshot!(bob.patch("/api/v1/profiles/ana", body.clone()).await.refusal(), @"403 forbidden");
    assert_snapshot!(bob.patch("/api/v1/profiles/nobody", body.clone()).await.refusal(), @"404 not_found");
    assert_snapshot!(bob.patch("/api/v1/profiles/ana", json!({ "bio": 1 })).await.refusal(), @"403 forbidden");
    assert_snapshot!(staff.patch("/api/v1/profiles/ana", body).await.status, @"200 OK");
}

#[actix_web::test]
async fn profiles_are_listed_by_username() {
    let app = TestApp::new().await;
    for name in ["bob", "Ana", "carl"] {
        app.member(name);
    }
    let page = app.guest().get("/api/v1/profiles?limit=2").await;
    assert_eq!(
        (page.at("/results/0/username"), page.at("/results/1/username")),
        (json!("Ana"), json!("bob"))
    );
    let next = app.guest().get(&page.text("/next")).await;
    assert_eq!(next.at("/results/0/username"), "carl");
    assert_eq!(next.at("/next"), Value::Null);
}
