//! The commands, run on the database of the running server, or on one that is started for the command.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Output, PASSWORD, Place, text};

fn create(place: &Place, arguments: &[&str], password: &str) -> Output {
    let command = ["user", "create", "--password-stdin"].into_iter().chain(arguments.iter().copied());
    Output::of_with_input(place.command(command), password)
}

#[test]
fn the_first_staff_member_is_made_with_and_without_a_running_server() {
    let place = Place::untouched();
    let said = create(&place, &["--username", "ana", "--email", "ana@example.org", "--staff"], PASSWORD);
    assert_eq!(said.succeeded(), "Created the staff member ana.\n", "it tells what it did");
    assert!(place.is_quiet(), "the server that it started is stopped");

    let plaza = place.serve();
    // The line ending is not part of the password.
    let password = format!("{PASSWORD}\r\n");
    let said = create(&place, &["--username", "Ben", "--email", "ben@example.org"], &password);
    assert_eq!(said.succeeded(), "Created the user Ben.\n", "it tells what it did");

    let me = plaza.client().logged_in("ana").get("/api/v1/users/me").expect(200).json();
    assert_eq!(me["is_staff"], Value::Bool(true), "ana is staff: {me}");
    let me = plaza.client().logged_in("ben@example.org").get("/api/v1/users/me").expect(200).json();
    assert_eq!(me["is_staff"], Value::Bool(false), "Ben is not: {me}");
    plaza.client().get("/api/v1/profiles/Ben").expect(200);
    plaza.stop();
}

#[test]
fn a_user_with_faults_is_refused_with_every_one_of_them() {
    let place = Place::untouched();
    let said = create(&place, &["--username", "me", "--email", "nowhere"], "123").failed();
    for word in ["username", "e-mail", "8 characters"] {
        assert!(said.contains(word), "it says `{word}`: {said}");
    }
    assert!(said.lines().count() >= 3, "each on a line of its own: {said}");
    assert!(!place.data().exists(), "no server was started for that");

    let ana = ["--username", "ana", "--email", "ana@example.org"];
    create(&place, &ana, PASSWORD).succeeded();
    let said = create(&place, &["--username", "ANA", "--email", "other@example.org"], PASSWORD).failed();
    assert!(said.contains("name"), "the name is taken, whatever the case: {said}");
    let said = create(&place, &["--username", "other", "--email", "Ana@Example.org"], PASSWORD).failed();
    assert!(said.contains("address") || said.contains("mail"), "so is the address: {said}");

    let command = place.command(["user", "create", "--username", "ben", "--email", "ben@example.org"]);
    let said = Output::of(command).failed();
    assert!(said.contains("--password-stdin"), "without a terminal it says what to do: {said}");
    assert!(place.is_quiet(), "no server is left running");
}

#[test]
fn seeded_posts_are_listed_and_a_seeded_user_logs_in() {
    let place = Place::untouched();
    let said = place.run(["seed", "--posts", "50"]).succeeded();
    let made = "Created 5 users, 50 posts with 5 covers, and 250 comments.";
    assert!(said.contains(made), "it tells what it did: {said}");
    let words: Vec<&str> = said.split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().rposition(|it| *it == word).expect("it tells how to log in");
        words[at + 1].trim_end_matches('.')
    };
    let (name, password) = (after("as"), after("password"));

    let plaza = place.serve();
    let client = plaza.client();
    client.log_in(name, password).expect(200);
    assert_eq!(plaza.sql("select count(*) from posts"), "50", "as many as were asked for");
    let published = plaza.sql("select count(*) from posts where published");
    let page = client.get("/api/v1/posts?limit=100").expect(200).json();
    let posts = page["results"].as_array().expect("a page");
    assert_eq!(posts.len().to_string(), published, "all published ones are listed");
    for post in posts.iter().take(3) {
        client.get(&text(post, "/url")).expect(200);
    }
    assert!(posts.iter().all(|post| post["labels"].as_array().is_some_and(|labels| labels.len() == 3)));
    assert_eq!(plaza.sql("select count(*) from comments"), "250", "five for every post");
    let newest = "select count(cover_key) from (select cover_key from posts order by created_at desc limit 5) as newest";
    assert_eq!(plaza.sql(newest), "5", "the newest have covers");
    client.get(&text(&posts[0], "/cover/url")).expect(200);
    // Seed again, on the running server: this adds posts.
    place.run(["seed", "--posts", "20", "--comments", "7", "--covers", "0", "--seed", "2"]).succeeded();
    assert_eq!(plaza.sql("select count(*) from posts"), "70", "the others are still there");
    assert_eq!(plaza.sql("select count(*) from comments"), "257", "as many as were asked for");
    assert_eq!(plaza.sql("select count(*) from labels"), "40", "the labels are the same");
    plaza.stop();
}

#[test]
fn dbshell_is_psql_on_the_servers_database() {
    let place = Place::untouched();
    let one = ["dbshell", "--", "-qAt", "-c", "select 1"];
    assert_eq!(place.run(one).succeeded(), "1\n", "on a server started for it");
    assert!(place.is_quiet(), "which is stopped again");

    let plaza = place.serve();
    let server = plaza.sql("select pg_postmaster_start_time()");
    let started = place.run(["dbshell", "--", "-qAtc", "select pg_postmaster_start_time()"]).succeeded();
    assert_eq!(started.trim_end(), server, "on the running server's database");
    let psql = place.command(["dbshell", "--", "-v", "ON_ERROR_STOP=1"]);
    let ended = Output::of_with_input(psql, "select nonsense;\n");
    assert_eq!(ended.code, Some(3), "it reads its input and ends as psql does: {ended:?}");

    let url = place.run(["dbshell", "--print-url"]).succeeded();
    assert_eq!(url.lines().count(), 1, "the URL and nothing else: {url}");
    let given = ["dbshell", "--database-url", url.trim_end(), "--", "-qAtc", "select 2"];
    assert_eq!(Place::untouched().run(given).succeeded(), "2\n", "a database that was given");
    plaza.stop();
}

#[test]
fn the_openapi_document_is_printed_written_and_checked() {
    let place = Place::untouched();
    let document = |arguments: &[&str]| -> Value {
        let printed = place.run(["openapi"].into_iter().chain(arguments.iter().copied())).succeeded();
        serde_json::from_str(&printed).expect("it is JSON")
    };
    let newest = document(&[]);
    assert!(text(&newest, "/openapi").starts_with("3.1."), "the document is 3.1");
    assert!(newest["paths"].as_object().is_some_and(|paths| paths.len() > 10), "it has paths");
    assert_eq!(text(&document(&["--lowered"]), "/openapi"), "3.0.3", "the lowered one is 3.0.3");

    place.run(["openapi", "--write", "written"]).succeeded();
    assert_eq!(place.run(["openapi", "--check", "written"]).succeeded(), "", "nothing differs");
    fs::write(place.home().join("written/openapi.json"), "{}").expect("writable");
    let differs = place.run(["openapi", "--check", "written"]);
    assert_eq!(differs.code, Some(1), "a difference is a failure: {differs:?}");
    assert!(differs.out.contains("openapi.json"), "it names the file: {differs:?}");
    assert!(!differs.out.contains("openapi-3.0.json"), "and no other: {differs:?}");
    assert!(!place.data().exists(), "no database was needed");
}

#[test]
fn the_committed_openapi_documents_are_what_the_program_says() {
    let place = Place::untouched();
    for arguments in [vec!["openapi", "--check", "openapi"], vec!["openapi", "--check"]] {
        let mut command = place.command(arguments);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(Output::of(command).succeeded(), "", "nothing differs");
    }
}

#[test]
fn help_names_every_command_and_setting() {
    let place = Place::untouched();
    let help = Output::of(place.bare_command(["--help"])).succeeded();
    for word in [
        "serve",
        "migrate",
        "user",
        "openapi",
        "seed",
        "dbshell",
        "check",
        "PLAZA_LISTEN",
        "PLAZA_OPS_LISTEN",
        "PLAZA_PUBLIC_URL",
        "PLAZA_DATA_DIR",
        "DATABASE_URL",
        "PLAZA_SECRET_KEY",
        "PLAZA_SECRET_KEY_FILE",
        "PLAZA_STORE",
        "PLAZA_MEDIA_MEMORY",
        "PLAZA_STATEMENT_TIMEOUT",
        "PLAZA_CORS_ORIGINS",
        "PLAZA_TRUSTED_PROXIES",
        "PLAZA_ARGON2_MEMORY",
        "PLAZA_ARGON2_PASSES",
        "PLAZA_DRAIN",
        "PLAZA_LOG",
    ] {
        assert!(help.contains(word), "it says `{word}`: {help}");
    }
    let wrong = Output::of(place.bare_command(["serve", "--lisen", "127.0.0.1:0"]));
    assert_eq!(wrong.code, Some(2), "an unknown flag is a usage error: {wrong:?}");
    assert!(wrong.err.contains("--listen"), "it names the nearest one: {wrong:?}");
    let version = Output::of(place.bare_command(["--version"])).succeeded();
    assert_eq!(version, format!("plaza {}\n", env!("CARGO_PKG_VERSION")), "its version");
}
