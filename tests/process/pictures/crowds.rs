//! More concurrent uploads than fit in memory: some clients are told to retry, all other uploads are kept, and other
//! requests are not affected.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use image::RgbImage;
use serde_json::json;

use super::cover;
use crate::samples;
use crate::soak::many;
use crate::support::{
    Client, Memory, Over, PUBLIC_URL, Place, Plaza, at_once, eventually, settled, store_and_rows_agree, text,
};

/// How much memory pictures that are being processed may take by default, in KiB.
const BUDGET: u64 = 256 << 10;
/// For connections, threads and what the allocator retains, in KiB.
const MARGIN: u64 = 96 << 10;

/// Longer than a hundred such pictures take, even on a busy machine.
const LONG: Duration = Duration::from_mins(4);

#[test]
fn many_large_pictures_at_once_take_no_more_memory_than_they_may() {
    let place = Place::new();
    let plaza = place.serve_with(["--throttle", "off"]);
    let ana = plaza.client().registered("ana");
    // A dozen pictures would already take twice the memory allowed.
    let crowd = many(12, 100);
    let slugs: Vec<String> = (0..crowd).map(|number| post(&ana, number)).collect();
    let picture = large_picture();
    let token = text(&ana.log_in("ana", crate::support::PASSWORD).expect(200).json(), "/access_token");
    let clients: Vec<Client> = (0..crowd).map(|_| plaza.client().with_token(&token)).collect();

    let before = Memory::of(&plaza);
    let (is_over, read) = (AtomicBool::new(false), AtomicUsize::new(0));
    let kept = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read_lists(&plaza, &is_over, &read));
        }
        let _over = Over(&is_over);
        at_once(crowd, |number| is_kept(&clients[number], &slugs[number], &picture))
    });
    let after = Memory::of(&plaza);
    assert!(after.peak < before.resident + BUDGET + MARGIN, "{before:?} became {after:?}");
    assert!(read.load(Ordering::Acquire) > 0, "lists were read meanwhile");

    assert!(kept.contains(&true), "some are kept");
    for (slug, is_kept) in slugs.iter().zip(kept) {
        let post = ana.get(&format!("/api/v1/posts/{slug}")).expect(200).json();
        assert_eq!(post["cover"]["is_default"], json!(!is_kept), "{slug} is as it was said");
    }
    settled(plaza.database_url());
    store_and_rows_agree(plaza.database_url(), &place.media(), "in the end");
    plaza.stop();
}

fn post(client: &Client, number: usize) -> String {
    let post = json!({ "title": format!("Post {number}"), "published": true });
    text(&client.post("/api/v1/posts", &post).expect(201).json(), "/slug")
}

/// Read lists until it is over.
fn read_lists(plaza: &Plaza, is_over: &AtomicBool, read: &AtomicUsize) {
    let client = plaza.client();
    while !is_over.load(Ordering::Acquire) {
        client.get("/api/v1/posts?limit=20").expect(200);
        read.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether the upload is kept. If not, assert that the client is told to retry.
fn is_kept(client: &Client, slug: &str, picture: &Bytes) -> bool {
    let answer = client.send(cover(client, slug, picture.clone(), picture.len()).timeout(LONG));
    if answer.status == 503 {
        assert_eq!(answer.json()["code"], "busy", "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "it says when to come again");
        return false;
    }
    answer.expect(200);
    true
}

/// Twelve megapixels in about four megabytes, like a phone's photo: a strip of faint noise, repeated.
fn large_picture() -> Bytes {
    let (width, height) = (4000, 3000);
    let strip = samples::noise(width / 8, height);
    let rows = strip.as_raw().chunks(3 * width as usize / 8);
    let pixels = rows.flat_map(|row| row.repeat(8)).map(|value| 96 + (value & 63)).collect();
    let picture = RgbImage::from_raw(width, height, pixels).expect("as many pixels");
    let picture = samples::jpeg_with(&picture, |_| ());
    assert!((3_000_000..10_000_000).contains(&picture.len()), "as large as a photo: {}", picture.len());
    picture.into()
}

const STALLED: usize = 50;
/// The number of bytes that each of them has sent.
const SENT: usize = 5 << 20;

#[test]
fn uploads_that_stall_hold_no_memory_and_nobody_else_up() {
    let place = Place::new();
    // With this grace, the program does not time out the first upload before the last one has sent its part.
    let plaza = place.serve_with(["--throttle", "off", "--body-grace", "1h"]);
    let ana = plaza.client().registered("ana");
    ana.send(ana.upload(samples::jpeg(300, 200), "me.jpg")).expect(200);
    let token = text(&ana.log_in("ana", crate::support::PASSWORD).expect(200).json(), "/access_token");

    let before = Memory::of(&plaza);
    let stalled: Vec<TcpStream> = (0..STALLED).map(|_| stall(&plaza, &token)).collect();
    // Allow for bytes that are still in socket buffers.
    eventually("what they sent has come", || {
        (spooled(&plaza) >= (STALLED * (SENT - (1 << 17))) as u64).then_some(())
    });
    let after = Memory::of(&plaza);
    assert!(after.peak < before.resident.max(before.peak) + (50 << 10), "{before:?} became {after:?}");

    let me = ana.send(ana.upload(samples::jpeg(400, 300), "me.jpg")).expect(200).json();
    assert_eq!(me["avatar"]["width"], json!(400), "an upload beside them is kept");
    drop(stalled);
    eventually("what they sent is gone", || (spooled(&plaza) == 0).then_some(()));
    settled(plaza.database_url());
    store_and_rows_agree(plaza.database_url(), &place.media(), "in the end");
    plaza.stop();
}

/// An upload that stalls in the middle.
fn stall(plaza: &Plaza, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(plaza.address()).expect("it listens");
    let host = PUBLIC_URL.trim_start_matches("http://");
    let head = format!(
        "PUT /api/v1/profiles/me/avatar HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: 9000000\r\n\r\n\
         --b\r\ncontent-disposition: form-data; name=\"avatar\"; filename=\"a.jpg\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(&vec![0xA5; SENT]).expect("it reads");
    stream
}

/// The size of the files without a name that the program has open.
fn spooled(plaza: &Plaza) -> u64 {
    let files = fs::read_dir(format!("/proc/{}/fd", plaza.pid())).expect("it is alive").flatten();
    files
        .filter(|file| {
            fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().ends_with("(deleted)"))
        })
        .filter_map(|file| Some(fs::metadata(file.path()).ok()?.size()))
        .sum()
}
