//! `plaza media gc`: it finds what other programs left or removed, and touches nothing else.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::{key_of, variant};
use crate::buckets::{SECRET_KEY, files_below, variables};
use crate::s3::{bucket, serve};
use crate::samples;
use crate::soak::many;
use crate::support::{
    Client, Output, Over, Place, at_once, eventually, settled, store_and_rows_agree, text, urls_of,
};

const ORPHAN: &str = "avatars/2026/01/01/0123456789abcdef0123456789abcdef.jpg";
const ITS_VARIANT: &str = "avatars/2026/01/01/0123456789abcdef0123456789abcdef_64.webp";
const FOREIGN: [&str; 2] = ["readme.txt", "covers/nocover.png"];
/// A partial file of the local store, and its age in minutes.
const OLD: (&str, u64) = ("covers/2026/01/01/00000000000000000000000000000000.jpg#1", 61);
const YOUNG: (&str, u64) = ("covers/2026/01/01/11111111111111111111111111111111.jpg#1", 50);

#[test]
fn garbage_in_a_folder_is_collected_beside_a_running_server_and_without_one() {
    let place = Place::new();
    let media = place.media();
    for is_running in [true, false] {
        let plaza = place.serve();
        let ana = plaza.client();
        let ana = if is_running { ana.registered("ana") } else { ana.logged_in("ana") };
        let lost = lose_a_variant(&ana, &media);
        settled(plaza.database_url());
        litter(&media);
        litter_unfinished(&media);
        let plaza = if is_running {
            Some(plaza)
        } else {
            plaza.stop();
            None
        };
        let gone = [ORPHAN, ITS_VARIANT, OLD.0].map(ToOwned::to_owned).to_vec();
        let kept = is_collected(|flags| gc(&place, flags), || files_below(&media), gone, &lost);
        for stays in FOREIGN.into_iter().chain([YOUNG.0]) {
            assert!(kept.iter().any(|key| key == stays), "{stays} stays: {kept:?}");
        }
        if let Some(plaza) = plaza {
            plaza.stop();
        }
    }
}

#[test]
fn garbage_in_a_bucket_is_collected_as_in_a_folder() {
    let (root, server, bucket) = bucket();
    let place = Place::new();
    let plaza = serve(&place, &server.url(), SECRET_KEY);
    let ana = plaza.client().registered("ana");
    // In the bucket, keys have the prefix of the setting.
    let media = root.path().join("pictures/plaza");
    let lost = lose_a_variant(&ana, &media);
    litter(&media);
    let command = |flags: &[&str]| {
        let mut command = place.bare_command(["media", "gc", "--store", "s3://pictures/plaza", "--data-dir"]);
        command
            .arg(place.data())
            .args(place.database_flags(&[]))
            .args(flags)
            .envs(variables(&server.url(), SECRET_KEY));
        command
    };
    let gone = [ORPHAN, ITS_VARIANT].map(ToOwned::to_owned).to_vec();
    let objects = || {
        let objects = bucket.objects();
        objects.iter().filter_map(|key| Some(key.strip_prefix("plaza/")?.to_owned())).collect()
    };
    let kept = is_collected(command, objects, gone, &lost);
    for stays in FOREIGN {
        assert!(kept.iter().any(|key| key == stays), "{stays} stays: {kept:?}");
    }
    plaza.stop();
}

#[test]
fn a_database_that_knows_no_picture_is_asked_about_before_a_store_is_emptied() {
    let place = Place::new();
    litter(&place.media());
    let before = files_below(&place.media());
    let rehearsed = Output::of(gc(&place, &["--dry-run"])).succeeded();
    assert!(rehearsed.contains(&format!("would remove {ORPHAN}\n")), "{rehearsed}");
    let refused = Output::of(gc(&place, &[]));
    assert!(refused.code == Some(1) && refused.err.contains("--empty-database"), "{refused:?}");
    assert_eq!(files_below(&place.media()), before, "nothing is removed");
    Output::of(gc(&place, &["--empty-database"])).succeeded();
    assert_eq!(files_below(&place.media()), ["covers/nocover.png", "readme.txt"]);
}

#[test]
fn every_variant_that_is_missing_is_made_at_the_word_of_command() {
    let place = Place::new();
    let plaza = place.serve();
    let ana = plaza.client().registered("ana");
    lose_a_variant(&ana, &place.media());
    let make = || Output::of(place.command(["media", "make"]));
    assert!(make().succeeded().contains("made 8 variants of 1 pictures, 0 failed"));
    assert!(make().succeeded().contains("made 0 variants of 1 pictures, 0 failed"));
    assert!(
        Output::of(gc(&place, &[]))
            .succeeded()
            .contains("11 files are in use, 0 are not Plaza's, 0 are missing")
    );
    let original =
        files_below(&place.media()).into_iter().find(|key| !key.contains('_')).expect("an original");
    fs::remove_file(place.media().join(&original)).expect("it is there");
    fs::remove_file(place.media().join(original.replace(".jpg", "_32.webp"))).expect("it is there");
    let failed = make();
    assert!(
        failed.code == Some(1) && failed.out.contains("0 variants of 1 pictures, 1 failed"),
        "{failed:?}"
    );
    let told = Output::of(gc(&place, &[]));
    assert!(told.code == Some(1) && told.out.contains(&format!("missing {original}\n")), "{told:?}");
    plaza.stop();
}

#[test]
fn garbage_is_collected_beside_uploads_without_touching_what_they_use() {
    let place = Place::new();
    let plaza = place.serve_with(["--throttle", "off"]);
    let (is_over, uploads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let enough = many(30, 150);
    let (people, collected) = thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            let _over = Over(&is_over);
            let mut collected = Vec::new();
            loop {
                let before = uploads.load(Ordering::Acquire);
                if before >= enough {
                    return collected;
                }
                collected.push(Output::of(gc(&place, &[])).succeeded());
                eventually("more is uploaded", || (uploads.load(Ordering::Acquire) > before).then_some(()));
            }
        });
        let people = at_once(4, |number| {
            let client = plaza.client().registered(&format!("user{number}"));
            while !is_over.load(Ordering::Acquire) {
                upload_and_look(&client);
                uploads.fetch_add(1, Ordering::AcqRel);
            }
            client
        });
        (people, collecting.join().expect("no panic"))
    });
    for said in collected {
        assert!(!said.lines().any(|line| line.starts_with("missing")), "every row has its file: {said}");
    }
    for client in people {
        let me = client.get("/api/v1/profiles/me").expect(200).json();
        for url in urls_of(&me["avatar"]) {
            client.get(&url).expect(200);
        }
    }
    settled(plaza.database_url());
    store_and_rows_agree(plaza.database_url(), &place.media(), "in the end");
    plaza.stop();
}

fn upload_and_look(client: &Client) {
    let me = client.send(client.upload(samples::jpeg(60, 40), "me.jpg")).expect(200).json();
    for url in [text(&me["avatar"], "/url"), variant(&me["avatar"], "32")] {
        client.get(&url).expect(200);
    }
}

fn gc(place: &Place, flags: &[&str]) -> Command {
    place.command(["media", "gc"].into_iter().chain(flags.iter().copied()))
}

/// A dry run reports what a real run then does, and does nothing. Return what is left.
fn is_collected(
    command: impl Fn(&[&str]) -> Command,
    files: impl Fn() -> Vec<String>,
    gone: Vec<String>,
    lost: &str,
) -> Vec<String> {
    let before = files();
    let rehearsed = Output::of(command(&["--dry-run"])).succeeded();
    assert_eq!(files(), before, "a rehearsal removes nothing");
    let said = Output::of(command(&[])).succeeded();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&rehearsed.replace("would remove", "removed")), sorted(&said), "it says the same");
    for key in &gone {
        assert!(said.contains(&format!("removed {key}\n")), "{key} is named: {said}");
    }
    assert!(said.contains(&format!("missing {lost}\n")), "{lost} is missing: {said}");
    assert!(said.contains("2 are not Plaza's, 1 are missing"), "{said}");

    let after = files();
    let expected: Vec<String> = before.into_iter().filter(|key| !gone.contains(key)).collect();
    assert_eq!(after, expected, "everything else stays");
    let again = Output::of(command(&[])).succeeded();
    assert!(again.contains("removed: 0 files (0 bytes)"), "there is nothing more: {again}");
    after
}

/// Remove the file of a row, as another program might, and return its key. `gc` reports it, and the next request
/// regenerates it.
fn lose_a_variant(client: &Client, media: &Path) -> String {
    let me = client.send(client.upload(samples::jpeg(60, 40), "me.jpg")).expect(200).json();
    let url = variant(&me["avatar"], "64");
    client.get(&url).expect(200);
    let lost = key_of(&url).to_owned();
    let file = media.join(&lost);
    eventually("it is stored", || file.exists().then_some(()));
    fs::remove_file(file).expect("it is there");
    lost
}

fn litter(media: &Path) {
    for key in [ORPHAN, ITS_VARIANT].into_iter().chain(FOREIGN) {
        put(media, key);
    }
}

fn litter_unfinished(media: &Path) {
    for (key, minutes) in [OLD, YOUNG] {
        let then = SystemTime::now() - Duration::from_mins(minutes);
        put(media, key).set_modified(then).expect("our own file");
    }
}

fn put(media: &Path, key: &str) -> File {
    let path = media.join(key);
    fs::create_dir_all(path.parent().expect("a folder")).expect("our own folder");
    fs::write(&path, "litter").expect("our own folder");
    File::options().write(true).open(path).expect("our own file")
}
