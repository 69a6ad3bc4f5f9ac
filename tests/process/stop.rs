//! Stopping: requests in progress are completed, load balancers are notified, and the program exits with 0.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::soak::many;
use crate::support::{
    Answer, PASSWORD, Place, Plaza, SECRET, STOP, TableLock, eventually, kill, log, postmaster, processes,
    text,
};

#[test]
fn after_sigterm_a_slow_request_is_answered_while_readyz_says_stopping() {
    let place = Place::embedded();
    let mut plaza = place.serve_with(["--drain", "1m"]);
    let (client, operator) = (plaza.client(), plaza.operator());
    client.get("/readyz").expect(200);
    operator.get("/readyz").expect(200);
    let slow = SlowRequest::begin(&plaza, "ana");

    plaza.signal(libc::SIGTERM);
    for client in [&client, &operator] {
        let answer = eventually("/readyz says so", || Some(client.get("/readyz")).filter(is_stopping));
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "it says when to come again");
    }
    client.get("/api/v1/users").expect(200);
    plaza.says("signal=\"SIGTERM\"");

    // A second signal ends the drain early, since the test has seen what it needs.
    plaza.signal(libc::SIGTERM);
    eventually("the drain is over", || TcpStream::connect(plaza.address()).err());
    assert!(!plaza.has_ended(), "it waits for the slow request");
    assert!(is_stopping(&operator.get("/readyz")), "operators are still told");
    operator.get("/livez").expect(200);

    let answer = slow.finish();
    assert!(answer.starts_with("HTTP/1.1 201 "), "what had begun is answered: {answer}");
    assert_eq!(plaza.wait().code(), Some(0), "a stop is no failure: {}", plaza.said());
    assert!(place.is_quiet(), "the server is stopped too");
    let again = place.serve();
    again.client().get("/api/v1/users/ana").expect(200);
    again.stop();
}

#[test]
fn ctrl_c_reaches_the_program_alone_which_answers_then_stops_the_server() {
    let place = Place::embedded();
    let mut plaza = place.spawn_in_group().ready().expect("it starts");
    let client = plaza.client().registered("ana");
    let group = plaza.pid();
    let server = postmaster(place.data()).expect("a postmaster");
    // SAFETY: `getpgid` takes a plain number.
    let servers_group = unsafe { libc::getpgid(server) };
    assert_ne!(servers_group, group, "the server is in a group of its own");

    let lock = TableLock::on(&plaza, "posts");
    thread::scope(|scope| {
        let post = scope.spawn(|| client.post("/api/v1/posts", &json!({ "title": "Hello" })));
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        eventually("the request waits for the lock", || (plaza.sql(waiting) == "1").then_some(()));
        // Like a terminal, which signals the foreground process group.
        kill(-group, libc::SIGINT);
        eventually("it takes no more", || TcpStream::connect(plaza.address()).err());
        lock.release();
        post.join().expect("no panic").expect(201);
    });
    assert_eq!(plaza.wait().code(), Some(0), "a stop is no failure: {}", plaza.said());
    assert!(plaza.said().contains("signal=\"SIGINT\""), "it tells why: {}", plaza.said());
    assert!(place.is_quiet(), "the server is stopped too");
    let log = log(place.data());
    assert!(log.contains("database system is shut down"), "by a shutdown:\n{log}");
}

#[test]
fn a_stop_that_signals_every_process_at_once_is_no_failure() {
    let place = Place::embedded();
    let mut plaza = place.serve_with(["--drain", "1s"]);
    let client = plaza.client().registered("ana");
    // Like systemd by default.
    plaza.signal(libc::SIGTERM);
    for pid in processes(place.data()) {
        kill(pid, libc::SIGTERM);
    }
    eventually("the drain is over", || {
        // Requests during the drain are served, or get a 503 since the database is unavailable.
        let request = client.request(Method::GET, "/api/v1/users/ana");
        let Ok(answer) = client.try_send(request) else { return Some(()) };
        assert!(matches!(answer.status, 200 | 503), "200, 503 or nothing: {}", answer.text());
        None
    });
    assert_eq!(plaza.wait().code(), Some(0), "a stop is no failure: {}", plaza.said());
    assert!(place.is_quiet(), "the server is stopped too");
    let again = place.serve();
    again.client().get("/api/v1/users/ana").expect(200);
    again.stop();
}

#[test]
fn a_second_signal_cuts_the_drain_short() {
    let place = Place::embedded();
    let mut plaza = place.serve_with(["--drain", "5m"]);
    let client = plaza.client();
    plaza.signal(libc::SIGTERM);
    eventually("/readyz says so", || is_stopping(&client.get("/readyz")).then_some(()));
    plaza.signal(libc::SIGTERM);
    assert_eq!(plaza.wait().code(), Some(0), "it ends at once: {}", plaza.said());
    assert!(place.is_quiet(), "the server is stopped too");
}

#[test]
fn a_connection_that_is_merely_kept_open_delays_no_stop() {
    let place = Place::new();
    let mut plaza = place.serve();
    let mut idle = TcpStream::connect(plaza.address()).expect("it listens");
    write!(idle, "GET /livez HTTP/1.1\r\nHost: plaza.test\r\n\r\n").expect("it reads");
    let mut answer = BufReader::new(idle.try_clone().expect("a copy"));
    let mut line = String::new();
    answer.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200 "), "it is served and stays open: {line}");

    let asked = Instant::now();
    plaza.signal(libc::SIGTERM);
    assert_eq!(plaza.wait().code(), Some(0), "a stop is no failure: {}", plaza.said());
    assert!(asked.elapsed() < STOP, "nobody waits for a request that never comes");
}

#[test]
fn one_stop_after_another_is_no_failure() {
    let places = [Place::new(), Place::untouched()];
    let first = places[0].serve_with(["--secret-key", SECRET]);
    // A regression test: one stop in twenty used to abort while threads were ending.
    for _ in 0..many(5, 30) {
        let flags = ["--secret-key", SECRET, "--database-url", first.database_url()];
        let plaza = places[1].serve_with(flags);
        plaza.client().get("/api/v1/posts").expect(200);
        plaza.stop();
    }
    first.stop();
}

#[test]
fn a_port_in_use_is_told_before_anything_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    for (flag, setting) in [("--listen", "PLAZA_LISTEN"), ("--ops-listen", "PLAZA_OPS_LISTEN")] {
        let place = Place::new();
        let said = place.run(["serve", flag, &address]).failed();
        for word in [address.as_str(), "in use", setting] {
            assert!(said.contains(word), "it says `{word}`: {said}");
        }
        assert!(!place.data().exists(), "nothing was made");
    }
}

fn is_stopping(answer: &Answer) -> bool {
    answer.status == 503 && text(&answer.json(), "/code") == "shutting_down"
}

/// A registration of which only the first half was sent. The program waits for the rest.
struct SlowRequest {
    stream: BufReader<TcpStream>,
    rest: String,
}

impl SlowRequest {
    fn begin(plaza: &Plaza, username: &str) -> Self {
        let email = format!("{username}@example.org");
        let body = json!({ "username": username, "email": email, "password": PASSWORD }).to_string();
        let (first, rest) = body.split_at(10);
        let mut stream = BufReader::new(TcpStream::connect(plaza.address()).expect("it listens"));
        stream.get_ref().set_read_timeout(Some(Duration::from_mins(1))).expect("a time");
        write!(
            stream.get_mut(),
            "POST /api/v1/users HTTP/1.1\r\nHost: plaza.test\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .expect("it reads");
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 100 "), "it wants the body: {line}");
        stream.get_mut().write_all(first.as_bytes()).expect("it reads");
        Self { stream, rest: rest.to_owned() }
    }

    /// Send the rest, and return the response.
    fn finish(mut self) -> String {
        self.stream.get_mut().write_all(self.rest.as_bytes()).expect("it reads");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).expect("an answer");
        answer.trim_start().to_owned()
    }
}
