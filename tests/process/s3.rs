//! Files in a bucket instead of a folder: a real S3 server, which checks signatures.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::buckets::{Bucket, S3Server, SECRET_KEY, variables};
use crate::samples;
use crate::support::{Output, PUBLIC_URL, Place, Plaza, eventually, text, urls_of};

/// Start `plaza serve` with its files in `s3://pictures/plaza`, signing with `secret`.
pub fn serve(place: &Place, url: &str, secret: &str) -> Plaza {
    let mut command = place.bare_command(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    command.args(["--public-url", PUBLIC_URL, "--drain", "0ms", "--store", "s3://pictures/plaza"]);
    command.arg("--data-dir").arg(place.data()).args(place.database_flags(&[]));
    command.envs(variables(url, secret));
    let started = Plaza::spawn(command, place.finds_database(&[]), place.data()).ready();
    started.unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
}

/// A server with one bucket, `pictures`, and the folder that contains it.
pub fn bucket() -> (TempDir, S3Server, Bucket) {
    let root = tempfile::tempdir().expect("a folder");
    let server = S3Server::start(root.path());
    let bucket = server.bucket("pictures");
    (root, server, bucket)
}

#[test]
fn pictures_live_in_a_bucket_as_in_a_folder() {
    let (_root, server, bucket) = bucket();
    let place = Place::new();
    let plaza = serve(&place, &server.url(), SECRET_KEY);
    let ana = plaza.client().registered("ana");
    let avatar = ana.send(ana.upload(samples::jpeg(300, 200), "a.jpg")).expect(200).json()["avatar"].clone();
    assert_eq!(bucket.objects().len(), 3, "the original and its two variants");
    for url in urls_of(&avatar) {
        let path = url.strip_prefix(PUBLIC_URL).expect("the public URL");
        let file = ana.get(path).expect(200);
        let part = ana.send(ana.request(Method::GET, path).header("range", "bytes=0-9")).expect(206);
        assert_eq!(part.bytes, file.bytes[..10], "{url}");
        assert_eq!(part.header("content-range"), format!("bytes 0-9/{}", file.bytes.len()));
    }
    let beyond = text(&avatar, "/url");
    let beyond = beyond.strip_prefix(PUBLIC_URL).expect("the public URL");
    ana.send(ana.request(Method::GET, beyond).header("range", "bytes=9999999-")).expect(416);
    ana.get("/media/avatars/2026/01/01/0123456789abcdef0123456789abcdef.jpg").expect(404);

    ana.send(ana.upload(samples::png_with_alpha(30, 20), "b.png")).expect(200);
    // The variants of the first picture are deleted with it.
    eventually("the first picture is gone", || (bucket.objects().len() == 3).then_some(()));
    ana.send(ana.request(Method::DELETE, "/api/v1/profiles/me/avatar")).expect(204);
    eventually("the second is gone", || bucket.objects().is_empty().then_some(()));
    plaza.stop();
}

#[test]
fn a_bucket_that_is_away_costs_uploads_only() {
    let (_root, server, bucket) = bucket();
    let place = Place::new();
    // No server listens at the first URL. The second client has the wrong key.
    for (url, secret) in [("http://127.0.0.1:9".to_owned(), SECRET_KEY), (server.url(), "another secret")] {
        let plaza = serve(&place, &url, secret);
        let name = format!("ana{}", secret.len());
        let ana = plaza.client().registered(&name);
        let refused = ana.send(ana.upload(samples::jpeg(30, 20), "a.jpg")).expect(503);
        assert_eq!(refused.json()["code"], "store_unavailable");
        assert_eq!(refused.header("retry-after"), "5");
        let profile = ana.get("/api/v1/profiles/me").expect(200).json();
        assert_eq!(profile["avatar"]["is_default"], json!(true));
        ana.get(&format!("/media/default-avatars/{name}/256.webp")).expect(200);
        ana.get("/media/avatars/2026/01/01/0123456789abcdef0123456789abcdef.jpg").expect(503);
        plaza.stop();
    }
    assert_eq!(bucket.objects().len(), 0);
}

#[test]
fn a_bucket_is_checked_like_a_folder() {
    let (_root, server, bucket) = bucket();
    let place = Place::new();
    for (secret, is_right) in [(SECRET_KEY, true), ("another secret", false)] {
        let mut command = place.bare_command(["check", "--store", "s3://pictures/plaza", "--data-dir"]);
        command.arg(place.data()).args(place.database_flags(&[]));
        command.envs(variables(&server.url(), secret));
        let output = Output::of(command);
        let line = output
            .out
            .lines()
            .find(|line| line.contains(" store: "))
            .expect("a line on the store")
            .to_owned();
        assert_eq!(line.starts_with("ok"), is_right, "{line}");
    }
    assert_eq!(bucket.objects().len(), 0, "what was tried is gone again");
}
