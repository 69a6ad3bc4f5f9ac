//! Mails are sent even if the node that was to send them dies, and each is sent once.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::json;

use crate::smtp::{Mail, SmtpServer};
use crate::support::{Frozen, Nodes, Place, Plaza, SECRET, at_once, eventually};

/// More than the maximum number of attempts.
const ALWAYS: usize = 1_000_000;

#[test]
fn the_mail_of_a_registration_survives_the_end_of_its_node() {
    // Immediately after the response.
    survives("ana", Plaza::kill);
    // The first attempt has failed, and everything is killed at the same time.
    survives("ben", |plaza| {
        plaza.says("a job failed");
        plaza.kill_all();
    });
}

fn survives(name: &str, ends: impl FnOnce(Plaza)) {
    let (refusing, taking) = (SmtpServer::start(), SmtpServer::start());
    refusing.refuse_next(ALWAYS, 451);
    let place = Place::embedded();
    let serve = |server: &SmtpServer| place.serve_with(["--smtp-url", &server.url()]);
    let plaza = serve(&refusing);
    plaza.client().register(name).expect(201);
    ends(plaza);
    assert_eq!(refusing.mails().len(), 0, "it cannot have left");

    let plaza = serve(&taking);
    // A node that was killed during an attempt holds the job for a minute. This ends the minute.
    let late =
        "select count(*) from jobs where failed_at is not null or due_at > now() + interval '1 minute'";
    assert_eq!(plaza.sql(late), "0", "within a minute it is tried again");
    plaza.sql("update jobs set due_at = now()");
    confirm(&plaza, &mail_for(&taking, name));
    eventually("it is done", || (plaza.sql("select count(*) from jobs") == "0").then_some(()));
    plaza.stop();
}

#[test]
fn two_nodes_send_each_mail_once() {
    const USERS: usize = 30;
    let server = SmtpServer::start();
    let nodes = Nodes::start(&["--throttle", "off", "--smtp-url", &server.url()]);
    // Some of the mails need another attempt.
    server.refuse_next(5, 451);
    at_once(USERS, |number| {
        nodes.turn(number).client().register(&format!("user{number}")).expect(201);
    });
    eventually("nothing is left to do", || (nodes.sql("select count(*) from jobs") == "0").then_some(()));
    // A node that stops finishes the jobs that it has begun.
    nodes.stop();
    let mails = server.mails();
    let recipients: BTreeSet<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    let users: BTreeSet<String> = (0..USERS).map(|number| format!("user{number}@example.org")).collect();
    assert_eq!(recipients, users.iter().map(String::as_str).collect(), "each is written to");
    assert_eq!(mails.len(), USERS, "and nobody twice");
}

#[test]
fn a_mail_that_a_node_has_in_hand_when_it_stands_still_is_sent_by_another() {
    let taking = SmtpServer::start();
    // The kernel accepts connections, but no server ever responds.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("smtp://{}", silent.local_addr().expect("an address"));
    let (first, second) = (Place::new(), Place::new());
    let common = || ["--secret-key", SECRET].into_iter();
    let a = first.serve_with(common().chain(["--smtp-url", &silent_url]));
    a.client().register("ana").expect(201);
    let connection = silent.accept().expect("it begins to send");
    let frozen = Frozen::new(vec![a.pid()]);

    let flags = ["--smtp-url", &taking.url(), "--database-url", a.database_url()];
    let b = second.serve_with(common().chain(flags));
    let taken = "select attempts, due_at between now() and now() + interval '60 seconds' from jobs";
    assert_eq!(a.sql(taken), "1|t", "the first node has it for a minute");
    // End the minute.
    a.sql("update jobs set due_at = now()");
    b.client().post("/api/v1/auth/password-reset", &json!({ "email": "nobody@example.org" })).expect(202);
    let mail = mail_for(&taking, "ana");
    confirm(&b, &mail);
    eventually("it is done", || (a.sql("select count(*) from jobs") == "0").then_some(()));

    // The first node finds that it has lost the job.
    drop(frozen);
    drop(connection);
    drop(silent);
    b.stop();
    a.stop();
    assert_eq!(taking.mails().len(), 1, "it was sent once");
}

/// The mail to this user.
fn mail_for(server: &SmtpServer, name: &str) -> Mail {
    let address = format!("{name}@example.org");
    eventually("the mail comes", || server.mails().into_iter().find(|mail| mail.to == address))
}

/// Confirm the address with the mail's link.
fn confirm(plaza: &Plaza, mail: &Mail) {
    let (_, token) = mail.link().split_once("token=").expect("a link with a token");
    let body = json!({ "token": token });
    plaza.client().post("/api/v1/auth/email-verification/confirm", &body).expect(204);
}

#[test]
fn check_tells_about_mail() {
    let place = Place::new();
    let plaza = place.serve();
    let check = |flags: &[&str]| {
        let ended = place.run(["check"].into_iter().chain(flags.iter().copied()));
        let mail =
            |line: &&str| line.split_once(' ').is_some_and(|(_, rest)| rest.trim().starts_with("mail: "));
        let lines: Vec<&str> = ended.out.lines().filter(mail).collect();
        assert_eq!(lines.len(), 1, "one line tells of mail: {ended:?}");
        (lines[0].to_owned(), ended)
    };
    let succeeds = |flags: &[&str], words: &[&str]| {
        let (line, ended) = check(flags);
        assert_eq!(ended.code, Some(0), "nothing is wrong: {ended:?}");
        assert!(line.starts_with("ok      "), "{line}");
        has(&line, words);
    };
    let fails = |flags: &[&str], words: &[&str]| {
        let (line, ended) = check(flags);
        assert_eq!(ended.code, Some(1), "something is wrong: {ended:?}");
        assert!(line.starts_with("FAILED  "), "{line}");
        let failed = ended.out.lines().filter(|line| !line.starts_with("ok ")).count();
        assert_eq!(failed, 1, "and nothing else: {ended:?}");
        has(&line, words);
        for stream in [&ended.out, &ended.err] {
            assert!(!stream.contains("pa55word"), "no password is told: {ended:?}");
        }
    };
    let folder = place.data().join("mail");
    succeeds(&[], &["no SMTP server", "files", folder.to_str().expect("text")]);

    let server = SmtpServer::start();
    succeeds(&["--smtp-url", &server.url()], &["SMTP server responds"]);
    server.require_login("plaza", "pa55word");
    succeeds(&["--smtp-url", &server.url_of("plaza", "pa55word")], &["accepts the password"]);
    fails(&["--smtp-url", &server.url_of("plaza", "another-pa55word")], &["password", "PLAZA_SMTP_URL"]);

    let away = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("smtp://plaza:pa55word@{away}");
    fails(&["--smtp-url", &url], &["cannot communicate with the SMTP server", "PLAZA_SMTP_URL"]);
    fails(&["--smtp-url", "smtp:pa55word"], &["the host is missing", "PLAZA_SMTP_URL"]);
    fails(&["--mail-from", "nobody"], &["nobody", "PLAZA_MAIL_FROM"]);
    assert_eq!(server.mails().len(), 0, "nothing was sent");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0, "nor is a file left");
    plaza.stop();
}

#[track_caller]
fn has(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "it says `{word}`: {line}");
    }
}
