//! `kill -9` two hundred times during uploads: every acknowledged picture is shown, and the store contains nothing
//! else.

use std::mem;
use std::thread;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::cover;
use crate::samples;
use crate::soak::{Random, is_whole, many};
use crate::support::{Client, Frozen, Place, Plaza, SECRET, settled, store_and_rows_agree, text, urls_of};

/// The number of rounds between two full checks.
const LOOK_EVERY: usize = 10;
const CLIENTS: usize = 6;
/// The latest moment of a kill, in milliseconds after the clients begin.
const LATEST: u64 = 120;

/// Few and small variants, since this test is not about encoding.
const FLAGS: [&str; 8] = [
    "--throttle",
    "off",
    "--upload-lease",
    "1s",
    "--avatar-variants",
    "64=fill:64x64,128=fill:128x128",
    "--cover-variants",
    "40=fit:40x,card=fill:64x36",
];

/// Simulates the passing of time: ends the claims of dead nodes. No live node holds any of these.
const LATER: &str = "update files set claimed_until = now() where stored_at is null; \
                     update jobs set due_at = now() where kind = 'media.remove'";

/// What a profile or post shows, as far as the client knows.
enum Shown {
    Nothing,
    This(Value),
    /// A change got no response: it may or may not have taken effect.
    Unknown,
}

/// A user who uploads, and what was acknowledged.
struct Person {
    name: String,
    token: String,
    avatar: Shown,
    /// Slugs and covers.
    posts: Vec<(String, Shown)>,
    acknowledged: usize,
}

/// A node that is restarted again and again, on a database that keeps running.
struct Service<'a> {
    place: &'a Place,
    database: &'a str,
}

#[test]
fn a_node_killed_again_and_again_amid_uploads_keeps_what_it_acknowledged_and_nothing_else() {
    let places = [Place::embedded(), Place::untouched()];
    let database = places[0].serve_with(["--secret-key", SECRET]);
    // Only its database is needed. With this node stopped, the cleanup is left to the killed one.
    let _frozen = Frozen::new(vec![database.pid()]);
    let service = Service { place: &places[1], database: database.database_url() };
    let mut random = Random::seeded();
    let rounds = many(10, 200);

    let mut node = service.start();
    let mut people: Vec<Person> =
        (0..CLIENTS).map(|number| Person::new(&node, &format!("person{number}"))).collect();
    for round in 1..=rounds {
        work_until_killed(node, &mut people, &mut random);
        // In the last round of a full run, the test waits until the claims expire.
        if round % LOOK_EVERY == 0 && !(round == rounds && is_whole()) {
            database.sql(LATER);
        }
        node = service.start();
        if round % LOOK_EVERY == 0 {
            service.is_consistent(&node, &mut people, round);
        }
    }
    let acknowledged: usize = people.iter().map(|person| person.acknowledged).sum();
    assert!(acknowledged > rounds, "something was done in these rounds: {acknowledged}");
    node.stop();
}

/// Let the clients work until the node is killed.
fn work_until_killed(node: Plaza, people: &mut [Person], random: &mut Random) {
    thread::scope(|scope| {
        for person in people {
            let client = node.client().with_token(&person.token);
            let mut random = random.another();
            scope.spawn(move || while person.act(&client, &mut random).is_some() {});
        }
        // At any point of their work.
        thread::sleep(Duration::from_millis(random.below(LATEST)));
        node.kill();
    });
}

impl Service<'_> {
    fn start(&self) -> Plaza {
        let common = ["--secret-key", SECRET, "--database-url", self.database].into_iter();
        self.place.serve_with(common.chain(FLAGS))
    }

    fn is_consistent(&self, node: &Plaza, people: &mut [Person], round: usize) {
        let what = format!("round {round}");
        settled(self.database);
        store_and_rows_agree(self.database, &self.place.media(), &what);
        let client = node.client();
        for person in people {
            person.is_shown(&client, &what);
        }
        // Requesting the files has generated their variants.
        settled(self.database);
        store_and_rows_agree(self.database, &self.place.media(), &what);
    }
}

impl Person {
    fn new(node: &Plaza, name: &str) -> Self {
        let client = node.client();
        client.register(name).expect(201);
        let token = text(&client.log_in(name, crate::support::PASSWORD).expect(200).json(), "/access_token");
        Self { name: name.to_owned(), token, avatar: Shown::Nothing, posts: Vec::new(), acknowledged: 0 }
    }

    /// Make one request; `None` if the node died before it responded.
    fn act(&mut self, client: &Client, random: &mut Random) -> Option<()> {
        let side = 40 + u32::try_from(random.below(60)).expect("a small number");
        match random.below(12) {
            0..=2 => change(client, client.upload(samples::jpeg(side, side), "me.jpg"), &mut self.avatar),
            3 => {
                let request = client.request(Method::DELETE, "/api/v1/profiles/me/avatar");
                change(client, request, &mut self.avatar)
            }
            4 | 5 if self.posts.len() < 4 => self.publish(client, side),
            4..=7 => {
                let Some((slug, shown)) = random.one_of(&mut self.posts) else { return Some(()) };
                let picture = samples::jpeg(side, side);
                let length = picture.len();
                change(client, cover(client, slug, picture, length), shown)
            }
            8 => {
                let Some((slug, shown)) = random.one_of(&mut self.posts) else { return Some(()) };
                let request = client.request(Method::DELETE, &format!("/api/v1/posts/{slug}/cover"));
                change(client, request, shown)
            }
            9 => {
                // From here on nothing is expected of the post, whether the deletion is acknowledged or not.
                let Some((slug, _)) = self.posts.pop() else { return Some(()) };
                let request = client.request(Method::DELETE, &format!("/api/v1/posts/{slug}"));
                change(client, request, &mut Shown::Unknown)
            }
            _ => self.look(client, random),
        }?;
        self.acknowledged += 1;
        Some(())
    }

    /// Create a post with a cover.
    fn publish(&mut self, client: &Client, side: u32) -> Option<()> {
        let part = Part::bytes(samples::jpeg(side, side)).file_name("cover.jpg");
        let form = Form::new().text("title", self.name.clone()).text("published", "true").part("cover", part);
        let answer =
            client.try_send(client.request(Method::POST, "/api/v1/forms/posts").multipart(form)).ok()?;
        if answer.status != 503 {
            let post = answer.expect(201).json();
            self.posts.push((text(&post, "/slug"), Shown::This(post["cover"].clone())));
        }
        Some(())
    }

    /// Request a file of a picture that is shown. It may have to be generated.
    fn look(&mut self, client: &Client, random: &mut Random) -> Option<()> {
        let covers = self.posts.iter().map(|(_, cover)| cover);
        let pictures = covers.chain([&self.avatar]).filter_map(|shown| match shown {
            Shown::This(picture) => Some(picture),
            Shown::Nothing | Shown::Unknown => None,
        });
        let mut urls: Vec<String> = pictures.flat_map(urls_of).collect();
        let Some(url) = random.one_of(&mut urls) else { return Some(()) };
        let answer = client.try_send(client.request(Method::GET, url)).ok()?;
        assert!(matches!(answer.status, 200 | 503), "{url}: {} {}", answer.status, answer.text());
        Some(())
    }

    /// Assert that what was acknowledged is shown, and that all its files exist.
    fn is_shown(&mut self, client: &Client, what: &str) {
        let profile = client.get(&format!("/api/v1/profiles/{}", self.name)).expect(200).json();
        is_what_was_said(client, &mut self.avatar, &profile["avatar"], &format!("{what}, {}", self.name));
        for (slug, shown) in &mut self.posts {
            let post = client.get(&format!("/api/v1/posts/{slug}")).expect(200).json();
            is_what_was_said(client, shown, &post["cover"], &format!("{what}, {slug}"));
        }
    }
}

/// Change what is shown.
fn change(client: &Client, request: RequestBuilder, shown: &mut Shown) -> Option<()> {
    let before = mem::replace(shown, Shown::Unknown);
    let answer = client.try_send(request).ok()?;
    *shown = match answer.status {
        204 => Shown::Nothing,
        // On a busy machine the upload may have taken longer than its lease.
        503 => before,
        _ => {
            let body = answer.expect(200).json();
            // The response is a profile or a post. Without a body, the post is deleted.
            [body.get("avatar"), body.get("cover")]
                .into_iter()
                .flatten()
                .next()
                .map_or(Shown::Nothing, |picture| Shown::This(picture.clone()))
        }
    };
    Some(())
}

fn is_what_was_said(client: &Client, said: &mut Shown, shown: &Value, what: &str) {
    let is_default = shown["is_default"] == true;
    match said {
        Shown::Nothing => assert!(is_default, "{what}: it was removed, but there is {shown}"),
        Shown::This(picture) => assert_eq!(picture, shown, "{what}: another one was acknowledged"),
        Shown::Unknown if is_default => *said = Shown::Nothing,
        Shown::Unknown => *said = Shown::This(shown.clone()),
    }
    if !is_default {
        for url in urls_of(shown) {
            let answer = client.get(&url);
            assert_eq!(answer.status, 200, "{what}: {url}: {}", answer.text());
        }
    }
}
