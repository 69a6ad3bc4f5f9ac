//! The outbox: each job is done at least once, is retried, and runs on any live node. Also the purging of old rows.

use insta::assert_snapshot;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};
use crate::smtp::SmtpServer;

async fn register(app: &TestApp, name: &str) {
    let email = format!("{name}@example.org");
    let body = json!({ "username": name, "email": email, "password": PASSWORD });
    assert_eq!(app.guest().post("/api/v1/users", body).await.status, "201 Created");
}

#[actix_web::test]
async fn a_mail_that_is_refused_for_now_is_sent_again() {
    let smtp = SmtpServer::start();
    smtp.refuse_next(1, 451);
    let app = TestApp::with(&["--smtp-url", &smtp.url()]).await;
    register(&app, "ana").await;
    // The delay before the next attempt is two seconds.
    assert_eq!(smtp.next().await.to, "ana@example.org");
    app.idle().await;
    assert_eq!((smtp.mails().len(), app.count("jobs")), (1, 0));
}

#[actix_web::test]
async fn a_mail_that_is_refused_for_good_is_given_up_and_holds_nothing_up() {
    let smtp = SmtpServer::start();
    smtp.refuse("ana@example.org", 550);
    let app = TestApp::with(&["--smtp-url", &smtp.url()]).await;
    register(&app, "ana").await;
    register(&app, "bob").await;
    assert_eq!(smtp.next().await.to, "bob@example.org");
    app.idle().await;
    let given_up = "jobs WHERE failed_at IS NOT NULL AND attempts = 1 AND last_error LIKE '%550%' \
                    AND last_error NOT LIKE '%ana%'";
    assert_eq!(app.count(given_up), 1);
}

#[actix_web::test]
async fn what_is_rolled_back_sends_nothing_and_who_is_deleted_gets_nothing() {
    let smtp = SmtpServer::start();
    smtp.refuse_next(1000, 451);
    let app = TestApp::with(&["--smtp-url", &smtp.url()]).await;
    register(&app, "ana").await;
    let body = json!({ "username": "ana", "email": "other@example.org", "password": PASSWORD });
    assert_snapshot!(app.guest().post("/api/v1/users", body).await.status, @"409 Conflict");
    assert_eq!(app.count("jobs"), 1);
    assert_snapshot!(app.member("ana").delete("/api/v1/users/me").await.status, @"200 OK");
    assert_eq!(app.count("jobs"), 0);
}

#[actix_web::test]
async fn a_job_is_taken_alone_whatever_the_planner_knows() {
    let app = TestApp::new().await;
    for number in 0..20 {
        let picture = crate::pictures::jpeg(20, 20);
        let client = app.member(&format!("user{number}"));
        let answer = client.upload("/api/v1/profiles/me/avatar", "avatar", picture).await;
        assert_eq!(answer.status, "200 OK");
    }
    // The usual state of an outbox. For an empty table the planner prefers other plans.
    app.sql("ANALYZE jobs");
    app.sql("UPDATE profiles SET avatar_key = NULL");
    // A job that was claimed but not done becomes due again after a minute.
    app.idle().await;
    assert_eq!((app.files(), app.count("files")), (Vec::new(), 0));
}

#[actix_web::test]
async fn nodes_share_the_work_and_send_nothing_twice() {
    let smtp = SmtpServer::start();
    let url = smtp.url();
    let flags = ["--smtp-url", &url, "--throttle", "off"];
    let one = TestApp::with(&flags).await;
    let _two = one.beside(&flags);
    futures_util::future::join_all((0..20).map(|n| {
        let one = &one;
        async move { register(one, &format!("user{n}")).await }
    }))
    .await;
    one.idle().await;
    let mut addresses: Vec<String> = smtp.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(addresses.len(), 20, "{addresses:?}");
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 20, "one of them got two");
}

#[actix_web::test]
async fn a_job_of_a_newer_version_waits_for_it() {
    let app = TestApp::new().await;
    app.sql("INSERT INTO jobs (kind, payload) VALUES ('future.kind', '{}')");
    register(&app, "ana").await;
    app.mails(1).await;
    assert_eq!(app.count("jobs WHERE attempts = 0 AND kind = 'future.kind'"), 1);
}

#[actix_web::test]
async fn what_has_had_its_time_is_purged_in_batches() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.sql(
        "INSERT INTO sessions (id, user_id, token_hash, user_agent, ip, expires_at)
             SELECT n, (SELECT id FROM users), '', '', '', now() - interval '1 second' FROM generate_series(1, 1200) AS n;
         INSERT INTO account_tokens (id, user_id, purpose, email, email_key, token_hash, expires_at)
             SELECT n, (SELECT id FROM users), 'reset_password', 'x', 'x', '', now() FROM generate_series(1, 10) AS n;
         INSERT INTO throttle_buckets (key, attempts, last_at, blocked_until) VALUES
             ('old', 3, now() - interval '3 hours', now() - interval '3 hours'), ('new', 3, now(), now());
         INSERT INTO login_prefixes (user_id, prefix, last_login_at)
             SELECT id, 'x', now() - interval '91 days' FROM users;
         INSERT INTO idempotency_keys (caller, route, key, owner_id, digest, status, body, expires_at)
             SELECT 1, '', 'old', id, '', 201, '', now() FROM users;
         INSERT INTO idempotency_keys (caller, route, key, owner_id, digest, status, body, expires_at)
             SELECT 1, '', 'new', id, '', 201, '', now() + interval '1 day' FROM users;
         INSERT INTO jobs (kind, payload, failed_at) VALUES
             ('x', '{}', now() - interval '31 days'), ('y', '{}', now() - interval '29 days');",
    );
    // The node's own sweep may have begun already. When both are finished, everything is purged.
    app.app.housekeeping().sweep().await.expect("a sweep");
    let left = |table: &str| app.count(table);
    assert_eq!(left("sessions"), 1);
    assert_eq!((left("account_tokens"), left("login_prefixes")), (0, 0));
    assert_eq!(left("throttle_buckets WHERE key = 'old'"), 0);
    assert_eq!(left("throttle_buckets WHERE key = 'new'"), 1);
    assert_eq!((left("idempotency_keys"), left("idempotency_keys WHERE key = 'new'")), (1, 1));
    assert_eq!((left("jobs"), left("jobs WHERE kind = 'y'")), (1, 1));
    assert_eq!(ana.get("/api/v1/users/me").await.status, "200 OK");
}
