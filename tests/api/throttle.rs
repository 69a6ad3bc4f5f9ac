//! A client with too many attempts has to wait, and no other client does.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};
use crate::client::{Answer, send};

/// A node that trusts the client's proxy, so that a test can send requests from any address.
async fn app(flags: &[&str]) -> TestApp {
    TestApp::with(&[&["--trusted-proxies", "127.0.0.1"], flags].concat()).await
}

/// A login from this address.
async fn login(app: &TestApp, from: &str, name: &str, password: &str) -> Answer {
    let body = json!({ "login": name, "password": password });
    let request = app.guest().request(Method::POST, "/api/v1/auth/login").header("x-forwarded-for", from);
    send(request.json(&body)).await
}

/// An address in a different network for each number.
fn network(number: usize) -> String {
    format!("10.{}.{}.7", number / 250, number % 250)
}

#[actix_web::test]
async fn wrong_passwords_make_an_account_wait_wherever_they_come_from() {
    let app = app(&[]).await;
    app.member("ana");
    for number in 0..10 {
        let answer = login(&app, &network(number), "ana", "wrong horse").await;
        assert_eq!(answer.refusal(), "401 invalid_credentials", "{number}");
    }
    // The wait began with the tenth attempt. Name and address identify the same account.
    app.prolong_waits();
    for name in ["ana", "ANA", "ana@example.org"] {
        let answer = login(&app, &network(99), name, PASSWORD).await;
        assert_eq!(answer.refusal(), "429 too_many_attempts", "{name}");
        let told = answer.header("retry-after").parse::<u64>().expect("seconds");
        assert!((1..=61).contains(&told), "{answer:?}");
        assert_eq!(answer.header("ratelimit-policy"), "\"login-account\";q=10;w=900");
        assert!(answer.header("ratelimit").starts_with("\"login-account\";r=0;t="), "{answer:?}");
    }
    // Another account is not affected.
    app.member("bob");
    assert_snapshot!(login(&app, &network(99), "bob", PASSWORD).await.status, @"200 OK");
}

#[actix_web::test]
async fn after_a_thousand_wrong_logins_the_owner_gets_in_after_the_stated_delay() {
    let app = app(&["--throttle-delay", "2s"]).await;
    app.member("ana");
    let tries = (0..1000).map(|number| {
        let app = &app;
        async move { login(app, &network(number), "ana", "wrong horse").await.status }
    });
    let statuses = join_all(tries).await;
    // On a busy machine some attempts do not get as far as the throttle, and get 503.
    let judged = statuses.iter().filter(|status| *status == "401 Unauthorized").count();
    assert!((10..50).contains(&judged), "{judged} passwords were judged");
    let mut until = None;
    loop {
        let answer = login(&app, "192.0.2.1", "ana", PASSWORD).await;
        if answer.status == "200 OK" {
            break;
        }
        assert_eq!(answer.refusal(), "429 too_many_attempts");
        let told = answer.header("retry-after").parse::<u64>().expect("seconds");
        assert!((1..=2).contains(&told), "{told}");
        let until = *until.get_or_insert_with(|| Instant::now() + Duration::from_secs(told + 1));
        assert!(Instant::now() < until, "a refused try prolongs the wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // From then on, attempts from elsewhere cannot lock that network out. A correct password has reset the account's
    // count there.
    for number in 0..30 {
        login(&app, &network(number), "ana", "wrong horse").await;
    }
    app.prolong_waits();
    assert_snapshot!(login(&app, "192.0.2.200", "ana", PASSWORD).await.status, @"200 OK");
    assert_snapshot!(login(&app, "192.0.3.1", "ana", PASSWORD).await.refusal(), @"429 too_many_attempts");
}

#[actix_web::test]
async fn names_that_nobody_has_wait_alike() {
    let app = app(&[]).await;
    for number in 0..10 {
        assert_eq!(login(&app, &network(number), "nobody", "x").await.refusal(), "401 invalid_credentials");
    }
    app.prolong_waits();
    let answer = login(&app, &network(11), "NOBODY", "x").await;
    assert_eq!(answer.refusal(), "429 too_many_attempts");
    assert_eq!(answer.header("ratelimit-policy"), "\"login-account\";q=10;w=900");
    assert_eq!(app.count("throttle_buckets WHERE encode(key, 'escape') LIKE '%nobody%'"), 0);
}

#[actix_web::test]
async fn a_network_that_tries_many_accounts_waits() {
    let app = app(&[]).await;
    app.member("ana");
    for number in 0..50 {
        let answer = login(&app, &format!("192.0.2.{number}"), &format!("user{number}"), "x").await;
        assert_eq!(answer.refusal(), "401 invalid_credentials", "{number}");
    }
    app.prolong_waits();
    let answer = login(&app, "192.0.2.99", "ana", PASSWORD).await;
    assert_eq!(answer.refusal(), "429 too_many_attempts");
    assert_eq!(answer.header("ratelimit-policy"), "\"login-network\";q=50;w=900");
    assert_snapshot!(login(&app, "192.0.3.99", "ana", PASSWORD).await.status, @"200 OK");
    // The rejected attempt was not counted.
    assert_snapshot!(login(&app, "2001:db8::1", "ana", PASSWORD).await.status, @"200 OK");
}

#[actix_web::test]
async fn right_passwords_never_wait() {
    let app = app(&[]).await;
    app.member("ana");
    for _ in 0..60 {
        assert_eq!(login(&app, "192.0.2.1", "ana", PASSWORD).await.status, "200 OK");
    }
}

#[actix_web::test]
async fn nor_do_many_right_passwords_at_once() {
    let app = app(&[]).await;
    app.member("ana");
    let statuses =
        join_all((0..60).map(|_| async { login(&app, "192.0.2.1", "ana", PASSWORD).await.status })).await;
    assert!(statuses.iter().all(|status| status == "200 OK"), "{statuses:?}");
}

#[actix_web::test]
async fn an_account_is_forgiven_after_a_quarter_of_an_hour() {
    let app = app(&[]).await;
    app.member("ana");
    for number in 0..10 {
        login(&app, &network(number), "ana", "wrong horse").await;
    }
    app.sql(
        "UPDATE throttle_buckets SET last_at = last_at - interval '16 minutes', blocked_until = blocked_until - interval '16 minutes'",
    );
    for number in 20..29 {
        let answer = login(&app, &network(number), "ana", "wrong horse").await;
        assert_eq!(answer.refusal(), "401 invalid_credentials", "{number}");
    }
}

#[actix_web::test]
async fn registrations_and_mails_are_counted_too() {
    let app = app(&[]).await;
    let from = async |address: &str, path: &str, body: serde_json::Value| {
        let request = app.guest().request(Method::POST, path).header("x-forwarded-for", address);
        send(request.json(&body)).await
    };
    let register = async |address: &str, number: usize| {
        let email = format!("user{number}@example.org");
        let body = json!({ "username": format!("user{number}"), "email": email, "password": PASSWORD });
        from(address, "/api/v1/users", body).await
    };
    for number in 0..30 {
        assert_eq!(register("192.0.2.1", number).await.status, "201 Created");
    }
    app.prolong_waits();
    let answer = register("192.0.2.2", 30).await;
    assert_eq!(answer.refusal(), "429 too_many_attempts");
    assert_eq!(answer.header("ratelimit-policy"), "\"registration\";q=30;w=3600");
    assert_eq!(register("192.0.3.1", 31).await.status, "201 Created");

    for (what, email) in
        [("password-reset", "user1@example.org"), ("email-verification", "nobody@example.org")]
    {
        let path = format!("/api/v1/auth/{what}");
        for number in 0..3 {
            let answer = from(&network(number), &path, json!({ "email": email })).await;
            assert_eq!(answer.status, "202 Accepted");
        }
        app.prolong_waits();
        let answer = from("192.0.4.1", &path, json!({ "email": email.to_uppercase() })).await;
        assert_eq!(answer.refusal(), "429 too_many_attempts", "{what}");
        assert_eq!(answer.header("ratelimit-policy"), "\"mail-address\";q=3;w=3600");
    }
}

#[actix_web::test]
async fn two_nodes_count_together() {
    let one = app(&[]).await;
    let two = one.beside(&["--trusted-proxies", "127.0.0.1"]);
    one.member("ana");
    for number in 0..10 {
        let node = if number % 2 == 0 { &one } else { &two };
        assert_eq!(login(node, &network(number), "ana", "x").await.refusal(), "401 invalid_credentials");
    }
    one.prolong_waits();
    for node in [&one, &two] {
        assert_eq!(login(node, &network(50), "ana", PASSWORD).await.refusal(), "429 too_many_attempts");
    }
}

#[actix_web::test]
async fn it_can_be_switched_off() {
    let app = app(&["--throttle", "off"]).await;
    app.member("ana");
    for _ in 0..60 {
        assert_eq!(login(&app, "192.0.2.1", "ana", "x").await.refusal(), "401 invalid_credentials");
    }
    assert_eq!(app.count("throttle_buckets"), 0);
}
