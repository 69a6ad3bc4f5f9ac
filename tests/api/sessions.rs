//! Login, refresh, logout, and tokens that are not ours.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::{Answer, send};

async fn login(app: &TestApp, login: &str, password: &str) -> Answer {
    app.guest().post("/api/v1/auth/login", json!({ "login": login, "password": password })).await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.guest().post("/api/v1/auth/refresh", json!({ "refresh_token": token })).await
}

/// The session that an access token names.
fn session_of(token: &str) -> i64 {
    let claims = token.split('.').nth(1).expect("three parts");
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
    claims["sid"].as_str().and_then(|id| id.parse().ok()).expect("a session")
}

#[actix_web::test]
async fn one_logs_in_by_name_or_address_in_any_case() {
    let app = TestApp::new().await;
    app.member("Ana");
    for name in ["Ana", "ana", "ANA@EXAMPLE.ORG", " ana "] {
        let answer = login(&app, name, PASSWORD).await;
        assert_eq!(answer.status, "200 OK", "{name}: {answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let tokens = answer.json();
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(tokens["refresh_expires_in"], 14 * 24 * 3600);
        let me = app
            .guest()
            .with_token(tokens["access_token"].as_str().expect("a token"))
            .get("/api/v1/users/me")
            .await;
        assert_eq!(me.at("/username"), "Ana");
        assert!(me.at("/last_login").is_string());
    }
}

#[actix_web::test]
async fn unknown_names_wrong_passwords_and_inactive_users_are_answered_alike() {
    let app = TestApp::new().await;
    app.member("ana");
    let mut answers = Vec::new();
    app.member("idle");
    app.sql("UPDATE users SET is_active = false WHERE username = 'idle'");
    let padded = format!("{PASSWORD} ");
    for (name, password) in [
        ("ana", "wrong horse"),
        ("nobody", PASSWORD),
        ("ana", &padded),
        ("idle", PASSWORD),
        ("idle", "wrong horse"),
    ] {
        let answer = login(&app, name, password).await;
        assert_eq!(answer.refusal(), "401 invalid_credentials");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let mut body = answer.json();
        body["instance"] = Value::Null;
        answers.push(body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let missing = app.guest().post("/api/v1/auth/login", json!({})).await;
    assert_snapshot!(missing.refusal(), @"422 validation_failed /login required, /password required");
}

#[actix_web::test]
async fn a_refresh_token_rotates() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    let second = refresh(&app, &first).await;
    assert_snapshot!(second.status, @"200 OK");
    assert_ne!(second.text("/refresh_token"), first);
    let me = app.guest().with_token(&second.text("/access_token")).get("/api/v1/users/me").await;
    assert_eq!(me.at("/username"), "ana");
    for wrong in ["", "x", &first[1..], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(refresh(&app, wrong).await.refusal(), "401 refresh_token_invalid", "{wrong}");
    }
}

#[actix_web::test]
async fn a_lost_answer_can_be_asked_for_again() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    let second = refresh(&app, &first).await.text("/refresh_token");
    assert_eq!(refresh(&app, &first).await.text("/refresh_token"), second);
    app.rotated_earlier("5 minutes");
    assert_eq!(refresh(&app, &first).await.text("/refresh_token"), second);
}

#[actix_web::test]
async fn parallel_refreshes_have_one_successor() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    let answers = join_all((0..20).map(|_| refresh(&app, &first))).await;
    let mut successors: Vec<_> = answers.iter().map(|answer| answer.text("/refresh_token")).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "{successors:?}");
}

#[actix_web::test]
async fn a_replayed_refresh_token_ends_its_session_alone() {
    let app = TestApp::new().await;
    let other = app.member("ana");
    let tokens = login(&app, "ana", PASSWORD).await;
    let first = tokens.text("/refresh_token");
    let second = refresh(&app, &first).await.text("/refresh_token");
    let third = refresh(&app, &second).await.text("/refresh_token");
    app.rotated_earlier("11 seconds");
    assert_snapshot!(refresh(&app, &first).await.refusal(), @"401 refresh_token_invalid");
    assert_snapshot!(refresh(&app, &third).await.refusal(), @"401 session_revoked");
    let revoked = app.guest().with_token(&tokens.text("/access_token"));
    assert_snapshot!(revoked.get("/api/v1/users").await.refusal(), @"401 session_revoked");
    assert_snapshot!(other.get("/api/v1/users/me").await.status, @"200 OK");
}

#[actix_web::test]
async fn parallel_tabs_meet_at_the_present_token() {
    let app = TestApp::new().await;
    app.member("ana");
    let mut tokens = vec![login(&app, "ana", PASSWORD).await.text("/refresh_token")];
    for _ in 0..5 {
        let next = refresh(&app, tokens.last().expect("one")).await.text("/refresh_token");
        tokens.push(next);
    }
    // Each was used just now, so each returns the current token, even if its successors were used.
    for old in &tokens {
        app.rotated_earlier("1 second");
        let present = refresh(&app, old).await.text("/refresh_token");
        let newest = tokens.last().expect("one");
        assert!(present == *newest || old == newest, "there are two live descendants");
    }
    app.rotated_earlier("10 seconds");
    assert_snapshot!(refresh(&app, &tokens[0]).await.refusal(), @"401 refresh_token_invalid");
    assert_eq!(app.count("sessions WHERE rotated_at > created_at"), 0, "the family is dead");
}

#[actix_web::test]
async fn a_session_ends_after_ninety_days_however_often_it_is_refreshed() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    app.sql("UPDATE sessions SET created_at = now() - interval '89 days'");
    let second = refresh(&app, &first).await;
    let left = second.at("/refresh_expires_in").as_i64().expect("seconds");
    assert!((86_390..=86_400).contains(&left), "{left}");
    app.sql(
        "UPDATE sessions SET created_at = now() - interval '91 days', expires_at = now() - interval '1 day'",
    );
    assert_snapshot!(refresh(&app, &second.text("/refresh_token")).await.refusal(), @"401 session_revoked");
}

#[actix_web::test]
async fn one_sees_and_revokes_ones_sessions() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    let phone = app
        .guest()
        .request(reqwest::Method::POST, "/api/v1/auth/login")
        .header("user-agent", "Phone/1.0")
        .json(&json!({ "login": "ana", "password": PASSWORD }));
    let phone = send(phone).await;
    let phone_client = app.guest().with_token(&phone.text("/access_token"));

    let page = ana.get("/api/v1/auth/sessions?limit=1").await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.at("/results/0/user_agent"), "Phone/1.0");
    assert_eq!((page.at("/results/0/ip"), page.at("/results/0/current")), (json!("127.0.0.1"), json!(false)));
    let rest = ana.get(&page.text("/next")).await;
    assert_eq!((rest.at("/results/0/current"), rest.at("/next")), (json!(true), Value::Null));
    assert_eq!(phone_client.get("/api/v1/auth/sessions").await.at("/results/0/current"), true);

    let path = format!("/api/v1/auth/sessions/{}", page.at("/results/0/id"));
    assert_snapshot!(bob.delete(&path).await.refusal(), @"404 not_found");
    assert_snapshot!(ana.delete("/api/v1/auth/sessions/x").await.refusal(), @"404 not_found");
    assert_snapshot!(phone_client.get("/api/v1/users/me").await.status, @"200 OK");
    assert_snapshot!(ana.delete(&path).await.status, @"204 No Content");
    assert_snapshot!(ana.delete(&path).await.refusal(), @"404 not_found");
    assert_snapshot!(phone_client.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(refresh(&app, &phone.text("/refresh_token")).await.refusal(), @"401 session_revoked");
    assert_snapshot!(ana.get("/api/v1/users/me").await.status, @"200 OK");
}

#[actix_web::test]
async fn one_logs_out_everywhere() {
    let app = TestApp::new().await;
    let (one, two, bob) = (app.member("ana"), app.member("ana"), app.member("bob"));
    let tokens = login(&app, "ana", PASSWORD).await;
    for client in [&one, &two, &bob] {
        assert_eq!(client.get("/api/v1/posts").await.status, "200 OK");
    }
    let leave = one.request(reqwest::Method::POST, "/api/v1/auth/logout-all");
    assert_snapshot!(send(leave).await.status, @"204 No Content");
    for client in [&one, &two] {
        assert_eq!(client.get("/api/v1/posts").await.refusal(), "401 session_revoked");
    }
    assert_snapshot!(bob.get("/api/v1/posts").await.status, @"200 OK");
    // The refresh token of an ended session is rejected. That of a live session logs its user out.
    let body = json!({ "refresh_token": tokens.text("/refresh_token") });
    let refusal = app.guest().post("/api/v1/auth/logout-all", body).await.refusal();
    assert_snapshot!(refusal, @"401 session_revoked");
    let body = json!({ "refresh_token": login(&app, "ana", PASSWORD).await.text("/refresh_token") });
    assert_snapshot!(app.guest().post("/api/v1/auth/logout-all", body).await.status, @"204 No Content");
    assert_eq!(app.count("sessions"), 1, "bob's");
}

#[actix_web::test]
async fn staff_revoke_anyones_sessions() {
    let app = TestApp::new().await;
    let (ana, bob, root) = (app.member("ana"), app.member("bob"), app.staff("root"));
    assert_snapshot!(bob.get("/api/v1/users/me").await.status, @"200 OK");
    assert_snapshot!(ana.delete("/api/v1/users/bob/sessions").await.refusal(), @"403 forbidden");
    assert_snapshot!(root.delete("/api/v1/users/bob/sessions").await.status, @"204 No Content");
    assert_snapshot!(bob.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(ana.delete("/api/v1/users/me/sessions").await.status, @"204 No Content");
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(root.delete("/api/v1/users/nobody/sessions").await.refusal(), @"404 not_found");
}

#[actix_web::test]
async fn a_late_replay_ends_the_session() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    let second = refresh(&app, &first).await.text("/refresh_token");
    app.rotated_earlier("11 minutes");
    assert_snapshot!(refresh(&app, &first).await.refusal(), @"401 refresh_token_invalid");
    assert_snapshot!(refresh(&app, &second).await.refusal(), @"401 session_revoked");
}

#[actix_web::test]
async fn an_expired_refresh_token_is_refused() {
    let app = TestApp::new().await;
    app.member("ana");
    let first = login(&app, "ana", PASSWORD).await.text("/refresh_token");
    app.sql("UPDATE sessions SET expires_at = now()");
    assert_snapshot!(refresh(&app, &first).await.refusal(), @"401 session_revoked");
}

#[actix_web::test]
async fn logging_out_ends_the_session_at_once() {
    let app = TestApp::new().await;
    app.member("ana");
    let tokens = login(&app, "ana", PASSWORD).await;
    let ana = app.guest().with_token(&tokens.text("/access_token"));
    let answer = send(ana.request(reqwest::Method::POST, "/api/v1/auth/logout")).await;
    assert_snapshot!(answer.status, @"204 No Content");
    let bare = app
        .guest()
        .request(reqwest::Method::POST, "/api/v1/auth/logout")
        .header("content-type", "application/json");
    assert_snapshot!(send(bare).await.refusal(), @"401 authentication_required");
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(refresh(&app, &tokens.text("/refresh_token")).await.refusal(), @"401 session_revoked");

    let tokens = login(&app, "ana", PASSWORD).await;
    let body = json!({ "refresh_token": tokens.text("/refresh_token") });
    assert_snapshot!(app.guest().post("/api/v1/auth/logout", body.clone()).await.status, @"204 No Content");
    assert_snapshot!(app.guest().post("/api/v1/auth/logout", body).await.status, @"204 No Content");
    let ana = app.guest().with_token(&tokens.text("/access_token"));
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(app.guest().post("/api/v1/auth/logout", json!({})).await.refusal(), @"401 authentication_required");
    assert_snapshot!(app.guest().post("/api/v1/auth/logout", json!({ "refresh_token": "x" })).await.refusal(),
        @"401 refresh_token_invalid");
}

#[actix_web::test]
async fn a_dump_of_the_database_holds_no_usable_token() {
    let app = TestApp::new().await;
    app.member("ana");
    let tokens = login(&app, "ana", PASSWORD).await;
    let refresh_token = tokens.text("/refresh_token");
    let bytes = URL_SAFE_NO_PAD.decode(&refresh_token).expect("base64url");
    let secrets = [refresh_token, crate::app::hex(&bytes), tokens.text("/access_token"), PASSWORD.to_owned()];
    for table in ["users", "sessions", "signing_keys"] {
        for secret in &secrets {
            let found = app.count(&format!("{table} WHERE {table}::text LIKE '%{secret}%'"));
            assert_eq!(found, 0, "{table} holds {secret}");
        }
    }
    assert_eq!(app.count("signing_keys WHERE length(sealed_private_key) > 60"), 1);
    assert_eq!(app.count("sessions WHERE length(token_hash) = 32"), 2);
}

#[actix_web::test]
async fn a_user_without_a_password_cannot_log_in() {
    let app = TestApp::new().await;
    app.sql(
        "INSERT INTO users (username, username_key, email, email_key, password_hash)
         VALUES ('bot', 'bot', 'bot@x.org', 'bot@x.org', '-')",
    );
    assert_snapshot!(login(&app, "bot", PASSWORD).await.refusal(), @"401 invalid_credentials");
}

#[actix_web::test]
async fn a_token_that_is_not_ours_is_refused_everywhere() {
    let app = TestApp::new().await;
    app.member("ana");
    let token = login(&app, "ana", PASSWORD).await.text("/access_token");
    let (head, rest) = token.split_once('.').expect("three parts");
    let (claims, signature) = rest.split_once('.').expect("three parts");
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).expect("base64url")).expect("JSON");
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let wrong = [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        format!("{none}.{claims}."),
        format!("{head}.{claims}.{}", &signature[1..]),
        format!("{head}.{claims}."),
        format!("{token}="),
        format!("{token}.x"),
        with_header("alg", json!("HS256")),
        with_header("alg", json!("NONE")),
        with_header("typ", json!("JWT")),
        with_header("kid", json!("../../dev/null")),
        with_header("kid", Value::Null),
        with_header("jku", json!("https://evil.example/jwks.json")),
        with_header("crit", json!(["x"])),
    ];
    for wrong in wrong {
        for path in ["/api/v1/users/me", "/api/v1/posts", "/api/v1/choices"] {
            let answer = app.guest().with_token(&wrong).get(path).await;
            assert_eq!(answer.refusal(), "401 access_token_invalid", "{wrong} on {path}");
        }
    }
    for value in ["Basic YTpi", "Bearer", "bearer", "Token x"] {
        let answer = app.guest().get_with("/api/v1/posts", "authorization", value).await;
        assert_eq!(answer.refusal(), "401 access_token_invalid", "{value}");
    }
    let twice =
        app.guest().request(reqwest::Method::GET, "/api/v1/posts").bearer_auth(&token).bearer_auth(&token);
    assert_snapshot!(send(twice).await.refusal(), @"401 access_token_invalid");
}

#[actix_web::test]
async fn an_expired_token_says_so() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let long_ago = chrono::Utc::now() - chrono::TimeDelta::hours(1);
    let user: i64 = ana.get("/api/v1/users/me").await.at("/id").as_i64().expect("an id");
    let session = session_of(ana.token.as_deref().expect("a token"));
    let token = app.app.state().auth.access.issue(user, session, long_ago).expect("a token");
    assert_snapshot!(app.guest().with_token(&token).get("/api/v1/posts").await.refusal(), @"401 token_expired");
    let now = app.app.state().auth.access.issue(user, session, chrono::Utc::now()).expect("a token");
    assert_snapshot!(app.guest().with_token(&now).get("/api/v1/posts").await.status, @"200 OK");
}

#[actix_web::test]
async fn others_can_check_our_tokens_with_the_published_key() {
    let app = TestApp::new().await;
    app.member("ana");
    let token = login(&app, "ana", PASSWORD).await.text("/access_token");
    let jwks = app.guest().get("/.well-known/jwks.json").await;
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&jwks.bytes).expect("a JWKS");
    let header = jsonwebtoken::decode_header(&token).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = jwks.find(header.kid.as_deref().expect("a kid")).expect("the key");
    let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&[&app.base]);
    validation.set_issuer(&[&app.base]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("a good token").claims;
    for claim in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        assert!(!claims[claim].is_null(), "{claim} in {claims}");
    }
}
