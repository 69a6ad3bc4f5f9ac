//! Event streams: they do not delay a stop, and a stream that is not read does not fill memory.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Memory, Place, Plaza, STOP, eventually, text};

/// Open a stream.
fn follow(plaza: &Plaza, token: &str, last_event_id: u32) -> BufReader<TcpStream> {
    let mut connection = TcpStream::connect(plaza.address()).expect("it listens");
    connection.set_read_timeout(Some(Duration::from_mins(1))).expect("a time");
    write!(
        connection,
        "GET /api/v1/events/stream HTTP/1.1\r\nHost: plaza.test\r\nAuthorization: Bearer {token}\r\n\
         Last-Event-ID: {last_event_id}\r\n\r\n"
    )
    .expect("it reads");
    BufReader::new(connection)
}

/// Read up to a line that contains this word; false if the stream ends first.
fn reads(stream: &mut BufReader<TcpStream>, word: &str) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line) {
            Ok(0) => return false,
            Ok(_) if line.contains(word) => return true,
            Ok(_) => {}
            Err(error) => panic!("no `{word}` in time: {error}"),
        }
    }
}

fn token(plaza: &Plaza, username: &str) -> String {
    text(&plaza.client().log_in(username, crate::support::PASSWORD).expect(200).json(), "/access_token")
}

#[test]
fn open_streams_delay_no_stop() {
    let place = Place::new();
    let mut plaza = place.serve_with(["--drain", "1m"]);
    let client = plaza.client().registered("ana");
    let token = token(&plaza, "ana");
    let mut streams: Vec<_> = (0..3).map(|_| follow(&plaza, &token, 0)).collect();
    for stream in &mut streams {
        assert!(reads(stream, "retry: "), "it begins");
    }
    plaza.signal(libc::SIGTERM);
    eventually("/readyz says so", || (client.get("/readyz").status == 503).then_some(()));
    client.post("/api/v1/posts", &json!({ "title": "Ada" })).expect(201);
    for stream in &mut streams {
        assert!(reads(stream, "event: post.created"), "during the drain it goes on");
    }
    // A second signal ends the drain immediately.
    let asked = Instant::now();
    plaza.signal(libc::SIGTERM);
    for stream in &mut streams {
        assert!(!reads(stream, "nothing more"), "then it ends");
    }
    assert_eq!(plaza.wait().code(), Some(0), "a stop is no failure: {}", plaza.said());
    assert!(asked.elapsed() < STOP, "nobody waits for streams to end");
}

#[test]
fn a_stream_that_is_not_read_takes_no_memory_and_holds_up_nobody() {
    let place = Place::new();
    let plaza = place.serve();
    let client = plaza.client().registered("ana");
    plaza.client().register("root").expect(201);
    plaza.sql("update users set is_staff = true where username = 'root'");
    let (root, ana) = (token(&plaza, "root"), token(&plaza, "ana"));
    let mut follower = follow(&plaza, &ana, 0);
    let write = |number: u32| {
        plaza.sql(&format!(
            "insert into comments (user_id, alias, content)
                 select id, 'A', repeat('x', 300) from users, generate_series(1, {number}) where username = 'root'"
        ));
        eventually("it is published", || {
            (plaza.sql("select count(*) from unpublished_events") == "0").then_some(())
        });
    };
    // So that the memory that publishing takes is already included.
    write(10_000);
    let idlers: Vec<_> = (0..5).map(|_| follow(&plaza, &root, 0)).collect();
    let before = Memory::of(&plaza);
    write(60_000);
    client.post("/api/v1/posts", &json!({ "title": "Ada" })).expect(201);
    assert!(reads(&mut follower, "event: post.created"), "others go on");
    let after = Memory::of(&plaza);
    // Each stream has forty megabytes to send.
    assert!(after.resident < before.resident + (24 << 10), "{before:?} became {after:?}");
    drop(idlers);
    plaza.stop();
}
