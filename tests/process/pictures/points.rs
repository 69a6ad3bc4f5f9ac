//! A node is killed at each intermediate state of an upload. The loops of `kills` reach these by chance; here the
//! server holds each until the kill.

use std::thread;

use reqwest::Method;
use tempfile::TempDir;

use crate::buckets::{Answers, Bucket, S3Server, SECRET_KEY};
use crate::s3::{bucket, serve};
use crate::samples;
use crate::support::{Client, Place, Plaza, TableLock, eventually, settled, store_and_rows_agree, text};

/// Holds the removal of files from a bucket. A removal is a `POST`, since one request contains many keys.
const REMOVAL: Answers = Answers::Held("POST");

/// Ends the claims of a killed node.
const LATER: &str = "update files set claimed_until = now() where stored_at is null; \
                     update jobs set due_at = now() where failed_at is null";

/// A node with its files in a bucket, and a member with an avatar.
struct Scene {
    root: TempDir,
    server: S3Server,
    bucket: Bucket,
    place: Place,
    /// The URL of the acknowledged avatar.
    avatar: String,
}

impl Scene {
    fn set() -> (Self, Plaza, Client) {
        let (root, server, bucket) = bucket();
        let place = Place::new();
        let plaza = serve(&place, &server.url(), SECRET_KEY);
        let client = plaza.client().registered("ana");
        let answer = client.send(client.upload(samples::jpeg(300, 200), "a.jpg")).expect(200).json();
        let avatar = text(&answer, "/avatar/url");
        (Self { root, server, bucket, place, avatar }, plaza, client)
    }

    /// Assert that the acknowledged avatar is shown, and that nothing else is left of either upload.
    fn is_whole(&self, what: &str) {
        self.bucket.answer(Answers::Well);
        let plaza = serve(&self.place, &self.server.url(), SECRET_KEY);
        plaza.sql(LATER);
        settled(plaza.database_url());
        store_and_rows_agree(plaza.database_url(), &self.root.path().join("pictures/plaza"), what);
        let profile = plaza.client().get("/api/v1/profiles/ana").expect(200).json();
        assert_eq!(text(&profile, "/avatar/url"), self.avatar, "{what}");
        assert_eq!(plaza.sql("select count(*) from pictures"), "1", "{what}");
        plaza.stop();
    }
}

/// Kill the node while another upload waits at the point that `is_there` detects.
fn kill_amid_upload(plaza: Plaza, client: &Client, is_there: impl Fn(&Plaza) -> bool) {
    thread::scope(|scope| {
        let upload = client.upload(samples::png_with_alpha(300, 200), "b.png");
        let upload = scope.spawn(|| client.try_send(upload));
        eventually("the upload has come to the point", || is_there(&plaza).then_some(()));
        plaza.kill();
        assert!(upload.join().expect("no panic").is_err(), "it was never acknowledged");
    });
}

#[test]
fn killed_when_its_files_are_announced_and_none_is_written_a_node_leaves_none() {
    let (scene, plaza, client) = Scene::set();
    scene.bucket.answer(Answers::Held("PUT"));
    let files = scene.bucket.objects().len();
    kill_amid_upload(plaza, &client, |plaza| {
        plaza.sql("select count(*) from files where stored_at is null") != "0"
    });
    assert_eq!(scene.bucket.objects().len(), files, "none is written");
    scene.is_whole("killed after the announcement");
}

#[test]
fn killed_when_its_files_are_written_and_no_row_shows_them_a_node_leaves_none() {
    let (scene, plaza, client) = Scene::set();
    let files = scene.bucket.objects().len();
    let lock = TableLock::on(&plaza, "profiles");
    kill_amid_upload(plaza, &client, |plaza| {
        let waits = "select count(*) from pg_locks where not granted and relation = 'profiles'::regclass \
                     and database = (select oid from pg_database where datname = current_database())";
        scene.bucket.objects().len() == files + 3 && plaza.sql(waits) != "0"
    });
    lock.release();
    scene.is_whole("killed after the put");
}

#[test]
fn killed_when_its_rows_are_committed_and_the_former_files_are_there_a_node_leaves_the_new_ones() {
    let (mut scene, plaza, client) = Scene::set();
    scene.bucket.answer(REMOVAL);
    let asked = scene.bucket.requests();
    let answer = client.send(client.upload(samples::png_with_alpha(300, 200), "b.png")).expect(200).json();
    scene.avatar = text(&answer, "/avatar/url");
    eventually("the former files are being removed", || {
        (scene.bucket.requests() > asked
            && plaza.sql("select count(*) from jobs where kind = 'media.remove'") == "1")
            .then_some(())
    });
    plaza.kill();
    assert_eq!(scene.bucket.objects().len(), 6, "the former ones are there");
    scene.is_whole("killed after the commit");
}

#[test]
fn killed_when_a_deletion_is_committed_a_node_leaves_no_file() {
    let (scene, plaza, client) = Scene::set();
    scene.bucket.answer(REMOVAL);
    client.send(client.request(Method::DELETE, "/api/v1/profiles/me/avatar")).expect(204);
    plaza.kill();
    assert_eq!(scene.bucket.objects().len(), 3, "its files are there");
    scene.bucket.answer(Answers::Well);
    let plaza = serve(&scene.place, &scene.server.url(), SECRET_KEY);
    plaza.sql(LATER);
    eventually("they go", || scene.bucket.objects().is_empty().then_some(()));
    settled(plaza.database_url());
    plaza.stop();
}
