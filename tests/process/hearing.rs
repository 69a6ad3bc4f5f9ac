//! A node that receives no notices from other nodes, or cannot reach the database at all: it queries the database for
//! each request, and answers 503 if it cannot.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Answer, Frozen, Member, Nodes, PASSWORD, Plaza, SECRET, at_once, eventually, kid, processes, published,
    soon, text,
};

/// A path that needs neither a token nor the database.
const CHOICES: &str = "/api/v1/choices";

#[test]
fn a_node_that_hears_nothing_asks_for_each_request() {
    let nodes = Nodes::start(&["--throttle", "off"]);
    let [first, second, staying, new] = ["first", "second", "staying", "new"].map(|name| nodes.member(name));
    for member in [&first, &second, &staying] {
        member.on(&nodes.b).get(CHOICES).expect(200);
    }
    let log_out = |member: &Member| {
        member.on(&nodes.a).post("/api/v1/auth/logout", &json!({})).expect(204);
    };
    let is_refused = |member: &Member| {
        let answer = member.on(&nodes.b).get(CHOICES);
        assert!(matches!(answer.status, 200 | 401), "yes or no: {}", answer.text());
        answer.status == 401
    };

    let listeners = nodes.listeners();
    assert_eq!(listeners.len(), 2, "each node listens");
    let frozen = Frozen::new(listeners[1..].to_vec());
    log_out(&first);
    let since = Instant::now();
    soon("a logout is known by asking", || is_refused(&first));
    // From now on the node trusts nothing that it did not just query.
    eventually("it has heard nothing for a second", || {
        (since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    log_out(&second);
    assert!(is_refused(&second), "the next request is refused");
    for member in [&staying, &new] {
        assert!(!is_refused(member), "others are served");
    }

    drop(frozen);
    // A client cannot see when the node receives notices again. Even then, no ended session is accepted for longer
    // than a second.
    for member in [staying, new] {
        assert!(!is_refused(&member), "others are served");
        log_out(&member);
        soon("a logout is heard of again", || is_refused(&member));
    }
    nodes.stop();
}

#[test]
fn a_node_that_hears_nothing_takes_tokens_of_new_keys() {
    rotated_unheard(|nodes| {
        let access = text(&nodes.a.client().log_in("ana", PASSWORD).expect(200).json(), "/access_token");
        assert_eq!(kid(&access), published(&nodes.a)[0], "the new key signs");
        nodes.b.client().with_token(&access).get(CHOICES).expect(200);
        assert_eq!(published(&nodes.b), published(&nodes.a), "which it knows from then on");
    });
}

#[test]
fn a_node_that_hears_nothing_publishes_new_keys_and_signs_with_them() {
    rotated_unheard(|nodes| {
        let access = text(&nodes.b.client().log_in("ana", PASSWORD).expect(200).json(), "/access_token");
        assert_eq!(kid(&access), published(&nodes.a)[0], "the new key signs on every node");
        assert_eq!(published(&nodes.b), published(&nodes.a), "every node publishes it");
    });
}

/// The second node has received no notice that the keys have changed, and the new key signs by now.
fn rotated_unheard(check: impl FnOnce(&Nodes)) {
    let nodes = Nodes::start(&["--throttle", "off"]);
    nodes.member("ana");
    let _frozen = Frozen::new(nodes.listeners()[1..].to_vec());
    let said = nodes.places[0].run(["keys", "rotate", "--lead", "2s", "--secret-key", SECRET]).succeeded();
    let signs = "select now() >= max(signs_from) from signing_keys";
    eventually("the new key signs", || (nodes.sql(signs) == "t").then_some(()));
    assert!(said.starts_with(&published(&nodes.a)[0]), "the first node publishes it: {said}");
    check(&nodes);
}

#[test]
fn where_the_database_is_away_a_token_is_503_and_no_token_is_none() {
    let nodes = Nodes::embedded(&["--throttle", "off"]);
    let ana = nodes.member("ana");
    ana.on(&nodes.b).get(CHOICES).expect(200);
    let Nodes { a, b, places } = nodes;
    let url = a.database_url().to_owned();
    a.stop();
    soon("the answer is 503", || is_unavailable(&ana.on(&b).get(CHOICES)));
    asks_for_every_token(&b, &ana);

    let a = places[0].serve_with(["--secret-key", SECRET]);
    assert_eq!(a.database_url(), url, "the server is where it was");
    for path in [CHOICES, "/api/v1/auth/sessions"] {
        eventually("tokens are good again", || (ana.on(&b).get(path).status == 200).then_some(()));
    }
    b.stop();
    a.stop();
}

#[test]
fn where_the_database_does_not_answer_a_token_is_503_and_no_token_is_none() {
    let nodes = Nodes::embedded(&["--throttle", "off"]);
    let ana = nodes.member("ana");
    ana.on(&nodes.b).get(CHOICES).expect(200);
    let frozen = Frozen::new(processes(nodes.places[0].data()));
    soon("the answer is 503", || is_unavailable(&ana.on(&nodes.b).get(CHOICES)));
    asks_for_every_token(&nodes.b, &ana);

    drop(frozen);
    for path in [CHOICES, "/api/v1/auth/sessions"] {
        eventually("tokens are good again", || (ana.on(&nodes.b).get(path).status == 200).then_some(()));
    }
    nodes.stop();
}

#[test]
fn a_node_stops_though_the_database_does_not_answer() {
    let mut nodes = Nodes::embedded(&["--throttle", "off"]);
    let ana = nodes.member("ana");
    let frozen = Frozen::new(processes(nodes.places[0].data()));
    // A request waits for a response that does not come, and gives up.
    assert!(is_unavailable(&ana.on(&nodes.b).get("/api/v1/posts")));
    nodes.b.signal(libc::SIGTERM);
    assert!(nodes.b.wait().success(), "{}", nodes.b.said());
    drop(frozen);
    nodes.a.signal(libc::SIGTERM);
    assert!(nodes.a.wait().success(), "{}", nodes.a.said());
}

/// While the database is unavailable, no token is accepted. Requests without a token are served where they need no
/// database.
fn asks_for_every_token(node: &Plaza, member: &Member) {
    node.client().get(CHOICES).expect(200);
    node.client().get("/livez").expect(200);
    let paths = [CHOICES, "/api/v1/auth/sessions", "/api/v1/posts"];
    at_once(paths.len(), |number| {
        assert!(
            is_unavailable(&member.on(node).get(paths[number])),
            "no token is believed: {}",
            paths[number]
        );
    });
    // A token that no key of ours has signed is rejected without a query.
    node.client().with_token("made.up.token").get(CHOICES).expect(401);
}

/// Whether a token could not be checked. It was valid before.
#[track_caller]
fn is_unavailable(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    assert_eq!(answer.status, 503, "it cannot be told: {}", answer.text());
    assert_eq!(text(&answer.json(), "/code"), "database_unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "it says when to come again");
    true
}
