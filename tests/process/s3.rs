//! Files in a bucket: a real S3 protocol server, which checks signatures, in place of the folder.

use std::net::TcpListener;
use std::path::Path;
use std::thread;

use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::json;

use crate::samples;
use crate::support::{Output, PUBLIC_URL, Place, Plaza, text, urls_of};

const ACCESS_KEY: &str = "plaza";
const SECRET_KEY: &str = "a secret of the bucket";

/// Serve the buckets that are folders of `root`; the address. It ends with the process of the tests.
fn buckets(root: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener of ours");
    let address = listener.local_addr().expect("an address").to_string();
    let service = {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        builder.build()
    };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a connection of ours");
                let service = service.clone();
                tokio::spawn(async move {
                    // A client that goes away is its own business.
                    drop(
                        Builder::new(hyper_util::rt::TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
    });
    address
}

/// `plaza serve` with its files in `s3://pictures/plaza`, signing with `secret`.
fn serve(place: &Place, address: &str, secret: &str) -> Plaza {
    let mut command = place.bare_command(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    command.args(["--public-url", PUBLIC_URL, "--drain", "0ms", "--store", "s3://pictures/plaza"]);
    command.arg("--data-dir").arg(place.data());
    set_keys(&mut command, address, secret);
    let started = Plaza::spawn(command, place.command(["dbshell", "--print-url"]), place.data()).ready();
    started.unwrap_or_else(|refused| panic!("it did not start: {refused:?}"))
}

fn set_keys(command: &mut std::process::Command, address: &str, secret: &str) {
    command
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", secret);
}

fn objects(root: &Path) -> usize {
    let mut found = 0;
    let mut folders = vec![root.join("pictures/plaza")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found += 1;
            }
        }
    }
    found
}

#[test]
fn pictures_live_in_a_bucket_as_in_a_folder() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(root.path().join("pictures")).expect("a bucket");
    let address = buckets(root.path());
    let place = Place::new();
    let plaza = serve(&place, &address, SECRET_KEY);
    let ana = plaza.client().registered("ana");
    let avatar = ana.send(ana.upload(samples::jpeg(300, 200), "a.jpg")).expect(200).json()["avatar"].clone();
    assert_eq!(objects(root.path()), 3, "the original and its two variants");
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
    ana.get("/media/avatars/2026/01/01/nothing.jpg").expect(404);

    ana.send(ana.upload(samples::png_with_alpha(30, 20), "b.png")).expect(200);
    assert_eq!(objects(root.path()), 3, "the first picture is gone");
    ana.send(ana.request(Method::DELETE, "/api/v1/profiles/me/avatar")).expect(204);
    assert_eq!(objects(root.path()), 0);
    plaza.stop();
}

#[test]
fn a_bucket_that_is_away_costs_uploads_only() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(root.path().join("pictures")).expect("a bucket");
    let place = Place::new();
    // Nobody listens there; and the second has the wrong key.
    for (address, secret) in
        [("127.0.0.1:9".to_owned(), SECRET_KEY), (buckets(root.path()), "another secret")]
    {
        let plaza = serve(&place, &address, secret);
        let name = format!("ana{}", secret.len());
        let ana = plaza.client().registered(&name);
        let refused = ana.send(ana.upload(samples::jpeg(30, 20), "a.jpg")).expect(503);
        assert_eq!(refused.json()["code"], "store_unavailable");
        assert_eq!(refused.header("retry-after"), "5");
        let profile = ana.get("/api/v1/profiles/me").expect(200).json();
        assert_eq!(profile["avatar"]["is_default"], json!(true));
        ana.get(&format!("/media/default-avatars/{name}/256.webp")).expect(200);
        ana.get("/media/avatars/2026/01/01/x.jpg").expect(503);
        plaza.stop();
    }
    assert_eq!(objects(root.path()), 0);
}

#[test]
fn a_bucket_is_checked_like_a_folder() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(root.path().join("pictures")).expect("a bucket");
    let address = buckets(root.path());
    let place = Place::new();
    for (secret, is_right) in [(SECRET_KEY, true), ("another secret", false)] {
        let mut command = place.bare_command(["check", "--store", "s3://pictures/plaza", "--data-dir"]);
        command.arg(place.data());
        set_keys(&mut command, &address, secret);
        let output = Output::of(command);
        let line = output
            .out
            .lines()
            .find(|line| line.contains(" store: "))
            .expect("a line on the store")
            .to_owned();
        assert_eq!(line.starts_with("ok"), is_right, "{line}");
    }
    assert_eq!(objects(root.path()), 0, "what was tried is gone again");
}
