//! Mail over a real SMTP server.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use plaza::events::mail::{Letter, MailError, MailSettings, Mailer, Step, letters};

use crate::app::PATIENCE;
use crate::smtp::SmtpServer;

const LINK: &str = "https://plaza.example/api/v1/confirm?user=7&token=aGVsbG8td29ybGQ-_0123456789_0123456789";

fn mailer(url: Option<String>, folder: &Path) -> Mailer {
    let from = "Plaza <plaza@localhost>".into();
    Mailer::open(&MailSettings { smtp_url: url, from, folder: folder.into(), deadline: PATIENCE })
        .expect("settings that can be used")
}

fn over_smtp(url: String) -> Mailer {
    mailer(Some(url), Path::new("/nowhere"))
}

fn letter(to: &str) -> Letter {
    letters::reset_password("zoë.漢字", LINK, Duration::from_mins(30)).to(to)
}

#[actix_web::test]
async fn a_mail_arrives_with_both_parts() {
    let server = SmtpServer::start();
    let letter = letter("ana@example.com");
    over_smtp(server.url()).send(&letter).await.unwrap();

    let mail = server.next().await;
    assert_eq!((mail.to.as_str(), mail.from.as_str()), ("ana@example.com", "plaza@localhost"));
    assert_eq!((&mail.subject, mail.text.trim_end()), (&letter.subject, letter.text.trim_end()));
    assert_eq!(mail.html.trim_end(), letter.html.trim_end());
    assert_eq!((mail.link(), mail.user.as_deref()), (LINK, None));
    assert!(
        mail.raw.is_ascii() && mail.raw.contains("Content-Transfer-Encoding: quoted-printable"),
        "{}",
        mail.raw
    );
    assert!(mail.raw.contains("\r\nMessage-ID: <") && mail.raw.contains("@localhost>\r\n"), "{}", mail.raw);
    assert_eq!(server.mails().len(), 1);
}

#[actix_web::test]
async fn mails_come_in_order_and_are_waited_for() {
    let server = SmtpServer::start();
    let mailer = over_smtp(server.url());
    let sent = async {
        for to in ["ana@example.com", "bob@example.com"] {
            mailer.send(&letter(to)).await.unwrap();
        }
    };
    let (first, second, bob, ()) =
        tokio::join!(server.next(), server.next(), server.mail_for("bob@example.com"), sent);
    assert_eq!([first.to, second.to, bob.to], ["ana@example.com", "bob@example.com", "bob@example.com"]);
}

#[actix_web::test]
async fn a_recipient_is_refused_for_good_or_for_now() {
    let server = SmtpServer::start();
    server.refuse("ana@example.com", 550);
    let mailer = over_smtp(server.url());
    let error = mailer.send(&letter("ana@example.com")).await.unwrap_err();
    assert!(error.is_permanent());
    assert_eq!(error.to_string(), "the SMTP server rejected the recipient: 550 5.1.1");
    assert!(!format!("{error:?}").contains("ana@"), "{error:?}");

    server.refuse_next(2, 451);
    for _ in 0..2 {
        let error = mailer.send(&letter("bob@example.com")).await.unwrap_err();
        assert!(!error.is_permanent());
        assert_eq!(error.to_string(), "the SMTP server rejected the recipient: 451 4.1.1");
    }
    mailer.send(&letter("bob@example.com")).await.unwrap();
    assert_eq!(server.next().await.to, "bob@example.com");
}

#[actix_web::test]
async fn a_server_that_is_away_is_not_for_good() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mailer = over_smtp(format!("smtp://{closed}"));
    for error in
        [mailer.send(&letter("ana@example.com")).await.unwrap_err(), mailer.probe().await.unwrap_err()]
    {
        assert!(!error.is_permanent());
        assert!(
            error.to_string().starts_with("cannot communicate with the SMTP server: Connection refused"),
            "{error}"
        );
    }
}

#[actix_web::test]
async fn a_server_without_tls_is_not_spoken_to_where_it_is_asked_for() {
    let server = SmtpServer::start();
    for url in [server.url().replace("smtp:", "smtps:"), format!("{}?tls=required", server.url())] {
        let error = over_smtp(url).send(&letter("ana@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Connection(_)) && !error.is_permanent(), "{error}");
    }
    over_smtp(format!("{}?tls=opportunistic", server.url())).send(&letter("ana@example.com")).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[actix_web::test]
async fn the_password_in_the_url_is_used() {
    let server = SmtpServer::start();
    server.require_login("plaza@example.com", "p:ss/w@rd");
    let mailer = over_smtp(server.url_of("plaza%40example.com", "p%3Ass%2Fw%40rd"));
    assert_eq!(
        mailer.probe().await.unwrap(),
        "the SMTP server responds and accepts the password, not encrypted"
    );
    mailer.send(&letter("ana@example.com")).await.unwrap();
    assert_eq!(server.next().await.user.as_deref(), Some("plaza@example.com"));

    // An administrator can correct a wrong password, so the mail may wait.
    for (url, step) in [(server.url_of("plaza", "wrong"), Step::Login), (server.url(), Step::Sender)] {
        let error = over_smtp(url).send(&letter("ana@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Refused { refused, .. } if refused == step), "{error}");
        assert!(!error.is_permanent(), "{error}");
    }
}

#[actix_web::test]
async fn a_probe_sends_nothing() {
    let server = SmtpServer::start();
    assert_eq!(over_smtp(server.url()).probe().await.unwrap(), "the SMTP server responds, not encrypted");
    assert!(server.mails().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let answer = mailer(None, folder.path()).probe().await.unwrap();
    assert_eq!(
        answer,
        format!("no SMTP server is set; mails are written to files in {}", folder.path().display())
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn addresses_beyond_ascii_arrive() {
    let server = SmtpServer::start();
    let mailer = over_smtp(server.url());
    for (to, arrives_at) in [
        ("zoë@example.com", "zoë@example.com"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
    ] {
        mailer.send(&letter(to)).await.unwrap();
        let mail = server.next().await;
        assert_eq!((mail.to.as_str(), mail.link()), (arrives_at, LINK));
    }
}

#[actix_web::test]
async fn without_a_server_a_mail_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(None, folder.path());
    mailer.send(&letter("ana@example.com")).await.unwrap();
    let files =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let mail = std::fs::read(file).unwrap();
    let mail = mail_parser::MessageParser::new().parse(&mail).unwrap();
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ana@example.com"));
    assert!(mail.body_text(0).unwrap().lines().any(|line| line == LINK));
    assert!(!file.to_string_lossy().contains("ana@"));

    let error = mailer.send(&letter("nobody")).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
}

#[test]
fn a_mailer_needs_no_runtime_to_be_made() {
    drop(over_smtp("smtps://plaza:password@mail.example".into()));
}
