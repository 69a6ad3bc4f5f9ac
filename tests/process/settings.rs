//! Settings from the environment and from files, and the messages about invalid ones.

use std::fs;

use serde_json::Value;

use crate::support::{Output, PASSWORD, Place, Plaza, Refused, text};

const SECRET: &str = "a secret of thirty-two characters or more";

#[test]
fn every_setting_can_come_from_the_environment() {
    let place = Place::untouched();
    let secret = place.home().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("writable");
    // Without a command, it serves.
    let mut command = place.bare_command([]);
    command
        .env("PLAZA_DATA_DIR", place.data())
        .env("PLAZA_STORE", format!("file:{}", place.media().display()))
        .env("PLAZA_LISTEN", "127.0.0.1:0")
        .env("PLAZA_OPS_LISTEN", "127.0.0.1:0")
        .env("PLAZA_PUBLIC_URL", "http://elsewhere.test/")
        .env("PLAZA_SECRET_KEY_FILE", &secret)
        .env("PLAZA_DRAIN", "0ms")
        .env("PLAZA_LOG", "plaza=info")
        .env("PLAZA_LOG_FORMAT", "json")
        .env("PLAZA_STATEMENT_TIMEOUT", "1234ms")
        .env("PLAZA_CORS_ORIGINS", "https://one.test,https://two.test");
    let plaza = Plaza::spawn(command, place.finds_database(&[]), place.data());
    let plaza = plaza.ready().expect("it starts");
    let client = plaza.client();
    let user = client.register("ana").expect(201).json();
    assert_eq!(text(&user, "/url"), "http://elsewhere.test/api/v1/users/ana", "URLs begin as was set");
    let preflight =
        client.request(reqwest::Method::GET, "/api/v1/users").header("Origin", "https://two.test");
    let allowed = client.send(preflight).expect(200);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://two.test", "both origins are known");
    for line in plaza.said().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("a line is JSON: {line}"));
        assert!(line["fields"]["message"].is_string(), "it has a message: {line}");
    }
    assert!(place.media().is_dir(), "the store is where it was set");
    assert!(!place.data().join("keys").exists(), "a secret that was given is not made");
    assert!(!plaza.said().contains(SECRET), "nor is it logged");
    plaza.stop();
}

#[test]
fn a_flag_outranks_the_environment_on_either_side_of_the_command() {
    let (before, behind) = (Place::untouched(), Place::untouched());
    let folder = behind.data().to_str().expect("text");
    for mut command in [
        before.command(["dbshell", "--print-url"]),
        behind.bare_command(["dbshell", "--print-url", "--data-dir", folder]),
    ] {
        command.env("PLAZA_DATA_DIR", "/dev/null/data");
        Output::of(command).succeeded();
    }
    for place in [before, behind] {
        assert!(place.data().join("postgres").exists(), "the folder of the flag was used");
    }
}

#[test]
fn a_setting_that_does_not_parse_is_named() {
    let place = Place::untouched();
    for (variable, value) in [
        ("PLAZA_LISTEN", "8000"),
        ("PLAZA_PUBLIC_URL", "plaza.test"),
        ("PLAZA_STORE", "ftp://nowhere"),
        ("PLAZA_DRAIN", "5"),
        ("PLAZA_MEDIA_MEMORY", "lots"),
        ("PLAZA_DATABASE_POOL", "0"),
        ("PLAZA_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("PLAZA_ARGON2_MEMORY", "7"),
        ("PLAZA_ARGON2_PASSES", "none"),
        ("PLAZA_LOG_FORMAT", "xml"),
    ] {
        let mut command = place.bare_command(["check"]);
        command.env(variable, value);
        let refused = Output::of(command);
        let flag = variable.trim_start_matches("PLAZA_").to_lowercase().replace('_', "-");
        assert_eq!(refused.code, Some(2), "{variable}={value} is a usage error: {refused:?}");
        assert!(refused.err.contains(&format!("--{flag}")), "it names --{flag}: {refused:?}");
        assert!(refused.err.contains(value), "it repeats `{value}`: {refused:?}");
    }
    let said = place.run(["check", "--log", "=nonsense="]).failed();
    assert!(said.contains("--log"), "it names --log: {said}");
    assert!(!place.data().exists(), "nothing was made");
}

#[test]
fn check_tells_what_is_right_and_leaves_no_trace() {
    let place = Place::untouched();
    let plaza = place.serve();
    let said = place.run(["check"]).succeeded();
    for what in ["secret key", "public URL", "database", "migrations", "signing keys", "store"] {
        let is_ok = said.lines().any(|line| line.starts_with(&format!("ok      {what}: ")));
        assert!(is_ok, "{what} is right: {said}");
    }
    assert!(said.lines().all(|line| line.starts_with("ok      ")), "nothing is wrong: {said}");
    plaza.client().get("/readyz").expect(200);
    plaza.stop();
    assert_eq!(files_below(&place.media()), 0, "the file that it wrote is gone");
    place.run(["check"]).succeeded();
    assert!(place.is_quiet(), "the server that it started is stopped");
}

#[test]
fn what_check_says_before_the_first_start_helps() {
    let place = Place::untouched();
    let first = place.run(["check"]);
    if first.code != Some(0) {
        let failed: Vec<_> = first.out.lines().filter(|line| line.starts_with("FAILED  ")).collect();
        assert!(matches!(failed[..], [line] if line.contains("`plaza migrate`")), "one remedy: {first:?}");
        place.run(["migrate"]).succeeded();
    }
    place.run(["check"]).succeeded();
    assert!(place.is_quiet(), "no server is left running");
}

#[test]
fn check_tells_what_is_wrong_and_how_to_mend_it() {
    let place = Place::untouched();
    place.serve().stop();
    let fails = |arguments: &[&str], words: &[&str]| {
        let ended = place.run(["check"].into_iter().chain(arguments.iter().copied()));
        assert_eq!(ended.code, Some(1), "{arguments:?} is a failure: {ended:?}");
        let failed: Vec<_> = ended.out.lines().filter(|line| line.starts_with("FAILED  ")).collect();
        for word in words {
            assert!(failed.iter().any(|line| line.contains(word)), "it says `{word}`: {ended:?}");
        }
        let wrong = ended.out.lines().find(|line| !line.starts_with("ok ") && !line.starts_with("FAILED "));
        assert_eq!(wrong, None, "each line is `ok` or `FAILED`: {ended:?}");
    };
    fails(&["--store", "file:/dev/null/media"], &["store", "PLAZA_STORE"]);
    fails(&["--secret-key", "hunter2"], &["secret key", "32"]);
    fails(&["--secret-key", SECRET], &["signing keys", "PLAZA_SECRET_KEY"]);
    fails(&["--database-url", "postgresql://plaza@127.0.0.1:1/plaza"], &["database", "DATABASE_URL"]);
    fails(&["--listen", "0.0.0.0:0", "--public-url", "http://127.0.0.1:8000"], &["PLAZA_PUBLIC_URL"]);
    fails(&["--postgres-bin", "/nowhere"], &["database", "/nowhere"]);
}

#[test]
fn a_secret_that_does_not_open_the_signing_keys_is_refused() {
    let place = Place::untouched();
    let plaza = place.serve_with(["--secret-key", SECRET]);
    let client = plaza.client().registered("ana");
    let token = text(&client.log_in("ana", PASSWORD).expect(200).json(), "/access_token");
    plaza.stop();

    let other = "another secret of thirty-two characters or more";
    says(place.try_serve_with(["--secret-key", other]), &["PLAZA_SECRET_KEY", "signing keys"]);
    // Without this setting the program would generate a new secret, which does not open them either.
    says(place.try_serve(), &["PLAZA_SECRET_KEY", "signing keys"]);
    says(place.try_serve_with(["--secret-key", "hunter2"]), &["PLAZA_SECRET_KEY", "7", "32"]);
    assert!(place.is_quiet(), "no server is left running");

    let plaza = place.serve_with(["--secret-key", SECRET]);
    let mut client = plaza.client();
    client.set_token(Some(token));
    client.get("/api/v1/users/me").expect(200);
    plaza.stop();
}

#[test]
fn secrets_come_from_files() {
    let (place, other) = (Place::untouched(), Place::untouched());
    let (secret, url) = (place.home().join("secret"), place.home().join("url"));
    fs::write(&secret, format!("{SECRET}\r\n")).expect("writable");
    let secret = secret.to_str().expect("text");
    let plaza = place.serve_with(["--secret-key-file", secret]);
    plaza.client().register("ana").expect(201);

    fs::write(&url, format!("{}\n", plaza.database_url())).expect("writable");
    let url = url.to_str().expect("text");
    let node = other.serve_with(["--database-url-file", url, "--secret-key", SECRET]);
    node.client().get("/api/v1/users/ana").expect(200);
    node.stop();
    plaza.stop();

    let refused = place.try_serve_with(["--secret-key-file", "/nowhere/secret"]);
    says(refused, &["/nowhere/secret", "PLAZA_SECRET_KEY_FILE"]);
    let both = place.run(["check", "--secret-key", SECRET, "--secret-key-file", secret]);
    assert_eq!(both.code, Some(2), "both at once are a usage error: {both:?}");
}

#[test]
fn the_secret_that_it_makes_is_its_users_alone() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::untouched();
    place.serve().stop();
    let secret = place.data().join("keys/secret.key");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!(mode(&secret), 0o600, "nobody else reads the secret");
    assert_eq!(mode(&place.data().join("keys")), 0o700, "nor enters its folder");
    assert_eq!(mode(place.data()), 0o700, "nor the one above");
    let text = fs::read_to_string(&secret).expect("it is text");
    assert!(text.trim().len() >= 32, "it is long enough");
}

#[track_caller]
fn says(result: Result<Plaza, Refused>, words: &[&str]) {
    let refused = result.expect_err("it cannot start");
    assert_eq!(refused.status.code(), Some(1), "it fails: {refused:?}");
    for word in words {
        assert!(refused.said.contains(word), "it says `{word}`: {refused:?}");
    }
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}
