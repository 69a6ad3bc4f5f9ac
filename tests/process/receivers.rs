//! The receivers in the documentation accept what Plaza sends, and nothing else.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::Utc;
use reqwest::Method;
use serde_json::json;
use standardwebhooks::Webhook;

use crate::support::{Client, KilledAtEnd, Place, eventually, text};

/// A body that only this test sends.
const BODY: &str = r#"{"type":"made.up"}"#;

#[test]
fn the_receiver_in_python_takes_what_is_signed_and_fresh() {
    takes_what_is_signed_and_fresh("python3", "receiver.py");
}

#[test]
fn the_receiver_in_javascript_takes_what_is_signed_and_fresh() {
    takes_what_is_signed_and_fresh("node", "receiver.mjs");
}

fn takes_what_is_signed_and_fresh(program: &str, file: &str) {
    let place = Place::new();
    let plaza = place.serve_with(["--webhook-private", "on"]);
    plaza.client().register("ana").expect(201);
    plaza.sql("update users set is_staff = true");
    let ana = plaza.client().logged_in("ana");
    let address = free_address();
    let hook = json!({ "url": format!("http://{address}/"), "types": ["post.created"] });
    let secret = text(&ana.post("/api/v1/webhooks", &hook).expect(201).json(), "/secret");

    let told = place.home().join("told");
    let _receiver = start(program, file, &address, &secret, &told);
    ana.post("/api/v1/posts", &json!({ "title": "Ada" })).expect(201);
    let line = eventually("it tells of the event", || lines(&told).pop());
    assert!(line.starts_with("evt_") && line.ends_with(" post.created"), "{line}");
    eventually("its answer is success", || {
        let delivered = plaza.sql("select status = 'delivered' and response_status = 204 from deliveries");
        (delivered == "t").then_some(())
    });

    let client = Client::new(&address);
    let send = |sent: i64, signature: &str| {
        let request = client.request(Method::POST, "/").body(BODY);
        let request = request.header("webhook-id", "evt_0").header("webhook-timestamp", sent);
        client.send(request.header("webhook-signature", signature)).status
    };
    let official = Webhook::new(&secret).expect("a secret");
    let sign = |sent: i64| official.sign("evt_0", sent, BODY.as_bytes()).expect("a signature");
    let now = Utc::now().timestamp();
    assert_eq!(send(now, &format!("v1,AAAA {}", sign(now))), 204, "one of several signatures is enough");
    assert_eq!(send(now, "v1,AAAA"), 400, "another signature");
    assert_eq!(send(now, &sign(now - 1)), 400, "the signature of another time");
    assert_eq!(send(now - 600, &sign(now - 600)), 400, "an old request");
    assert_eq!(send(now + 600, &sign(now + 600)), 400, "one of a time to come");
    let taken = lines(&told).iter().filter(|line| line.as_str() == "evt_0 made.up").count();
    assert_eq!(taken, 1, "it took one of them");
    plaza.stop();
}

/// Start the receiver and wait until it listens. It prints to a file.
fn start(program: &str, file: &str, address: &str, secret: &str, told: &Path) -> KilledAtEnd {
    let (_, port) = address.rsplit_once(':').expect("a port");
    let child = Command::new(program)
        .arg(receiver(file))
        .env("WEBHOOK_SECRET", secret)
        .env("PORT", port)
        .stdin(Stdio::null())
        .stdout(File::create(told).expect("our own folder"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is installed: {error}"));
    let child = KilledAtEnd(child);
    eventually("it listens", || TcpStream::connect(address).ok());
    child
}

/// The complete lines that it has printed so far.
fn lines(told: &Path) -> Vec<String> {
    let text = fs::read_to_string(told).expect("our own file");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::to_owned).collect()
}

/// An address that no program listens on.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn receiver(file: &str) -> PathBuf {
    docs().join("receivers").join(file)
}

#[test]
fn the_documentation_shows_them_as_they_are() {
    let page = fs::read_to_string(docs().join("webhooks.md")).expect("a page");
    for (language, file) in [("python", "receiver.py"), ("js", "receiver.mjs")] {
        let code = fs::read_to_string(receiver(file)).expect("a receiver");
        assert!(page.contains(&format!("```{language}\n{code}```\n")), "docs/webhooks.md quotes {file}");
    }
}
