//! Events under failures: two nodes and a receiver that die at random while clients make changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::hooks::{Received, Receiver};
use crate::soak::{Random, many};
use crate::support::{Client, Frozen, Over, PASSWORD, Place, Plaza, SECRET, eventually, text, try_psql};

/// The number of acknowledged changes by all clients together.
fn changes() -> usize {
    many(150, 1000)
}

const CLIENTS: usize = 6;
/// The latest moment of a kill, in milliseconds after the previous one.
const LATEST: u64 = 400;
const FLAGS: [&str; 4] = ["--throttle", "off", "--webhook-private", "on"];

/// Simulates the passing of time: claims of dead nodes expire, and waits before the next attempt end.
const LATER: &str = "update jobs set due_at = now() where failed_at is null and due_at > now()";

/// The nodes and the receiver, which come and go.
struct Service<'a> {
    places: &'a [Place; 2],
    database: &'a str,
    /// The last address of each node, which may be dead by now.
    addresses: [Mutex<String>; 2],
    /// What a receiver got before it was killed.
    received: Mutex<Vec<Received>>,
}

/// A user who makes changes, and the acknowledged changes.
struct Person {
    number: usize,
    token: String,
    /// Slugs and titles. The title is new with every change.
    posts: Vec<(String, String)>,
    /// Such as `post.created slug`: the events that must have been delivered.
    told: Vec<String>,
}

#[test]
fn every_event_is_delivered_in_order_whatever_dies_amid_changes() {
    let owner = Place::embedded();
    let database = owner.serve_with(["--secret-key", SECRET]);
    let people: Vec<Person> = (0..CLIENTS).map(|number| Person::new(&database, number)).collect();
    let receiver = Receiver::start();
    // Events from before must not be delivered to the webhook.
    published(database.database_url());
    database.sql(&format!("insert into webhooks (url, types) values ('{}', '{{*}}')", receiver.url()));
    // Stop the node that runs the database, so that only the other two do any work.
    let _frozen = Frozen::new(vec![database.pid()]);

    let places = [Place::untouched(), Place::untouched()];
    let service = Service {
        places: &places,
        database: database.database_url(),
        addresses: Default::default(),
        received: Mutex::default(),
    };
    let (receiver, kills, people) = service.amid_kills(receiver, people, Random::seeded());
    let node = service.start(0);
    eventually("everything is delivered", || {
        service.sql(LATER);
        // Wakes the node that waits for jobs that are due later.
        service.sql("select pg_notify(channel(), 'jobs')");
        thread::sleep(Duration::from_millis(50));
        (service.sql("select count(*) from unpublished_events") == "0"
            && service.sql("select count(*) from deliveries where status = 'pending'") == "0")
            .then_some(())
    });
    service.received.lock().expect("no panic").extend(receiver.received());
    node.stop();
    service.is_consistent(&people, &format!("kills {kills:?}"));
}

fn published(database: &str) {
    eventually("every event is published", || {
        (try_psql(database, "select count(*) from unpublished_events").ok()? == "0").then_some(())
    });
}

impl Service<'_> {
    fn sql(&self, sql: &str) -> String {
        try_psql(self.database, sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    fn start(&self, number: usize) -> Plaza {
        let common = ["--secret-key", SECRET, "--database-url", self.database].into_iter();
        let node = self.places[number].serve_with(common.chain(FLAGS));
        node.address().clone_into(&mut self.addresses[number].lock().expect("no panic"));
        node
    }

    /// Let all users work while nodes and the receiver are killed and restarted. Return the last receiver, the number
    /// of kills of each, and the users.
    fn amid_kills(
        &self,
        receiver: Receiver,
        people: Vec<Person>,
        mut random: Random,
    ) -> (Receiver, [usize; 3], Vec<Person>) {
        let mut receiver = Some(receiver);
        let mut nodes = [0, 1].map(|number| Some(self.start(number)));
        let (done, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (mut kills, changes) = ([0; 3], changes());
        let people = thread::scope(|scope| {
            let _over = Over(&is_over);
            let threads: Vec<_> = people
                .into_iter()
                .map(|mut person| {
                    let mut random = random.another();
                    let (done, is_over) = (&done, &is_over);
                    scope.spawn(move || {
                        let is_over =
                            || done.load(Ordering::SeqCst) >= changes || is_over.load(Ordering::Acquire);
                        person.work(self, &mut random, is_over, done);
                        person
                    })
                })
                .collect();
            while done.load(Ordering::SeqCst) < changes {
                thread::sleep(Duration::from_millis(random.below(LATEST)));
                let which = usize::try_from(random.below(3)).expect("a small number");
                kills[which] += 1;
                if let Some(node) = nodes.get_mut(which) {
                    node.take().expect("it is there").kill();
                    *node = Some(self.start(which));
                } else {
                    let killed = receiver.take().expect("it is there");
                    receiver = Some(self.replace(killed, &mut random));
                }
                self.sql(LATER);
            }
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for node in nodes.into_iter().flatten() {
            node.kill();
        }
        (receiver.expect("it is there"), kills, people)
    }

    /// Kill the receiver, and start it again after a while.
    fn replace(&self, receiver: Receiver, random: &mut Random) -> Receiver {
        let (address, received): (SocketAddr, _) = receiver.kill();
        self.received.lock().expect("no panic").extend(received);
        thread::sleep(Duration::from_millis(random.below(LATEST)));
        Receiver::again(address)
    }

    fn is_consistent(&self, people: &[Person], what: &str) {
        // Positions are unique and without gaps. For each resource they follow the order of the writes.
        let odd = "select count(*) - count(distinct id), max(id) - min(id) + 1 - count(*), \
                   (select last_position from publication) - max(id) from events";
        assert_eq!(self.sql(odd), "0|0|0", "{what}: positions");
        let disorder = "select count(*) from (select created_at < lag(created_at) over \
                        (partition by resource_type, resource_id order by id) as is_odd from events_with_names) e where is_odd";
        assert_eq!(self.sql(disorder), "0", "{what}: the order of a resource");
        let first = "(select min(event_id) from deliveries)";
        let missing = format!(
            "select count(*) from events left join deliveries on event_id = events.id \
             where events.id >= {first} and (status is null or status <> 'delivered')"
        );
        assert_eq!(self.sql(&missing), "0", "{what}: every event is delivered");

        let received = self.received.lock().expect("no panic");
        let wanted: BTreeSet<i64> = self
            .sql(&format!("select id from events where id >= {first}"))
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect();
        let events: Vec<Value> = received.iter().map(Received::json).collect();
        let ids: Vec<i64> = events.iter().map(|event| event["id"].as_i64().expect("an id")).collect();
        assert_eq!(ids.iter().copied().collect::<BTreeSet<_>>(), wanted, "{what}: all, and none invented");
        assert!(wanted.len() >= changes(), "{what}: {}", wanted.len());
        in_order(&events, what);

        let told: BTreeSet<String> = received.iter().map(Received::line).collect();
        for line in people.iter().flat_map(|person| &person.told) {
            assert!(told.contains(line), "{what}: {line} was acknowledged");
        }
        for (slug, title) in people.iter().flat_map(|person| &person.posts) {
            let is_told =
                |event: &&Value| event["data"]["slug"] == **slug && event["data"]["title"] == **title;
            assert!(
                events.iter().any(|event| is_told(&event)),
                "{what}: {title} for {slug} was acknowledged"
            );
        }
    }
}

/// Each resource's events arrived, for the first time, in the order in which they were written.
fn in_order(events: &[Value], what: &str) {
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for event in events {
        let id = event["id"].as_i64().expect("an id");
        if known.insert(id) {
            let resource = format!("{} {}", event["resource"]["type"], event["resource"]["id"]);
            let before = last.insert(resource.clone(), id).unwrap_or(0);
            assert!(before < id, "{what}: of {resource} {id} came after {before}");
        }
    }
}

impl Person {
    fn new(node: &Plaza, number: usize) -> Self {
        let client = node.client();
        let name = format!("person{number}");
        client.register(&name).expect(201);
        let token = text(&client.log_in(&name, PASSWORD).expect(200).json(), "/access_token");
        Self { number, token, posts: Vec::new(), told: Vec::new() }
    }

    /// Make changes, one after the other.
    fn work(
        &mut self,
        service: &Service,
        random: &mut Random,
        is_over: impl Fn() -> bool,
        done: &AtomicUsize,
    ) {
        let mut made = 0;
        while !is_over() {
            let node = usize::try_from(random.below(2)).expect("a small number");
            let address = service.addresses[node].lock().expect("no panic").clone();
            let client = Client::new(&address).with_token(&self.token);
            // Until this node is dead.
            while !is_over() {
                made += 1;
                if self.act(&client, random, made).is_none() {
                    break;
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Make a change; `None` if the node died before it responded.
    fn act(&mut self, client: &Client, random: &mut Random, made: u64) -> Option<()> {
        let send = |request: RequestBuilder| {
            let answer = client.try_send(request).ok()?;
            // 503 from a node that is about to die.
            assert!(matches!(answer.status, 200..300 | 503), "{} {}", answer.status, answer.text());
            (answer.status < 300).then_some(())
        };
        let title = format!("Title {made}");
        let one = usize::try_from(random.below(self.posts.len().max(1) as u64)).expect("an index");
        match random.below(10) {
            0 if self.posts.len() > 3 => {
                // From here on nothing is expected of its title, whether the deletion is acknowledged or not.
                let (slug, _) = self.posts.swap_remove(one);
                send(client.request(Method::DELETE, &format!("/api/v1/posts/{slug}")))?;
                self.told.push(format!("post.deleted {slug}"));
            }
            1..=7 if !self.posts.is_empty() => {
                let (slug, _) = self.posts.swap_remove(one);
                let request = client.request(Method::PATCH, &format!("/api/v1/posts/{slug}"));
                send(request.json(&json!({ "title": title })))?;
                self.posts.push((slug, title));
            }
            _ => {
                let slug = format!("p{}-{made}", self.number);
                let body = json!({ "title": title, "slug": slug });
                send(client.request(Method::POST, "/api/v1/posts").json(&body))?;
                self.told.push(format!("post.created {slug}"));
                self.posts.push((slug, title));
            }
        }
        Some(())
    }
}
