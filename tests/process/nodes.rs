//! Two nodes are one service: a change on one takes effect on the other immediately or within a second.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Answer, Member, Nodes, Over, PASSWORD, Plaza, SECRET, at_once, eventually, kid, pair, published, soon,
};

/// A route that needs a token, and one that is open to all.
const CLOSED_AND_OPEN: [&str; 2] = ["/api/v1/auth/sessions", "/api/v1/posts"];

/// What ends all sessions of a member, or the session with these tokens.
type End<'a> = &'a dyn Fn(&Nodes, &Member);

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn a_session_that_ends_on_one_node_is_over_on_both() {
    let nodes = Nodes::start(&["--throttle", "off", "--refresh-grace", "0ms", "--refresh-repeat", "0ms"]);
    let admin = nodes.staff("admin");
    let ends: [(&str, End); 9] = [
        ("logout", &|nodes, member| {
            member.on(&nodes.a).post("/api/v1/auth/logout", &json!({})).expect(204);
        }),
        ("logout-with-the-refresh-token", &|nodes, member| {
            let body = json!({ "refresh_token": member.refresh });
            nodes.a.client().post("/api/v1/auth/logout", &body).expect(204);
        }),
        ("logout-all", &|nodes, member| {
            let elsewhere = nodes.a.client().logged_in(&member.name);
            elsewhere.post("/api/v1/auth/logout-all", &json!({})).expect(204);
        }),
        ("revocation", &|nodes, member| {
            let elsewhere = nodes.a.client().logged_in(&member.name);
            let sessions = elsewhere.get("/api/v1/auth/sessions").expect(200).json();
            let sessions = sessions["results"].as_array().expect("a page");
            assert_eq!(sessions.len(), 2, "this one and the other: {sessions:?}");
            let other =
                sessions.iter().find(|session| session["current"] == json!(false)).expect("the other");
            let path = format!("/api/v1/auth/sessions/{}", other["id"]);
            elsewhere.send(elsewhere.request(Method::DELETE, &path)).expect(204);
        }),
        ("change-of-password", &|nodes, member| {
            let elsewhere = nodes.a.client().logged_in(&member.name);
            let body = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
            elsewhere
                .send(elsewhere.request(Method::PUT, "/api/v1/users/me/password").json(&body))
                .expect(204);
            elsewhere.get("/api/v1/auth/sessions").expect(200);
        }),
        ("replay-of-a-refresh-token", &|nodes, member| {
            let client = nodes.a.client();
            let (_, second) = refreshed(&nodes.a, &member.refresh);
            refreshed(&nodes.b, &second);
            let replayed = json!({ "refresh_token": member.refresh });
            let refused = client.post("/api/v1/auth/refresh", &replayed).expect(401);
            assert_eq!(refused.json()["code"], "refresh_token_invalid");
        }),
        ("deactivation", &|nodes, member| {
            let path = format!("/api/v1/users/{}", member.name);
            let admin = admin.on(&nodes.a);
            admin.send(admin.request(Method::PATCH, &path).json(&json!({ "is_active": false }))).expect(200);
        }),
        ("deletion", &|nodes, member| {
            let path = format!("/api/v1/users/{}", member.name);
            let admin = admin.on(&nodes.a);
            admin.send(admin.request(Method::DELETE, &path)).expect(200);
        }),
        ("deletion-of-oneself", &|nodes, member| {
            let client = member.on(&nodes.a);
            client.send(client.request(Method::DELETE, "/api/v1/users/me")).expect(200);
        }),
    ];
    for (what, end) in ends {
        let member = nodes.member(what);
        is_known(&nodes, &member);
        end(&nodes, &member);
        // On the node that made the change, it takes effect immediately.
        for path in CLOSED_AND_OPEN {
            assert!(is_over(&member, &nodes.a, path), "{what} holds at once where it was done: {path}");
        }
        is_over_soon(what, &member, &nodes.b);
    }
    nodes.stop();
}

#[test]
fn what_sql_does_to_a_session_or_its_user_holds_on_both_nodes() {
    ends_sessions(&[
        "delete from sessions where user_id = $",
        "update users set is_active = false where id = $",
        "delete from users where id = $",
    ]);
}

#[test]
fn sessions_that_sql_ends_in_other_ways_are_over_on_both_nodes() {
    ends_sessions(&["update sessions set expires_at = now() where user_id = $", "truncate sessions"]);
}

/// Each statement ends the sessions of a user, whose id replaces `$`.
fn ends_sessions(statements: &[&str]) {
    let nodes = Nodes::start(&["--throttle", "off"]);
    for (number, sql) in statements.iter().enumerate() {
        let member = nodes.member(&format!("member{number}"));
        is_known(&nodes, &member);
        let sql = sql.replace('$', &member.id.to_string());
        nodes.sql(&sql);
        for node in nodes.each() {
            is_over_soon(&sql, &member, node);
        }
    }
    nodes.stop();
}

#[test]
fn a_role_that_changes_on_one_node_counts_on_both() {
    let nodes = Nodes::start(&["--throttle", "off"]);
    let (admin, deputy) = (nodes.staff("admin"), nodes.staff("deputy"));
    let administers = |node: &Plaza| {
        let answer = deputy.on(node).get("/api/v1/users?is_active=true");
        assert!(matches!(answer.status, 200 | 403), "yes or no: {}", answer.text());
        answer.status == 200
    };
    let by_http = |is_staff: bool| {
        let client = admin.on(&nodes.a);
        let body = json!({ "is_staff": is_staff });
        client.send(client.request(Method::PATCH, "/api/v1/users/deputy").json(&body)).expect(200);
    };
    let by_sql = |is_staff: bool| {
        nodes.sql(&format!("update users set is_staff = {is_staff} where id = {}", deputy.id));
    };
    let ways: [(&str, &dyn Fn(bool)); 2] = [("HTTP", &by_http), ("SQL", &by_sql)];
    for (way, make) in ways {
        for is_staff in [false, true] {
            for node in nodes.each() {
                assert_eq!(administers(node), !is_staff, "what is remembered is the role before");
            }
            make(is_staff);
            for node in nodes.each() {
                let what = format!("is_staff = {is_staff} by {way}");
                soon(&what, || administers(node) == is_staff);
                let me = deputy.on(node).get("/api/v1/users/me").expect(200).json();
                assert_eq!(me["is_staff"], json!(is_staff), "the session goes on");
            }
        }
    }
    nodes.stop();
}

#[test]
fn parallel_refreshes_on_both_nodes_have_one_successor() {
    let nodes = Nodes::start(&["--throttle", "off"]);
    let ana = nodes.member("ana");
    let mut newest = ana.refresh.clone();
    for generation in 1..=3 {
        let answers = at_once(50, |number| refreshed(nodes.turn(number), &newest));
        let successors: HashSet<&String> = answers.iter().map(|(_, refresh)| refresh).collect();
        assert_eq!(successors.len(), 1, "there is one successor");
        assert!(!successors.contains(&newest), "which is not the token itself");
        for (number, (access, _)) in answers.iter().enumerate() {
            let other = nodes.turn(number + 1).client().with_token(access);
            other.get("/api/v1/auth/sessions").expect(200);
        }
        newest.clone_from(&answers[0].1);
        let live = format!("select generation, token_hash = sha256('{newest}') from sessions");
        assert_eq!(
            nodes.sql(&live),
            format!("{generation}|t"),
            "one session, of which the newest token is live"
        );
    }
    nodes.stop();
}

/// How many wrong logins of one account cause no wait, on all nodes together.
const FREE: usize = 10;

/// If the longest wait is a second: after the free attempts, one more is allowed each second.
#[track_caller]
fn may_be_taken(tries: usize, since: Instant) {
    let seconds = usize::try_from(since.elapsed().as_secs()).expect("few");
    assert!((FREE..=FREE + seconds).contains(&tries), "{tries} were taken in {seconds} s");
}

#[test]
fn wrong_logins_count_together_on_both_nodes() {
    let nodes = Nodes::start(&["--throttle-delay", "1s"]);
    for name in ["both", "parallel"] {
        nodes.member(name);
    }
    let wrong = |login: &str, node: &Plaza| node.client().log_in(login, "a wrong password");
    // No attempt causes a wait until the last one. Only on a busy machine does a second pass between two of them.
    let began = Instant::now();
    let mut tries = 0;
    let refused = loop {
        let answer = wrong("both", nodes.turn(tries));
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.expect(401).json()["code"], "invalid_credentials");
        tries += 1;
        assert!(tries < 100, "it ends some time");
    };
    may_be_taken(tries, began);
    assert_eq!(refused.json()["code"], "too_many_attempts");
    assert_eq!(refused.header("retry-after"), "1", "the delay that was set");
    assert_eq!(refused.header("ratelimit"), "\"login-account\";r=0;t=1");
    assert_eq!(refused.header("ratelimit-policy"), format!("\"login-account\";q={FREE};w=900"));

    // Both nodes let the owner in after the delay, however many attempts they rejected in the meantime.
    let mut turn = 0;
    eventually("the right password gets in", || {
        turn += 1;
        let answer = nodes.turn(turn).client().log_in("both", PASSWORD);
        (answer.status == 200).then_some(()).or_else(|| {
            answer.expect(429);
            None
        })
    });
    for node in nodes.each() {
        wrong("both", node).expect(401);
    }

    // Concurrent attempts are counted before they are known to be wrong. Once the account is blocked, one more is
    // allowed each second.
    let began = Instant::now();
    let answers = at_once(30, |number| wrong("parallel", nodes.turn(number)).status);
    let taken = answers.iter().filter(|status| **status == 401).count();
    assert!(answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");
    may_be_taken(taken, began);
    nodes.stop();
}

#[test]
fn what_is_posted_twice_with_one_key_is_done_once_on_both_nodes() {
    let nodes = Nodes::start(&["--throttle", "off"]);
    let ana = nodes.member("ana");
    let post = json!({ "title": "Hello", "content": "Once.", "published": true });
    let user = json!({ "username": "ben", "email": "ben@example.org", "password": PASSWORD });
    for (path, body, count) in [
        ("/api/v1/posts", &post, "select count(*) from posts"),
        ("/api/v1/users", &user, "select count(*) from users where username = 'ben'"),
    ] {
        let send = |node: &Plaza| {
            let client = ana.on(node);
            let request = client.request(Method::POST, path).header("Idempotency-Key", "once-and-for-all");
            client.send(request.json(body))
        };
        let is_replay = |answer: &Answer| answer.header("idempotency-replayed") == "true";
        let answers = at_once(20, |number| send(nodes.turn(number)));
        assert_eq!(nodes.sql(count), "1", "it was done once: {path}");
        let (done, in_use): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(done.iter().filter(|answer| !is_replay(answer)).count(), 1, "by one of them");
        for answer in &done {
            assert_eq!(answer.bytes, done[0].bytes, "all are told the same");
            for name in ["location", "etag"] {
                assert!(!answer.header(name).is_empty(), "with {name}");
                assert_eq!(answer.header(name), done[0].header(name), "{name} is the same");
            }
        }
        for answer in in_use {
            assert_eq!(answer.status, 409, "or to come again: {}", answer.text());
            assert_eq!(answer.json()["code"], "idempotency_key_in_use");
            assert_eq!(answer.header("retry-after"), "1");
        }
        for node in nodes.each() {
            let again = send(node).expect(201);
            assert!(is_replay(&again), "a later one is told that it was done before");
            assert_eq!(again.bytes, done[0].bytes);
        }
        assert_eq!(nodes.sql(count), "1", "it is still done once: {path}");
    }
    nodes.stop();
}

#[test]
fn a_change_of_keys_refuses_no_token_on_any_node() {
    let nodes = Nodes::start(&["--throttle", "off"]);
    let old = nodes.member("old");
    let old_kid = kid(&old.access);
    for node in nodes.each() {
        assert_eq!(published(node), [old_kid.as_str()], "there is one key");
    }
    let members: Vec<Member> = (0..4).map(|number| nodes.member(&format!("member{number}"))).collect();
    let (is_over, nodes) = (AtomicBool::new(false), &nodes);
    let new_kid = thread::scope(|scope| {
        let clients: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(number, member)| {
                let is_over = &is_over;
                scope.spawn(move || live_through(nodes, number, member, is_over))
            })
            .collect();
        let over = Over(&is_over);
        let flags = ["keys", "rotate", "--lead", "2s", "--secret-key", SECRET];
        let said = nodes.places[0].run(flags).succeeded();
        let new_kid = said.split(' ').next().expect("a word").to_owned();
        assert_ne!(new_kid, old_kid, "it is another key: {said}");
        for node in nodes.each() {
            soon("both keys are published", || published(node) == [new_kid.as_str(), old_kid.as_str()]);
        }
        for node in nodes.each() {
            let client = node.client();
            eventually("the new key signs", || {
                let (access, _) = pair(&client.log_in("old", PASSWORD).expect(200).json());
                assert!(kid(&access) == new_kid || kid(&access) == old_kid);
                (kid(&access) == new_kid).then_some(())
            });
        }
        drop(over);
        for client in clients {
            // Each client has refreshed once more since the rotation.
            let kids = client.join().expect("no panic");
            assert_eq!(kids, [old_kid.as_str(), new_kid.as_str()], "one key after the other signed");
        }
        new_kid
    });
    for node in nodes.each() {
        assert_eq!(published(node), [new_kid.as_str(), old_kid.as_str()], "the old one still verifies");
        old.on(node).get("/api/v1/auth/sessions").expect(200);
    }
}

/// Refresh on alternating nodes and use each token on both, until it is over. Return the keys that signed, without
/// repetitions.
fn live_through(nodes: &Nodes, number: usize, member: &Member, is_over: &AtomicBool) -> Vec<String> {
    let mut refresh = member.refresh.clone();
    let mut kids: Vec<String> = Vec::new();
    for turn in number.. {
        let was_over = is_over.load(Ordering::Acquire);
        let (access, next) = refreshed(nodes.turn(turn), &refresh);
        if kids.last().is_none_or(|last| *last != kid(&access)) {
            kids.push(kid(&access));
        }
        // First on the node that did not issue the token: it knows the key, too.
        for node in [nodes.turn(turn + 1), nodes.turn(turn)] {
            node.client().with_token(&access).get("/api/v1/auth/sessions").expect(200);
            member.on(node).get("/api/v1/posts").expect(200);
        }
        refresh = next;
        if was_over {
            break;
        }
    }
    kids
}

/// The next tokens of a session.
#[track_caller]
fn refreshed(node: &Plaza, refresh: &str) -> (String, String) {
    pair(&node.client().post("/api/v1/auth/refresh", &json!({ "refresh_token": refresh })).expect(200).json())
}

/// Send this user's token to both nodes, so that both cache the user.
#[track_caller]
fn is_known(nodes: &Nodes, member: &Member) {
    for node in nodes.each() {
        for path in CLOSED_AND_OPEN {
            member.on(node).get(path).expect(200);
        }
    }
}

/// Whether this node knows that the session of this token has ended: it accepts the token either everywhere or
/// nowhere.
#[track_caller]
fn is_over(member: &Member, node: &Plaza, path: &str) -> bool {
    let answer = member.on(node).get(path);
    if answer.status == 200 {
        return false;
    }
    let answer = answer.expect(401);
    assert_eq!(answer.json()["code"], "session_revoked");
    assert!(answer.header("www-authenticate").starts_with("Bearer"), "it says what is wanted");
    true
}

#[track_caller]
fn is_over_soon(what: &str, member: &Member, node: &Plaza) {
    for path in CLOSED_AND_OPEN {
        soon(&format!("{what}: {path}"), || is_over(member, node, path));
    }
}
