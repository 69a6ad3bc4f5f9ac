//! Many concurrent requests for a variant, on two nodes with one store. A node that dies must not delay the others.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use super::{file_of, key_of, variant};
use crate::samples;
use crate::soak::many;
use crate::support::{
    Client, Frozen, Nodes, at_once, eventually, metric, settled, store_and_rows_agree, text,
};

/// Two nodes, and the avatar of a member.
struct Scene {
    nodes: Nodes,
    original: String,
    variant: String,
}

impl Scene {
    fn set() -> Self {
        let nodes = Nodes::start(&["--throttle", "off"]);
        let ana = nodes.member("ana").on(&nodes.a);
        let picture = samples::jpeg_with(&samples::noise(600, 400), |_| ());
        let avatar = ana.send(ana.upload(picture, "me.jpg")).expect(200).json()["avatar"].clone();
        Self { original: text(&avatar, "/url"), variant: variant(&avatar, "512"), nodes }
    }

    fn media(&self) -> PathBuf {
        self.nodes.places[0].media()
    }

    /// Request the variant concurrently, half of the requests on each node. Return the response, which is the same
    /// for all.
    fn all_ask(&self, count: usize, status: u16) -> Vec<u8> {
        let clients: Vec<Client> = (0..count).map(|number| self.nodes.turn(number).client()).collect();
        let answers = at_once(count, |number| clients[number].get(&self.variant).expect(status));
        let first = answers.first().expect("somebody asks").bytes.clone();
        if status == 200 {
            assert!(answers.iter().all(|answer| answer.bytes == first), "all have the same file");
        } else {
            assert!(
                answers.iter().all(|answer| answer.json()["code"] == "source_missing"),
                "all are told why"
            );
        }
        first
    }

    /// How many variants both nodes have encoded.
    fn made(&self) -> u64 {
        self.nodes.each().into_iter().map(|node| metric(node, "plaza_variants_made_total")).sum()
    }

    fn rows(&self) -> String {
        self.nodes.sql("select count(*) from files where key like '%\\_512.webp'")
    }

    fn agrees(&self) {
        settled(self.nodes.a.database_url());
        store_and_rows_agree(self.nodes.a.database_url(), &self.media(), "in the end");
    }
}

#[test]
fn a_variant_that_many_ask_two_nodes_for_is_made_once() {
    let scene = Scene::set();
    let file = file_of(&scene.media(), &scene.variant);
    let (before, crowd) = (scene.made(), many(20, 100));
    let first = scene.all_ask(crowd, 200);
    assert_eq!((scene.made(), scene.rows().as_str()), (before + 1, "1"), "it was made once");

    fs::remove_file(&file).expect("it was stored");
    let second = scene.all_ask(crowd, 200);
    assert_eq!((scene.made(), scene.rows().as_str()), (before + 2, "1"), "it was made anew, once");
    assert_eq!(first, second, "it is the same again");
    scene.agrees();
    scene.nodes.stop();
}

#[test]
fn a_variant_without_its_original_is_told_so_and_holds_nobody_up_who_puts_that_back() {
    let scene = Scene::set();
    let (original, aside) = (file_of(&scene.media(), &scene.original), scene.media().join("aside"));
    fs::rename(&original, &aside).expect("it was stored");
    scene.all_ask(20, 404);
    let claims =
        scene.nodes.sql("select count(*) from files where stored_at is null and claimed_until > now()");
    assert_eq!(claims, "0", "nobody has to wait for a claim to end");
    fs::rename(&aside, &original).expect("it is put back");
    let client = scene.nodes.b.client();
    eventually("the variant is made", || (client.get(&scene.variant).status == 200).then_some(()));
    scene.agrees();
    scene.nodes.stop();
}

#[test]
fn what_a_killed_node_left_beside_a_variant_goes_when_that_is_made() {
    let scene = Scene::set();
    let mut aside = file_of(&scene.media(), &scene.variant).into_os_string();
    aside.push("#1");
    fs::write(&aside, "half of it").expect("our own folder");
    scene.nodes.a.client().get(&scene.variant).expect(200);
    scene.agrees();
    scene.nodes.stop();
}

#[test]
fn a_variant_that_a_killed_node_was_making_is_made_by_another() {
    let Scene { nodes, original, variant } = Scene::set();
    let Nodes { a, b, places } = nodes;
    let stuck = Stuck::on(&file_of(&places[0].media(), &original));
    thread::scope(|scope| {
        let (client, url) = (b.client(), &variant);
        let asked = scope.spawn(move || client.try_send(client.request(reqwest::Method::GET, url)).is_err());
        is_claimed(&|sql| a.sql(sql), &variant);
        b.kill();
        assert!(asked.join().expect("no panic"), "whoever asked the killed node has no answer");
    });
    stuck.put_back();
    is_served_when_the_claim_ends(&|sql| a.sql(sql), &a.client(), &variant);
    settled(a.database_url());
    store_and_rows_agree(a.database_url(), &places[0].media(), "in the end");
    a.stop();
}

#[test]
fn a_variant_that_a_node_makes_which_stands_still_is_made_by_another_and_stays_when_that_goes_on() {
    let scene = Scene::set();
    let stuck = Stuck::on(&file_of(&scene.media(), &scene.original));
    thread::scope(|scope| {
        let (client, url) = (scene.nodes.b.client(), &scene.variant);
        scope.spawn(move || drop(client.try_send(client.request(reqwest::Method::GET, url))));
        is_claimed(&|sql| scene.nodes.sql(sql), &scene.variant);
        let frozen = Frozen::new(vec![scene.nodes.b.pid()]);
        stuck.put_back();
        is_served_when_the_claim_ends(&|sql| scene.nodes.sql(sql), &scene.nodes.a.client(), &scene.variant);
        // This node reads the picture now, and must not damage what the other node has written.
        drop(frozen);
    });
    for node in scene.nodes.each() {
        node.client().get(&scene.variant).expect(200);
    }
    scene.agrees();
    scene.nodes.stop();
}

/// Replaces an original by a pipe, so that reading it never ends.
struct Stuck {
    original: PathBuf,
    aside: PathBuf,
}

impl Stuck {
    fn on(original: &Path) -> Self {
        let aside = original.with_extension("aside");
        fs::rename(original, &aside).expect("it was stored");
        let path = CString::new(original.as_os_str().as_bytes()).expect("a path");
        // SAFETY: `mkfifo` takes a path that outlives the call, and a plain number.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0, "a pipe can be made");
        Self { original: original.to_owned(), aside }
    }

    /// Put the picture back for later readers.
    fn put_back(self) {
        fs::rename(self.aside, self.original).expect("our own folder");
    }
}

/// Wait until a node claims the variant.
fn is_claimed(sql: &dyn Fn(&str) -> String, variant: &str) {
    let claimed =
        format!("select count(*) from files where key = '{}' and stored_at is null", key_of(variant));
    eventually("a node makes it", || (sql(&claimed) == "1").then_some(()));
}

/// End the claim of the node that holds it, and wait until the variant is served.
fn is_served_when_the_claim_ends(sql: &dyn Fn(&str) -> String, client: &Client, variant: &str) {
    let held = format!(
        "key = '{}' and stored_at is null and claimed_until <= now() + interval '30 s'",
        key_of(variant)
    );
    assert_eq!(sql(&format!("select count(*) from files where {held}")), "1", "it has it for half a minute");
    sql(&format!("update files set claimed_until = now() where {held}"));
    eventually("the variant is made", || {
        let answer = client.get(variant);
        // The node may have read the row before the claim ended.
        (answer.status != 503).then(|| answer.expect(200))
    });
}
