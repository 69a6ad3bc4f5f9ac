//! The log of a working program with default settings: it records what happens, and contains no secrets.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::smtp::SmtpServer;
use crate::support::{Client, PASSWORD, Place, Plaza, eventually, log, pair};

const FORMATS: [&str; 2] = ["text", "json"];
/// The domain of every mail address in these tests.
const DOMAIN: &str = "@example.org";

/// What must not appear in the log.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn keep(&mut self, secret: &str) -> String {
        assert!(secret.len() >= 8, "nothing that could stand there by chance: {secret}");
        self.0.push(secret.to_owned());
        secret.to_owned()
    }

    /// Keep both tokens, and the parts of the access token.
    fn pair(&mut self, tokens: &Value) -> (String, String) {
        let (access, refresh) = pair(tokens);
        for part in access.split('.').skip(1).chain([refresh.as_str()]) {
            self.keep(part);
        }
        (access, refresh)
    }

    /// Assert that none of them is in the program's log or in its database's log.
    fn are_kept(&self, mut plaza: Plaza, place: &Place) -> String {
        plaza.signal(libc::SIGTERM);
        assert!(plaza.wait().success(), "a stop is no failure");
        // This is the last line, so nothing is left to read.
        plaza.says("stopped");
        let said = plaza.said();
        for text in [&said, &log(place.data())] {
            for secret in &self.0 {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "it tells {secret}");
            }
        }
        said
    }
}

#[test]
fn the_log_holds_no_secret_of_an_account() {
    for format in FORMATS {
        let place = Place::embedded();
        let flags = ["--log-format", format, "--refresh-grace", "0ms", "--refresh-repeat", "0ms"];
        let plaza = place.serve_with(flags);
        let mut secrets = Secrets::default();
        secrets.keep(DOMAIN);
        let client = plaza.client();
        registers(&client, &mut secrets);
        let confirmation = token(&place, &mut secrets, "/confirm-email?");
        confirms(&client, "/api/v1/auth/email-verification/confirm", json!({ "token": confirmation }));
        let (access, refresh) = logs_in(&client, &mut secrets);
        asks_strangely(&plaza, &mut secrets, &access);
        refreshes(&client, &mut secrets, refresh);
        resets(&client, &place, &mut secrets);
        changes(&plaza, &place, &mut secrets);

        let said = secrets.are_kept(plaza, &place);
        for route in ["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/password-reset/confirm"] {
            assert!(said.contains(route), "it tells what was asked for: {route}");
        }
        let mails = mails(&place).len();
        assert_eq!(said.matches("was written to a file").count(), mails, "and where each mail is");
        assert_eq!(said.lines().all(|line| line.starts_with('{')), format == "json", "in the wanted format");
    }
}

#[test]
fn the_log_of_mails_that_do_not_leave_holds_neither_address_nor_password_nor_token() {
    for format in FORMATS {
        let place = Place::embedded();
        let server = SmtpServer::start();
        let mut secrets = Secrets::default();
        secrets.keep(DOMAIN);
        // No client sees the tokens. But a log that contained a token would contain its link.
        secrets.keep("/confirm-email");
        let password = secrets.keep("pa55word-of-the-server");
        server.require_login("plaza", &password);
        server.refuse("nobody@example.org", 550);
        server.refuse("later@example.org", 451);
        let url = server.url_of("plaza", &password);
        let flags = ["--log-format", format].into_iter();
        let plaza = place.serve_with(flags.clone().chain(["--smtp-url", &url]));
        plaza.client().register("later").expect(201);
        plaza.says("a job failed");
        plaza.client().register("nobody").expect(201);
        plaza.says("a job is given up");
        let said = secrets.are_kept(plaza, &place);
        for code in ["451", "550"] {
            assert!(said.contains(&format!("rejected the recipient: {code}")), "it tells the cause: {said}");
        }

        // First a wrong password, then no server at all. The mail is still in the outbox.
        let wrong = server.url_of("plaza", &secrets.keep("another-pa55word"));
        let away = wrong.replace(&server.url()["smtp://".len()..], "127.0.0.1:9");
        for (url, cause) in
            [(wrong, "rejected the user or password"), (away, "cannot communicate with the SMTP server")]
        {
            let plaza = place.serve_with(flags.clone().chain(["--smtp-url", &url]));
            plaza.sql("update jobs set due_at = now()");
            plaza.client().register(&format!("user{}", cause.len())).expect(201);
            plaza.says("a job failed");
            let errors = plaza.sql("select string_agg(last_error, ' ') from jobs");
            assert!(errors.contains(cause), "the table tells the cause: {errors}");
            assert!(!errors.contains(DOMAIN), "but not whom it was for: {errors}");
            let said = secrets.are_kept(plaza, &place);
            assert!(said.contains(cause), "and so does the log: {said}");
        }
        assert_eq!(server.mails().len(), 0, "none has left");
    }
}

/// Register correctly, with a taken name, and with invalid fields.
fn registers(client: &Client, secrets: &mut Secrets) {
    secrets.keep(PASSWORD);
    client.register("ana").expect(201);
    client.register("ana").expect(409);
    let taken = json!({ "username": "other", "email": "ANA@example.org", "password": PASSWORD });
    client.post("/api/v1/users", &taken).expect(409);
    let number = secrets.keep("8273645546372");
    let faulty = json!({ "username": "ben", "email": "ben@example.org", "password": number });
    client.post("/api/v1/users", &faulty).expect(422);
    let member = secrets.keep("a member that nobody knows");
    let unknown = json!({ "username": "ben", "email": "ben@example.org", "passwort": member });
    client.post("/api/v1/users", &unknown).expect(422);
}

/// Log in by name and by address, with wrong passwords, and with a body that is not JSON.
fn logs_in(client: &Client, secrets: &mut Secrets) -> (String, String) {
    let wrong = secrets.keep("a wrong password");
    client.log_in("ana", &wrong).expect(401);
    client.log_in("stranger@example.org", &wrong).expect(401);
    let list = json!({ "login": "ana@example.org", "password": [secrets.keep("a password in a list")] });
    client.post("/api/v1/auth/login", &list).expect(422);
    let broken =
        format!("{{\"login\": \"ana@example.org\", \"password\": \"{}", secrets.keep("half a password"));
    let request =
        client.request(Method::POST, "/api/v1/auth/login").header("content-type", "application/json");
    client.send(request.body(broken)).expect(400);
    secrets.pair(&client.log_in("ana", PASSWORD).expect(200).json());
    secrets.pair(&client.log_in("ana@example.org", PASSWORD).expect(200).json())
}

/// Send secrets in places where they do not belong.
fn asks_strangely(plaza: &Plaza, secrets: &mut Secrets, access: &str) {
    let client = plaza.client().with_token(access);
    client.get("/api/v1/users/me").expect(200);
    client.get(&format!("/api/v1/posts?access_token={access}")).expect(400);
    client.get(&format!("/api/v1/{access}")).expect(404);
    client.get("/api/v1/users/ana@example.org").expect(404);
    client.get("/reset-password?token=of-a-mail-that-somebody-opened-here").expect(200);
    secrets.keep("of-a-mail-that-somebody-opened-here");
    let basic = secrets.keep(&STANDARD.encode(format!("ana:{PASSWORD}")));
    let client = plaza.client();
    for header in [format!("Basic {basic}"), format!("Bearer {basic}"), format!("Bearer {access}x")] {
        let request = client.request(Method::GET, "/api/v1/posts").header("authorization", header);
        client.send(request).expect(401);
    }
}

/// Refresh twice, then once more with the first token.
fn refreshes(client: &Client, secrets: &mut Secrets, first: String) {
    let refresh = |token: &str| client.post("/api/v1/auth/refresh", &json!({ "refresh_token": token }));
    let (_, second) = secrets.pair(&refresh(&first).expect(200).json());
    let (_, third) = secrets.pair(&refresh(&second).expect(200).json());
    refresh(&first).expect(401);
    refresh(&third).expect(401);
    refresh(&secrets.keep("made-up-refresh-token")).expect(401);
}

fn resets(client: &Client, place: &Place, secrets: &mut Secrets) {
    for email in ["ana@example.org", "stranger@example.org"] {
        client.post("/api/v1/auth/password-reset", &json!({ "email": email })).expect(202);
    }
    let token = token(place, secrets, "/reset-password?");
    let body = json!({ "token": token, "new_password": secrets.keep("a new horse battery") });
    confirms(client, "/api/v1/auth/password-reset/confirm", body);
}

/// Use a mail's token, which is valid once.
fn confirms(client: &Client, path: &str, body: Value) {
    client.post(path, &body).expect(204);
    assert_eq!(client.post(path, &body).expect(422).json()["code"], "token_invalid");
}

/// Change the password and the address.
fn changes(plaza: &Plaza, place: &Place, secrets: &mut Secrets) {
    let client = plaza.client();
    let (access, _) = secrets.pair(&client.log_in("ana", "a new horse battery").expect(200).json());
    let client = client.with_token(&access);
    let path = "/api/v1/users/me/password";
    let wrong = json!({ "current_password": PASSWORD, "new_password": secrets.keep("the newest battery") });
    client.send(client.request(Method::PUT, path).json(&wrong)).expect(422);
    let right = json!({ "current_password": "a new horse battery", "new_password": "the newest battery" });
    client.send(client.request(Method::PUT, path).json(&right)).expect(204);
    let body = json!({ "email": "ana.new@example.org", "current_password": "the newest battery" });
    client.send(client.request(Method::PATCH, "/api/v1/users/me").json(&body)).expect(200);
    let confirmation = token(place, secrets, "To: ana.new@example.org");
    confirms(&client, "/api/v1/auth/email-verification/confirm", json!({ "token": confirmation }));
    eventually("every mail is a file", || (plaza.sql("select count(*) from jobs") == "0").then_some(()));
}

/// Wait for the mail that contains these words, and return its token.
fn token(place: &Place, secrets: &mut Secrets, words: &str) -> String {
    let mail =
        eventually("the mail is a file", || mails(place).into_iter().find(|mail| mail.contains(words)));
    assert!(mail.contains(DOMAIN), "it is to somebody");
    let link = mail.lines().find(|line| line.starts_with("http")).expect("a link");
    secrets.keep(link.trim_end().split_once("token=").expect("a token").1)
}

/// Every mail that was written to a file. The folder is created with the first one.
fn mails(place: &Place) -> Vec<String> {
    let files = fs::read_dir(place.data().join("mail")).into_iter().flatten().flatten();
    files
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"))
        .map(|file| fs::read_to_string(file.path()).expect("a mail"))
        .collect()
}
