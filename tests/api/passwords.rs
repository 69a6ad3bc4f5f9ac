//! Passwords: changing your own, rehashing, and a bounded queue.

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{LOCKS, PASSWORD, TestApp};
use crate::client::{Answer, Client, send};
use crate::metrics::Told;

const NEW: &str = "a whole new horse";

async fn change(client: &Client, name: &str, body: Value) -> Answer {
    send(client.request(Method::PUT, &format!("/api/v1/users/{name}/password")).json(&body)).await
}

async fn login(app: &TestApp, password: &str) -> Answer {
    app.guest().post("/api/v1/auth/login", json!({ "login": "ana", "password": password })).await
}

#[actix_web::test]
async fn changing_ones_password_ends_every_other_session() {
    let app = TestApp::new().await;
    let (ana, other, bob) = (app.member("ana"), app.member("ana"), app.member("bob"));
    let refresh = login(&app, PASSWORD).await.text("/refresh_token");
    assert_snapshot!(other.get("/api/v1/users/me").await.status, @"200 OK");
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    assert_snapshot!(change(&ana, "me", body).await.status, @"204 No Content");
    assert_snapshot!(other.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    let refreshed = app.guest().post("/api/v1/auth/refresh", json!({ "refresh_token": refresh })).await;
    assert_snapshot!(refreshed.refusal(), @"401 session_revoked");
    for client in [&ana, &bob] {
        assert_eq!(client.get("/api/v1/users/me").await.status, "200 OK");
    }
    assert_snapshot!(login(&app, PASSWORD).await.refusal(), @"401 invalid_credentials");
    assert_snapshot!(login(&app, NEW).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_change_of_password_follows_the_rules() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    let with = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    assert_snapshot!(change(&app.guest(), "ana", with(PASSWORD, NEW)).await.refusal(), @"401 authentication_required");
    assert_snapshot!(change(&root, "ana", with(PASSWORD, NEW)).await.refusal(), @"403 forbidden");
    assert_snapshot!(change(&ana, "root", with(PASSWORD, NEW)).await.refusal(), @"403 forbidden");
    assert_snapshot!(change(&ana, "nobody", with(PASSWORD, NEW)).await.refusal(), @"404 not_found");
    assert_snapshot!(change(&ana, "me", json!({})).await.refusal(),
        @"422 validation_failed /current_password required, /new_password required");
    assert_snapshot!(change(&ana, "ANA", with(PASSWORD, "1234")).await.refusal(),
        @"422 validation_failed /new_password too_short, /new_password password_common, /new_password password_numeric");
    assert_snapshot!(change(&ana, "me", with("wrong horse", NEW)).await.refusal(),
        @"422 validation_failed /current_password password_wrong");
    assert_snapshot!(login(&app, PASSWORD).await.status, @"200 OK");
}

#[actix_web::test]
async fn whoever_holds_a_session_cannot_guess_the_password() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let body = json!({ "current_password": "a guess", "new_password": NEW });
    for _ in 0..10 {
        let refusal = change(&ana, "me", body.clone()).await.refusal();
        assert_eq!(refusal, "422 validation_failed /current_password password_wrong");
    }
    app.prolong_waits();
    assert_snapshot!(change(&ana, "me", body).await.refusal(), @"429 too_many_attempts");
    let address = json!({ "email": "new@example.org", "current_password": "a guess" });
    assert_snapshot!(ana.patch("/api/v1/users/me", address).await.refusal(), @"429 too_many_attempts");
    // A login is not affected.
    assert_snapshot!(login(&app, PASSWORD).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_login_hashes_anew_when_parameters_have_risen() {
    let app = TestApp::with(&["--argon2-memory", "19500", "--argon2-passes", "3"]).await;
    let ana = app.member("ana");
    let old = "users WHERE password_hash LIKE '$argon2id$v=19$m=8,t=1,p=1$%'";
    let new = "users WHERE password_hash LIKE '$argon2id$v=19$m=19500,t=3,p=1$%'";
    assert_eq!((app.count(old), app.count(new)), (1, 0));
    assert_snapshot!(login(&app, "wrong horse").await.refusal(), @"401 invalid_credentials");
    assert_eq!((app.count(old), app.count(new)), (1, 0));
    assert_snapshot!(login(&app, PASSWORD).await.status, @"200 OK");
    assert_eq!((app.count(old), app.count(new)), (0, 1));
    // The password is the same, so sessions do not end.
    assert_snapshot!(ana.get("/api/v1/users/me").await.status, @"200 OK");
    assert_snapshot!(login(&app, PASSWORD).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_queue_that_is_full_is_503_and_no_try() {
    // Hashes are slow, so that the queue of 256 overflows. Clients are in many networks, so that the throttle stops
    // none.
    let flags = ["--argon2-memory", "65536", "--argon2-passes", "3", "--trusted-proxies", "127.0.0.1"];
    let app = TestApp::with(&flags).await;
    let guest = app.guest();
    let tries = (0..330).map(|number| {
        let body = json!({ "login": format!("nobody{number}"), "password": "x" });
        let from = format!("10.{}.{}.1", number / 250, number % 250);
        let request =
            guest.request(Method::POST, "/api/v1/auth/login").header("x-forwarded-for", from).json(&body);
        Box::pin(async move {
            let answer = send(request).await;
            // The other attempts wait for longer than this test runs.
            if answer.status == "401 Unauthorized" { std::future::pending().await } else { answer }
        })
    });
    let (answer, _, waiting) = futures_util::future::select_all(tries).await;
    assert_eq!((answer.refusal().as_str(), answer.header("retry-after")), ("503 busy", "1"));
    // Meanwhile a read is served, and the waiting attempts are not counted by the throttle.
    assert_snapshot!(guest.get("/api/v1/posts").await.status, @"200 OK");
    let counted = app.count("throttle_buckets");
    assert!((1..40).contains(&counted), "{counted}");
    // The metrics show what waits for a thread, what runs, and what was rejected.
    let of = |told: &Told, name| told.number(&format!("worker_{name}{{workers=\"passwords\"}}"));
    let told = Told::when(&app, "one is being checked", |told| of(told, "running") > 0).await;
    let (queued, running, threads) = (of(&told, "queue"), of(&told, "running"), of(&told, "threads"));
    assert!((200..=256 + threads + 1).contains(&queued), "{queued} wait");
    assert!(running <= threads, "{running} of {threads}");
    assert!(of(&told, "refused_total") > 0, "{told:?}");
    drop(waiting);
}

#[actix_web::test]
async fn parallel_changes_of_one_password_leave_one_of_them() {
    let app = TestApp::new().await;
    let sessions: Vec<Client> = (0..6).map(|_| app.member("ana")).collect();
    let changes = sessions.iter().enumerate().map(|(number, client)| {
        let body = json!({ "current_password": PASSWORD, "new_password": format!("{NEW} {number}") });
        async move { change(client, "me", body).await.status }
    });
    let statuses = join_all(changes).await;
    assert_eq!(statuses.iter().filter(|status| *status == "204 No Content").count(), 1, "{statuses:?}");
    assert_eq!(app.count("sessions"), 1);
}

/// Start a request, wait until it waits for a row that another transaction has locked, commit that transaction, and
/// return the response.
async fn answered_after(
    app: &TestApp,
    change: &str,
    request: impl Future<Output = Answer> + 'static,
) -> Answer {
    let mut blocker = app.lock(change);
    let waiting = actix_web::rt::spawn(request);
    let waits = format!(
        "pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM {LOCKS} WHERE relation = 'users'::regclass)"
    );
    app.eventually("the request waits", || app.count(&waits) > 0).await;
    blocker.batch_execute("COMMIT").expect("a commit");
    waiting.await.expect("no panic")
}

#[actix_web::test]
async fn a_password_that_changes_meanwhile_opens_nothing_any_more() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let change = "UPDATE users SET password_hash = password_hash || 'x'";
    let guest = app.guest();
    let body = json!({ "login": "ana", "password": PASSWORD });
    let login = answered_after(&app, change, async move { guest.post("/api/v1/auth/login", body).await });
    assert_snapshot!(login.await.refusal(), @"401 invalid_credentials");
    assert_eq!(app.count("sessions"), 1, "hers of before");

    app.sql("UPDATE users SET password_hash = rtrim(password_hash, 'x')");
    let wish = json!({ "email": "new@example.org", "current_password": PASSWORD });
    let address = answered_after(&app, change, async move { ana.patch("/api/v1/users/me", wish).await });
    assert_snapshot!(address.await.refusal(), @"422 validation_failed /current_password password_wrong");
    assert_eq!(app.count("account_tokens"), 0);
}
