//! Thousands of events of two users on two nodes, and a client whose stream is interrupted again and again.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use super::sse::Sse;
use crate::app::TestApp;
use crate::client::Client;
use crate::soak::many;

/// The number of transactions, which four threads share. Each writes [`POSTS`] posts for each of two users.
fn batches() -> usize {
    many(8, 40)
}

const POSTS: usize = 125;

/// Pseudorandom numbers, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Read until the event that marks the end, reconnecting to a random node after each interruption.
async fn interrupted(nodes: [Client; 2], mut chance: Chance) -> (Vec<i64>, usize) {
    let (mut ids, mut last, mut interruptions) = (Vec::new(), 0, 0);
    loop {
        let node = &nodes[usize::try_from(chance.below(2)).expect("small")];
        let mut stream = Sse::after(node, last).await;
        for _ in 0..chance.below(400) {
            let event = stream.next().await.expect("the stream goes on");
            assert!(!event.to_string().contains("secret"), "another's draft: {event}");
            last = event["id"].as_i64().expect("an id");
            ids.push(last);
            if event["data"]["title"] == "The end" {
                return (ids, interruptions);
            }
        }
        interruptions += 1;
    }
}

/// Some transactions commit immediately, others after events of later transactions have been read.
#[expect(clippy::disallowed_methods, reason = "a few threads of a test, which wait for PostgreSQL")]
fn bulk(app: &TestApp) -> Vec<tokio::task::JoinHandle<()>> {
    let mut chance = Chance(7);
    let batches = (0..4).map(|thread| {
        let mut conn = app.lock("");
        let naps: Vec<u64> = (0..batches() / 4).map(|_| chance.below(4) * chance.below(150)).collect();
        tokio::task::spawn_blocking(move || {
            for (place, nap) in naps.iter().enumerate() {
                let statement = format!(
                    "INSERT INTO posts (slug, title, content, writer_id)
                         SELECT username || '-{thread}-{place}-' || n, CASE username WHEN 'ana' THEN 'P' ELSE 'secret' END, '', users.id
                         FROM generate_series(1, {POSTS}) AS n, users WHERE username IN ('ana', 'bob');
                     SELECT pg_sleep({nap} / 1000.0); COMMIT; BEGIN"
                );
                conn.batch_execute(&statement).expect("a batch");
            }
        })
    });
    batches.collect()
}

/// Create posts through a node, one after the other.
async fn requests(client: Client, title: &'static str) {
    for _ in 0..60 {
        let answer = client.post("/api/v1/posts", json!({ "title": title })).await;
        assert_eq!(answer.status, "201 Created", "{answer:?}");
    }
}

#[actix_web::test]
async fn who_is_interrupted_at_random_misses_nothing_and_sees_nothing_of_others() {
    let one = TestApp::with(&["--streams-per-user", "1000"]).await;
    let two = one.beside(&["--streams-per-user", "1000"]);
    let on = |client: &Client| two.guest().with_token(client.token.as_deref().expect("a token"));
    let (ana, bob) = (one.member("ana"), one.member("bob"));
    let readers = [3, 4].map(|seed| actix_web::rt::spawn(interrupted([ana.clone(), on(&ana)], Chance(seed))));
    let posting = [
        actix_web::rt::spawn(requests(ana.clone(), "P")),
        actix_web::rt::spawn(requests(on(&ana), "P")),
        actix_web::rt::spawn(requests(bob.clone(), "secret")),
        actix_web::rt::spawn(requests(on(&bob), "secret")),
    ];
    for writer in bulk(&one) {
        writer.await.expect("no panic");
    }
    for writer in posting {
        writer.await.expect("no panic");
    }
    ana.post("/api/v1/posts", json!({ "title": "The end" })).await;
    one.published().await;
    assert!(one.count("events") > 2 * i64::try_from(batches() * POSTS).expect("few"));
    let own = "SELECT e.id::text FROM events e JOIN users u ON u.id = author_id WHERE username = 'ana' ORDER BY e.id";
    let own: Vec<i64> = one.lines(own).lines().map(|id| id.parse().expect("an id")).collect();
    assert_eq!(own.len(), batches() * POSTS + 121);
    for reader in readers {
        let (ids, interruptions) = reader.await.expect("no panic");
        assert!(interruptions > 2, "only {interruptions}");
        let different = ids.iter().zip(&own).find(|(seen, own)| seen != own);
        assert_eq!((ids.len(), different), (own.len(), None), "each once, in order");
    }
    let listed = ana.get("/api/v1/events?search=secret").await;
    assert!(listed.status.starts_with("400"), "events are not searched: {listed:?}");
    assert_eq!(ana.get("/api/v1/events?limit=0&count=exact").await.at("/count"), Value::from(own.len()));
}
