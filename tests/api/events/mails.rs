//! Mails to administrators about new posts.

use insta::assert_snapshot;
use serde_json::json;

use crate::app::TestApp;
use crate::client::Client;
use crate::smtp::{Mail, SmtpServer};

/// End the digest window, during which posts are collected for one mail.
fn gathered(app: &TestApp) {
    app.sql(
        "UPDATE jobs SET due_at = now() WHERE kind = 'mail.new_posts'; SELECT pg_notify(channel(), 'jobs')",
    );
}

async fn post(client: &Client, title: &str) {
    let made = client.post("/api/v1/posts", json!({ "title": title })).await;
    assert_eq!(made.status, "201 Created", "{}", made.json());
}

/// Wait until every mail is sent, and return all, by recipient.
async fn mails(app: &TestApp, smtp: &SmtpServer) -> Vec<Mail> {
    app.published().await;
    gathered(app);
    app.idle().await;
    let mut mails = smtp.mails();
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    mails
}

/// Insert `count` posts of a user with one statement: `Post 1`, `Post 2`.
fn post_many(app: &TestApp, name: &str, count: i32) {
    app.sql(&format!(
        "INSERT INTO posts (slug, title, content, writer_id)
         SELECT '{name}-' || n, 'Post ' || n, '', (SELECT id FROM users WHERE username = '{name}')
         FROM generate_series(1, {count}) AS n"
    ));
}

#[actix_web::test]
async fn a_post_is_told_to_each_administrator_with_title_writer_and_link() {
    let smtp = SmtpServer::start();
    let admins = "root@example.org, Admin@Example.org,root@example.org";
    let app = TestApp::with(&["--smtp-url", &smtp.url(), "--admins", admins]).await;
    post(&app.member("ana"), "Ada Lovelace").await;
    let mails = mails(&app, &smtp).await;
    let to: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_snapshot!(to.join(", "), @"Admin@Example.org, root@example.org");
    for mail in &mails {
        assert_eq!((mail.subject.as_str(), &mail.text), ("New posts at Plaza", &mails[0].text));
        assert_eq!(mail.link(), format!("{}/api/v1/posts/ada-lovelace", app.base));
        assert!(mail.html.contains(&format!("href=\"{}\"", mail.link())), "{}", mail.html);
    }
    assert_snapshot!(mails[0].text.replace(&app.base, "http://plaza"), @"
    Hello administrator,

    There is a new post at Plaza:

    “Ada Lovelace” by ana:
    http://plaza/api/v1/posts/ada-lovelace
    ");
}

#[actix_web::test]
async fn a_link_leads_to_the_application_where_there_is_one() {
    let smtp = SmtpServer::start();
    let flags =
        ["--smtp-url", &smtp.url(), "--admins", "root@example.org", "--app-url", "https://app.example/x/"];
    let app = TestApp::with(&flags).await;
    post(&app.member("ana"), "Ada").await;
    assert_snapshot!(mails(&app, &smtp).await[0].link(), @"https://app.example/x/posts/ada");
}

#[actix_web::test]
async fn many_posts_at_once_are_one_mail_that_names_twenty() {
    let smtp = SmtpServer::start();
    let app = TestApp::with(&["--smtp-url", &smtp.url(), "--admins", "a@example.org,b@example.org"]).await;
    app.member("ana");
    post_many(&app, "ana", 20);
    let first = mails(&app, &smtp).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].text.lines().filter(|line| line.starts_with("http")).count(), 20);
    assert!(!first[0].text.contains("more"), "{}", first[0].text);

    app.member("bob");
    post_many(&app, "bob", 1);
    app.published().await;
    // Posts that another statement inserts are in the same digest.
    post_many(&app, "eve", 0);
    app.member("eve");
    post_many(&app, "eve", 600);
    let all = mails(&app, &smtp).await;
    assert_eq!(all.len(), 4);
    let second =
        all.iter().find(|mail| mail.to == "b@example.org" && mail.text.contains("by bob")).expect("it");
    assert_eq!(second.text.lines().filter(|line| line.starts_with("http")).count(), 20);
    assert!(second.text.contains("There are 581 more, which this mail does not list."), "{}", second.text);
    assert!(second.text.contains("“Post 19” by eve:") && !second.text.contains("“Post 20” by eve:"));
}

#[actix_web::test]
async fn without_administrators_nobody_is_written_to() {
    for flags in [&[] as &[&str], &["--admins", ""], &["--admins", " , "]] {
        let smtp = SmtpServer::start();
        let url = smtp.url();
        let app = TestApp::with(&[&["--smtp-url", &url], flags].concat()).await;
        post(&app.member("ana"), "Ada").await;
        app.published().await;
        assert_eq!(app.count("jobs"), 0, "{flags:?}");
        assert_eq!(smtp.mails().len(), 0, "{flags:?}");
    }
}

#[actix_web::test]
async fn posts_of_who_has_gone_are_left_out() {
    let smtp = SmtpServer::start();
    let app = TestApp::with(&["--smtp-url", &smtp.url(), "--admins", "root@example.org"]).await;
    let (ana, bob, eve) = (app.member("ana"), app.member("bob"), app.member("eve"));
    post(&ana, "Hush").await;
    post(&bob, "Bell").await;
    app.published().await;
    ana.delete("/api/v1/users/me").await;
    let told = mails(&app, &smtp).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("“Bell” by bob:"), "{}", told[0].text);
    assert!(!told[0].raw.contains("Hush") && !told[0].text.contains("ana"), "{}", told[0].raw);
    assert!(told[0].text.contains("There is a new post"), "{}", told[0].text);
    // If no post is left, no mail is sent.
    post(&eve, "Hush").await;
    app.published().await;
    eve.delete("/api/v1/users/me").await;
    assert_eq!(mails(&app, &smtp).await.len(), 1);
    assert_eq!(app.count("jobs"), 0);
}

#[actix_web::test]
async fn an_administrator_who_is_refused_holds_up_no_other() {
    let smtp = SmtpServer::start();
    smtp.refuse("a@example.org", 550);
    let app = TestApp::with(&["--smtp-url", &smtp.url(), "--admins", "a@example.org,b@example.org"]).await;
    post(&app.member("ana"), "Ada").await;
    let told = mails(&app, &smtp).await;
    assert_eq!(told.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["b@example.org"]);
    assert_eq!(app.count("jobs WHERE failed_at IS NOT NULL AND kind = 'mail.administrator'"), 1);
}

#[actix_web::test]
async fn titles_do_no_harm() {
    let smtp = SmtpServer::start();
    let app = TestApp::with(&["--smtp-url", &smtp.url(), "--admins", "root@example.org"]).await;
    let ana = app.member("ana");
    for title in
        ["<b onload=\"x\">Bold</b> & 'so' on", "Ada\r\n.\r\nBcc: eve@example.org\n\nhttp://evil.example/"]
    {
        post(&ana, title).await;
    }
    let told = mails(&app, &smtp).await;
    let [mail] = told.as_slice() else { panic!("one mail: {told:?}") };
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("root@example.org", "New posts at Plaza"));
    assert!(!mail.html.contains("<b ") && !mail.html.contains("onload=\""), "{}", mail.html);
    assert!(mail.html.contains("&lt;b onload=&quot;x&quot;&gt;"), "{}", mail.html);
    let text = mail.text.replace(&app.base, "http://plaza");
    assert!(!text.lines().any(|line| line.starts_with("Bcc") || line.starts_with("http://evil")), "{text}");
    assert_eq!(mail.link(), format!("{}/api/v1/posts/b-onload-x-bold-b-so-on", app.base));
}
