//! `kill -9` under load: acknowledged writes exist after the restart, and no row names a missing file.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use reqwest::Method;
use serde_json::{Value, json};

use crate::samples;
use crate::soak::many;
use crate::support::{Answer, Client, Place, Plaza, eventually, text, urls_of};

const CLIENTS: usize = 4;

/// What the server has acknowledged to a client about one user.
#[derive(Default)]
struct Person {
    username: String,
    token: Option<String>,
    /// Slugs and contents.
    posts: Vec<(String, String)>,
    avatar: Option<Value>,
    /// An upload got no response: it may or may not have taken effect.
    is_uploading: bool,
}

#[test]
fn a_program_killed_under_load_keeps_every_acknowledged_write() {
    let place = Place::embedded();
    let mut plaza = place.serve_with(["--throttle", "off"]);
    let mut people = Vec::new();
    for (round, enough) in [25, 40, 31, 54].into_iter().take(many(2, 4)).enumerate() {
        let acknowledged = AtomicUsize::new(0);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let (client, acknowledged) = (plaza.client(), &acknowledged);
                    scope.spawn(move || work(client, &format!("r{round}c{number}"), acknowledged))
                })
                .collect();
            eventually("enough is acknowledged", || {
                let is_over = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (is_over || acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            if round % 2 == 0 {
                plaza.kill();
            } else {
                plaza.kill_all();
            }
            people.extend(clients.into_iter().flat_map(|client| client.join().expect("no panic")));
        });
        plaza = place.serve_with(["--throttle", "off"]);
        let before = people.iter().map(|person: &Person| person.posts.len()).sum::<usize>();
        assert!(before > 0, "there is something to lose");
        everything_is_there(&plaza.client(), &people);
        no_row_names_a_missing_file(&plaza, &place);
    }
    let avatars = people.iter().filter(|person| person.avatar.is_some()).count();
    assert!(avatars > CLIENTS, "avatars were uploaded: {avatars}");
    plaza.stop();
}

/// Register, log in, write, upload, and start again, until the program is dead.
fn work(mut client: Client, prefix: &str, acknowledged: &AtomicUsize) -> Vec<Person> {
    let mut people = Vec::new();
    loop {
        let person = Person::new(format!("{prefix}n{}", people.len()));
        if person.live(&mut client, acknowledged, &mut people).is_none() {
            return people;
        }
    }
}

impl Person {
    fn new(username: String) -> Self {
        Self { username, ..Self::default() }
    }

    /// One user's requests; `None` if the program died before the last one. What was acknowledged before counts.
    fn live(mut self, client: &mut Client, acknowledged: &AtomicUsize, people: &mut Vec<Self>) -> Option<()> {
        client.set_token(None);
        sent(client, client.registration(&self.username), 201)?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        let result = self.publish(client, acknowledged);
        people.push(self);
        result
    }

    fn publish(&mut self, client: &mut Client, acknowledged: &AtomicUsize) -> Option<()> {
        let login = json!({ "login": self.username, "password": crate::support::PASSWORD });
        let login = client.request(Method::POST, "/api/v1/auth/login").json(&login);
        let token = text(&sent(client, login, 200)?.json(), "/access_token");
        self.token = Some(token.clone());
        client.set_token(Some(token));
        for number in 0..3 {
            let content = format!("{} writes about {number}", self.username);
            let post = json!({ "title": "One title for all", "content": content, "published": true });
            let post = client.request(Method::POST, "/api/v1/posts").json(&post);
            let post = sent(client, post, 201)?.json();
            self.posts.push((text(&post, "/slug"), content));
            acknowledged.fetch_add(1, Ordering::Relaxed);
            // The second and the third upload replace a picture, whose files are removed.
            let side = 96 + 8 * number;
            self.is_uploading = true;
            let profile = sent(client, client.upload(samples::jpeg(side, side), "me.jpg"), 200)?.json();
            self.is_uploading = false;
            self.avatar = Some(profile["avatar"].clone());
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        Some(())
    }
}

/// The response, which has this status; `None` if the program is dead.
fn sent(client: &Client, request: reqwest::RequestBuilder, status: u16) -> Option<Answer> {
    let answer = client.try_send(request).ok()?;
    Some(answer.expect(status))
}

fn everything_is_there(client: &Client, people: &[Person]) {
    for person in people {
        client.get(&format!("/api/v1/users/{}", person.username)).expect(200);
        for (slug, content) in &person.posts {
            let post = client.get(&format!("/api/v1/posts/{slug}")).expect(200).json();
            assert_eq!(text(&post, "/content"), *content, "the post {slug} is as it was acknowledged");
            assert_eq!(text(&post, "/writer/username"), person.username, "{slug} has its writer");
        }
        let avatar =
            &client.get(&format!("/api/v1/profiles/{}", person.username)).expect(200).json()["avatar"];
        if let Some(acknowledged) = &person.avatar
            && !person.is_uploading
        {
            assert_eq!(avatar, acknowledged, "the avatar of {} is the acknowledged one", person.username);
        }
        assert!(
            person.avatar.is_none() || avatar["is_default"] == false,
            "{} has an avatar: {avatar}",
            person.username
        );
        every_file_answers(client, avatar);
    }
    // A token from before the crash is still valid, and so is the password.
    if let Some(person) = people.iter().rfind(|person| person.token.is_some()) {
        let me = client.request(Method::GET, "/api/v1/users/me");
        let token = person.token.as_deref().expect("it has one");
        let me = client.send(me.bearer_auth(token)).expect(200).json();
        assert_eq!(text(&me, "/username"), person.username, "a token from before is still good");
        client.log_in(&person.username, crate::support::PASSWORD).expect(200);
    }
}

fn every_file_answers(client: &Client, picture: &Value) {
    for url in urls_of(picture) {
        let file = client.get(&url).expect(200);
        assert!(!file.bytes.is_empty(), "{url} is not empty");
        assert!(file.header("content-type").starts_with("image/"), "{url} is a picture");
    }
}

/// Check the rows directly in the database, and every profile through the API.
fn no_row_names_a_missing_file(plaza: &Plaza, place: &Place) {
    let keys = plaza
        .sql("select key from pictures union select avatar_key from profiles where avatar_key is not null");
    for key in keys.lines() {
        let file = fs::metadata(place.media().join(key));
        assert!(file.is_ok_and(|file| file.len() > 0), "a row names {key}, so that file is there");
    }
    let unknown = "select count(*) from profiles left join pictures on key = avatar_key \
                   where avatar_key is not null and key is null";
    assert_eq!(plaza.sql(unknown), "0", "every avatar is a picture");
    assert_eq!(
        plaza.sql("select count(*) from users where id not in (select user_id from profiles)"),
        "0",
        "every user has a profile"
    );

    let client = plaza.client();
    let mut next = Some("/api/v1/profiles?limit=100".to_owned());
    while let Some(path) = next {
        let page = client.get(&path).expect(200).json();
        for profile in page["results"].as_array().expect("a page") {
            if profile["avatar"]["is_default"] == false {
                every_file_answers(&client, &profile["avatar"]);
            }
        }
        next = page["next"].as_str().map(ToOwned::to_owned);
    }
}
