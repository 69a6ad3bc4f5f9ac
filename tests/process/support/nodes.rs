//! Two nodes on one PostgreSQL, as behind a load balancer, and their users.

use std::sync::Barrier;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Client, PASSWORD, Place, Plaza, eventually, text, try_psql};

/// The secret key that all nodes of a service share.
pub const SECRET: &str = "one secret that all of these nodes have in common";

/// Two nodes. Each has its own data folder. They share the first node's database and store.
pub struct Nodes {
    pub a: Plaza,
    pub b: Plaza,
    /// The places of `a` and of `b`.
    pub places: [Place; 2],
}

/// A user with the tokens of one session.
pub struct Member {
    pub id: i64,
    pub name: String,
    pub access: String,
    pub refresh: String,
}

impl Nodes {
    /// Start both nodes with these settings and the shared secret.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_at(Place::new(), flags)
    }

    /// Start both nodes. The first one runs the database, so that a test can stop it.
    pub fn embedded(flags: &[&str]) -> Self {
        Self::start_at(Place::embedded(), flags)
    }

    fn start_at(first: Place, flags: &[&str]) -> Self {
        let second = Place::beside(&first);
        let places = [first, second];
        let common = || ["--secret-key", SECRET].into_iter().chain(flags.iter().copied());
        let a = places[0].serve_with(common());
        let b = places[1].serve_with(common().chain(["--database-url", a.database_url()]));
        Self { a, b, places }
    }

    /// The node that gets this request: the nodes take turns, as behind a load balancer.
    pub fn turn(&self, number: usize) -> &Plaza {
        if number.is_multiple_of(2) { &self.a } else { &self.b }
    }

    pub fn each(&self) -> [&Plaza; 2] {
        [&self.a, &self.b]
    }

    /// Register a new user on the first node and log in.
    pub fn member(&self, name: &str) -> Member {
        let client = self.a.client();
        let id = client.register(name).expect(201).json()["id"].as_i64().expect("an id");
        let (access, refresh) = pair(&client.log_in(name, PASSWORD).expect(200).json());
        Member { id, name: name.to_owned(), access, refresh }
    }

    /// Register a new user who is staff, and log in.
    pub fn staff(&self, name: &str) -> Member {
        let member = self.member(name);
        self.sql(&format!("update users set is_staff = true where id = {}", member.id));
        member
    }

    pub fn sql(&self, sql: &str) -> String {
        self.a.sql(sql)
    }

    /// The PostgreSQL backends of the nodes' LISTEN connections, the newest last.
    pub fn listeners(&self) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity where datname = current_database() and application_name like 'plaza listener%' \
                   order by backend_start";
        let pids = try_psql(self.a.database_url(), sql).expect("the database answers");
        pids.lines().map(|pid| pid.parse().expect("a number")).collect()
    }

    pub fn stop(self) {
        self.b.stop();
        self.a.stop();
    }
}

/// The access token and the refresh token.
pub fn pair(tokens: &Value) -> (String, String) {
    (text(tokens, "/access_token"), text(tokens, "/refresh_token"))
}

impl Member {
    /// A client of this node with the access token.
    pub fn on(&self, node: &Plaza) -> Client {
        node.client().with_token(&self.access)
    }
}

/// The id of the key that signed the token.
pub fn kid(access: &str) -> String {
    let header = access.split('.').next().expect("a header");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    text(&serde_json::from_slice(&header).expect("JSON"), "/kid")
}

/// The ids of the keys that a node publishes, the newest first.
pub fn published(node: &Plaza) -> Vec<String> {
    let jwks = node.client().get("/.well-known/jwks.json").expect(200).json();
    jwks["keys"].as_array().expect("keys").iter().map(|key| text(key, "/kid")).collect()
}

/// Wait until a node acts on a change. The documented limit is one second, which `bench/run` measures.
#[track_caller]
pub fn soon(what: &str, mut is_done: impl FnMut() -> bool) {
    eventually(what, || is_done().then_some(()));
}

/// Run all calls concurrently, each on its own thread.
pub fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    thread::scope(|scope| {
        let (start, act) = (&start, &act);
        let begin = |number| {
            scope.spawn(move || {
                start.wait();
                act(number)
            })
        };
        let threads: Vec<_> = (0..count).map(begin).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
