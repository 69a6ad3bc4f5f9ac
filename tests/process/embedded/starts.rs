//! Starts: the first one, two concurrent ones, and starts with unsuitable folders.

use std::fs;
use std::os::unix::fs::chown;
use std::thread;

use crate::support::{NOBODY, Place, Plaza, is_root, log, try_psql};

#[test]
fn the_first_start_makes_a_durable_private_database() {
    let place = Place::untouched();
    let plaza = place.serve();
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("shared_buffers", "128MB"),
        // 4 for the pool, 20 for commands and administrators, 3 for a superuser.
        ("max_connections", "27"),
        ("is_superuser", "off"),
    ] {
        assert_eq!(plaza.sql(&format!("show {setting}")), value, "the value of {setting}");
    }
    let provider =
        "select datlocprovider, datdba::regrole from pg_database where datname = current_database()";
    assert_eq!(plaza.sql("select current_user || ' ' || current_database()"), "plaza plaza");
    assert_eq!(plaza.sql(provider), "i|plaza", "it sorts by ICU, and the role owns its database");
    plaza.sql("create extension citext; create table t (x int); drop table t; drop extension citext");
    let refused = try_psql(plaza.database_url(), "create role other");
    assert!(refused.is_err(), "the role is no superuser");
    let superuser = plaza.database_url().replace("plaza@", "postgres@");
    let let_in = try_psql(&superuser, "select 1").is_ok();
    assert_eq!(let_in, !is_root(), "only the server's own user is the superuser");

    plaza.remember("first");
    plaza.stop();
    let again = place.serve();
    assert_eq!(again.remembered(), "first", "the second start finds what the first one made");
    again.stop();
    let log = log(place.data());
    assert!(!log.contains("recovery"), "a clean stop needs none:\n{log}");
}

#[test]
fn a_second_program_is_refused_with_the_first_ones_pid() {
    let place = Place::untouched();
    let plaza = place.serve();
    let refused = place.try_serve().expect_err("a second program on one folder");
    assert_eq!(refused.status.code(), Some(1), "it fails: {refused:?}");
    let pid = format!("process {}", plaza.pid());
    assert!(refused.said.contains(&pid), "it names {pid}: {refused:?}");
    assert!(refused.said.contains("PLAZA_DATA_DIR"), "it says what to do: {refused:?}");
    assert_eq!(plaza.sql("select 1"), "1", "the first does not notice");
    plaza.client().get("/readyz").expect(200);
    plaza.stop();
}

#[test]
fn of_two_first_starts_at_once_one_wins_and_nothing_breaks() {
    for _ in 0..3 {
        let place = Place::untouched();
        let both = [place.spawn(), place.spawn()];
        let results = both.map(|plaza| thread::spawn(move || plaza.ready()));
        let results = results.map(|result| result.join().expect("no panic"));
        let (won, lost) = match results {
            [Ok(won), Err(lost)] | [Err(lost), Ok(won)] => (won, lost),
            [Ok(_), Ok(_)] => panic!("both run"),
            [Err(a), Err(b)] => panic!("neither runs: {a:?} {b:?}"),
        };
        let pid = format!("process {}", won.pid());
        assert!(lost.said.contains(&pid), "it names {pid}: {lost:?}");
        won.client().register("ana").expect(201);
        won.stop();
    }
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let place = Place::untouched();
    place.serve().stop();
    let conf = place.data().join("postgres/postgresql.conf");
    let good = fs::read_to_string(&conf).expect("the configuration");
    fs::write(&conf, format!("{good}\nno_such_setting = 1\n")).expect("writable");
    refused_with(place.try_serve(), &["no_such_setting", "postgres.log"]);

    fs::write(&conf, &good).expect("writable");
    fs::write(place.data().join("postgres/PG_VERSION"), "14\n").expect("writable");
    refused_with(place.try_serve(), &["created by PostgreSQL 14", "install PostgreSQL 14"]);
}

#[test]
fn without_postgresql_on_the_machine_it_says_what_to_install() {
    let place = Place::untouched();
    let refused = place.try_serve_with(["--postgres-bin", "/nowhere"]);
    refused_with(refused, &["/nowhere", "apt-get install", "DATABASE_URL"]);
    assert!(!place.data().join("postgres").exists(), "nothing was made");
}

#[test]
fn a_folder_of_somebody_elses_files_is_left_alone() {
    let place = Place::untouched();
    let cluster = place.data().join("postgres");
    fs::create_dir_all(&cluster).expect("a folder");
    fs::write(cluster.join("thesis.txt"), "mine").expect("a file");
    if is_root() {
        chown(&cluster, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    refused_with(place.try_serve(), &["contains no PostgreSQL data"]);
    assert!(cluster.join("thesis.txt").exists(), "the file is still there");
}

#[test]
fn the_servers_log_holds_no_users_data() {
    let place = Place::untouched();
    let plaza = place.serve();
    let twice =
        "create table u (mail text unique); insert into u values ('ana@example.org'), ('ana@example.org')";
    try_psql(plaza.database_url(), twice).expect_err("it breaks the constraint");
    plaza.client().register("ana").expect(201);
    plaza.client().register("ana").expect(409);
    plaza.stop();
    let log = log(place.data());
    assert!(!log.contains("ana@"), "no address is in the log:\n{log}");
}

fn refused_with(result: Result<Plaza, crate::support::Refused>, words: &[&str]) {
    let refused = result.expect_err("it cannot start");
    assert_eq!(refused.status.code(), Some(1), "it fails: {refused:?}");
    for word in words {
        assert!(refused.said.contains(word), "it says `{word}`: {refused:?}");
    }
}
