//! Hostile uploads: bad, unusual and revealing pictures and forms of every kind, for every resource that accepts
//! pictures, on every store. A rejected upload leaves nothing behind. An accepted picture reveals nothing but its
//! pixels.

mod claims;
mod damage;
mod forms;
mod metadata;
mod names;
mod polyglots;
mod wire;

use std::cell::RefCell;

use plaza::media::LIMITS;
use plaza_image::decode;
use reqwest::Method;
use serde_json::Value;

use crate::app::TestApp;
use crate::client::{Answer, Client, send};
use crate::pictures;

/// A resource that accepts pictures.
#[derive(Clone, Copy)]
struct Target {
    /// The path for uploads.
    path: &'static str,
    /// The name of the form's part, and of the resource's field.
    part: &'static str,
    /// The path of the resource that shows the picture.
    resource: &'static str,
    /// The prefix of the keys of its files.
    folder: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        path: "/api/v1/profiles/me/avatar",
        part: "avatar",
        resource: "/api/v1/profiles/me",
        folder: "avatars",
    },
    Target {
        path: "/api/v1/posts/hello/cover",
        part: "cover",
        resource: "/api/v1/posts/hello",
        folder: "covers",
    },
];

/// One target on one store, with a valid picture in place.
struct Uploads {
    app: TestApp,
    ana: Client,
    target: Target,
    /// The state after the last accepted picture.
    known: RefCell<State>,
}

/// Everything that an upload can change.
#[derive(Debug, Default, PartialEq)]
struct State {
    files: Vec<String>,
    pictures: i64,
    jobs: i64,
    etag: String,
    resource: Value,
}

/// A file as any client gets it.
struct Served {
    url: String,
    bytes: Vec<u8>,
}

impl Uploads {
    async fn each() -> Vec<Self> {
        Self::each_with(&[]).await
    }

    /// With other settings than the defaults, given as flags.
    async fn each_with(flags: &[&str]) -> Vec<Self> {
        // Two sizes represent all, since the tests fetch every file.
        let sizes = [
            ["--avatar-variants", "32=fill:32x32,128=fill:128x128"],
            ["--cover-variants", "320=fit:320x,card=fill:64x36"],
        ]
        .concat();
        let mut all = Vec::new();
        for target in TARGETS {
            for app in TestApp::on_each_store(&[&sizes, flags].concat()).await {
                let ana = app.member("ana");
                ana.post("/api/v1/posts", serde_json::json!({ "title": "Hello" })).await;
                let uploads = Self { app, ana, target, known: RefCell::default() };
                uploads.takes("the first", uploads.upload(pictures::jpeg(64, 48)).await).await;
                all.push(uploads);
            }
        }
        all
    }

    async fn upload(&self, picture: Vec<u8>) -> Answer {
        self.ana.upload(self.target.path, self.target.part, picture).await
    }

    /// Send a body exactly as given.
    async fn send(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.ana.request(Method::PUT, self.target.path);
        send(request.header("content-type", content_type).body(body)).await
    }

    /// A form with the boundary `x` from its parts; see [`part`].
    async fn form(&self, parts: &[Vec<u8>]) -> Answer {
        self.send(FORM, [&parts.concat(), END].concat()).await
    }

    /// A part with the right name.
    fn file(&self, bytes: &[u8]) -> Vec<u8> {
        let name = self.target.part;
        part(format!("content-disposition: form-data; name=\"{name}\"; filename=\"a.jpg\""), bytes)
    }

    async fn state(&self) -> State {
        self.app.idle().await;
        let resource = self.ana.get(self.target.resource).await;
        State {
            files: self.app.files(),
            pictures: self.app.count("pictures"),
            jobs: self.app.count("jobs"),
            etag: resource.header("etag").to_owned(),
            resource: resource.json(),
        }
    }

    /// Upload a picture, and assert that it is rejected with this status and code for the part and changes nothing.
    async fn refuses(&self, what: &str, picture: Vec<u8>, status_and_code: &str) -> Answer {
        let answer = self.upload(picture).await;
        let code = status_and_code.split(' ').nth(1).expect("a code");
        let expected = format!("{status_and_code} /{} {code}", self.target.part);
        self.is_refused(what, answer, &expected).await
    }

    /// Assert that this response is an error response and that nothing has changed.
    async fn is_refused(&self, what: &str, answer: Answer, expected: &str) -> Answer {
        assert_eq!(answer.refusal(), expected, "{what}");
        self.is_as_it_was(what).await;
        answer
    }

    async fn is_as_it_was(&self, what: &str) {
        let now = self.state().await;
        assert_eq!(*self.known.borrow(), now, "after {what}");
    }

    /// Assert that this response is a success and that there is only this picture. Return its files, the original
    /// first.
    async fn takes(&self, what: &str, answer: Answer) -> Vec<Served> {
        assert_eq!(answer.status, "200 OK", "{what}: {}", String::from_utf8_lossy(&answer.bytes));
        let picture = answer.at(&format!("/{}", self.target.part));
        let mut files = Vec::new();
        for url in urls_of(&picture) {
            let file = self.app.guest().get(&url).await;
            assert_eq!(file.status, "200 OK", "{what}: {url}");
            files.push(Served { url, bytes: file.bytes });
        }
        let state = self.state().await;
        assert_eq!((state.pictures, state.jobs), (1, 0), "{what}");
        let original = files[0].url.rsplit_once('/').expect("a folder").1.split_once('.').expect("a file").0;
        for key in &state.files {
            assert!(is_ours(key, self.target.folder), "{key} after {what}");
            assert!(key.contains(original), "{key} is left behind after {what}");
        }
        *self.known.borrow_mut() = state;
        files
    }
}

/// The original's URL, then those of the variants.
fn urls_of(picture: &Value) -> Vec<String> {
    let variants = picture["variants"].as_array().expect("variants");
    std::iter::once(picture)
        .chain(variants)
        .map(|file| file["url"].as_str().expect("a URL").to_owned())
        .collect()
}

/// Whether the key looks like `avatars/2026/11/20/<32 hexadecimal digits>.jpg`, or has a variant's name after the
/// digits.
fn is_ours(key: &str, folder: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    let [top, year, month, day, file] = parts[..] else { return false };
    let number =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let (stem, extension) = file.split_once('.').unwrap_or_default();
    let (random, variant) = stem.split_once('_').unwrap_or((stem, "256"));
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    top == folder
        && number(year, 4)
        && number(month, 2)
        && number(day, 2)
        && (random.len() == 32 && random.bytes().all(is_hex))
        && variant.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && ["jpg", "png", "webp"].contains(&extension)
}

/// The content type of the handwritten forms in these tests.
const FORM: &str = "multipart/form-data; boundary=x";
const END: &[u8] = b"--x--\r\n";

/// A part from its raw headers and its content.
fn part(headers: impl AsRef<[u8]>, content: &[u8]) -> Vec<u8> {
    [b"--x\r\n", headers.as_ref(), b"\r\n\r\n", content, b"\r\n"].concat()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The letters of the colours at upper left, upper right, lower left and lower right: `RGBY` if the quadrants are
/// upright.
fn corners(file: &[u8]) -> String {
    let picture = decode(file, &LIMITS, 16_384).unwrap_or_else(|rejected| panic!("{rejected}"));
    let step = if picture.has_alpha() { 4 } else { 3 };
    let colours =
        [('R', pictures::RED), ('G', pictures::GREEN), ('B', pictures::BLUE), ('Y', pictures::YELLOW)];
    let letter = |(x, y): (u32, u32)| {
        let (x, y) = (picture.width() * x / 8, picture.height() * y / 8);
        let pixel = &picture.pixels()[(y * picture.width() + x) as usize * step..][..3];
        let near = |colour: &[u8]| colour.iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) <= 24);
        colours.iter().find(|(_, colour)| near(colour)).map_or('?', |(letter, _)| *letter)
    };
    [(1, 1), (6, 1), (1, 6), (6, 6)].map(letter).iter().collect()
}
