//! Hostile uploads are rejected for what they are, without using the memory that they claim and without leaving a
//! trace. Hostile receivers' responses are read without the memory that they would fill.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder};
use serde_json::json;

use crate::hooks::{Answer, Receiver};
use crate::samples;
use crate::support::{Client, Memory, Place, eventually, text};

/// How much memory the rejections may use, in KiB. Any of these pictures takes more when decoded.
const ALLOWED: u64 = 120 << 10;
/// How much memory two hundred responses of a gigabyte may use, in KiB.
const FLOODED: u64 = 8 << 10;

const CASES: [&str; 8] = [
    "a 20000×20000 PNG of one colour",
    "a PNG of 74 bytes that claims 12000×12000",
    "a JPEG cut in half",
    "an SVG",
    "a shell script named a.png",
    "two parts `avatar`",
    "11 MiB in chunks, without a length",
    "11 MiB with a length",
];

#[test]
fn hostile_uploads_are_refused_with_memory_flat_and_nothing_stored() {
    let place = Place::new();
    let plaza = place.serve();
    let client = plaza.client().registered("ana");
    // So that the memory that a valid picture takes is already included.
    client.send(client.upload(half_of_this(), "me.jpg")).expect(200);
    let (profile, files) = (client.get("/api/v1/profiles/ana").expect(200), files(&place.media()));
    let before = Memory::of(&plaza);

    for case in CASES {
        is_refused(&client, case);
    }
    let after = Memory::of(&plaza);
    assert!(after.peak < before.peak + ALLOWED, "one after another: {before:?} became {after:?}");

    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let client = plaza.client().logged_in("ana");
                for case in CASES {
                    is_refused(&client, case);
                }
            });
        }
    });
    let after = Memory::of(&plaza);
    assert!(after.peak < before.peak + ALLOWED, "three at a time: {before:?} became {after:?}");
    assert!(after.resident < before.resident + ALLOWED, "in the end: {before:?} became {after:?}");

    assert_eq!(files, self::files(&place.media()), "the store is as it was");
    let profile_now = client.get("/api/v1/profiles/ana").expect(200);
    assert_eq!(profile.text(), profile_now.text(), "the profile is as it was");
    assert_eq!(profile.header("etag"), profile_now.header("etag"), "so is its version");
    assert_eq!(plaza.sql("select count(*) from pictures"), "1", "there is no other picture");
    plaza.stop();
}

#[test]
fn receivers_that_answer_a_gigabyte_fill_no_memory_and_hold_up_nobody() {
    let place = Place::new();
    let plaza = place.serve_with(["--webhook-private", "on", "--throttle", "off"]);
    let client = plaza.client().registered("ana");
    let receivers = [Answer::Flood, Answer::FloodOfHeaders, Answer::Status(204)].map(Receiver::that);
    for receiver in &receivers {
        plaza.sql(&format!(
            "insert into webhooks (url, types) values ('{}', '{{post.created}}')",
            receiver.url()
        ));
    }
    let all_are_tried = |posts: usize| {
        for number in 0..posts {
            client.post("/api/v1/posts", &json!({ "title": format!("Ada {number}") })).expect(201);
        }
        eventually("every delivery is tried", || {
            let waiting = "select (select count(*) from unpublished_events) + \
                           (select count(*) from deliveries where attempts = 0)";
            (plaza.sql(waiting) == "0").then_some(())
        });
    };
    // So that the memory that a delivery takes is already included.
    receivers[..2].iter().for_each(|receiver| receiver.answer(Answer::Status(204)));
    all_are_tried(20);
    receivers[0].answer(Answer::Flood);
    receivers[1].answer(Answer::FloodOfHeaders);
    let before = Memory::of(&plaza);
    all_are_tried(100);
    let after = Memory::of(&plaza);
    assert!(after.peak < before.peak + FLOODED, "{before:?} became {after:?}");
    assert_eq!(receivers[2].count(), 120, "the other one has all");
    let seen = plaza.sql(
        "select webhook_id, status, count(*), max(left(error, 9)) from deliveries group by 1, 2 order by 1, 3",
    );
    assert_eq!(seen, "1|delivered|120|\n2|delivered|20|\n2|pending|100|no answer\n3|delivered|120|");
    plaza.stop();
}

fn is_refused(client: &Client, case: &str) {
    let (request, status, code) = hostile(client, case);
    let answer = client.send(request);
    assert_eq!((case, answer.status), (case, status), "the status of {case}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{case} is a problem");
    assert_eq!(text(&answer.json(), "/code"), code, "the code of {case}");
    let pointer = text(&answer.json(), "/errors/0/pointer");
    assert_eq!(pointer, "/avatar", "{case} is the fault of the part: {}", answer.text());
}

/// The request, and the response that it gets.
fn hostile(client: &Client, case: &str) -> (RequestBuilder, u16, &'static str) {
    let file = |bytes: Vec<u8>, name: &'static str| Part::bytes(bytes).file_name(name);
    let one = |part: Part| client.upload_form(Form::new().part("avatar", part));
    match CASES.iter().position(|known| *known == case).expect("one of the cases") {
        0 => (one(file(samples::flat_png(20_000), "flat.png")), 422, "image_too_large"),
        1 => {
            let claim = samples::png_claiming(12_000, 12_000);
            assert_eq!(claim.len(), 74, "it is as small as that");
            (one(file(claim, "claim.png")), 422, "image_too_large")
        }
        2 => (one(file(samples::truncated(&half_of_this(), 50), "half.jpg")), 422, "image_corrupt"),
        3 => {
            let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
            (one(file(svg.to_vec(), "a.svg")), 415, "unsupported_picture")
        }
        4 => {
            let part = file(b"#!/bin/sh\nrm -rf /\n".to_vec(), "a.png").mime_str("image/png");
            (one(part.expect("a type")), 415, "unsupported_picture")
        }
        5 => {
            let part = || file(samples::jpeg(64, 64), "a.jpg");
            let form = Form::new().part("avatar", part()).part("avatar", part());
            (client.upload_form(form), 422, "validation_failed")
        }
        6 => {
            let mebibyte = bytes::Bytes::from(vec![0xA5; 1 << 20]);
            let chunks = (0..11).map(move |_| Ok::<_, std::io::Error>(mebibyte.clone()));
            let body = Body::wrap_stream(futures_util::stream::iter(chunks));
            let request = one(Part::stream(body).file_name("a.jpg"));
            (request, 413, "payload_too_large")
        }
        _ => (one(file(vec![0xA5; 11 << 20], "a.jpg")), 413, "payload_too_large"),
    }
}

/// A picture of which even half is more than a megabyte.
fn half_of_this() -> Vec<u8> {
    samples::jpeg_with(&samples::noise(1600, 1200), |_| ())
}

/// Every file below a folder, with its size.
fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the store").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), entry.metadata().expect("a file").len());
        }
    }
    found
}
