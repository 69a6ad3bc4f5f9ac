//! What is killed: the program, its PostgreSQL, or both.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use crate::support::{KilledAtEnd, Place, eventually, kill, log, postmaster, processes, psql};

#[test]
fn a_killed_program_started_again_in_the_same_instant_has_every_row() {
    let place = Place::untouched();
    let mut plaza = place.serve();
    let (api, ops) = (plaza.address().to_owned(), plaza.ops_address());
    for round in 0..5 {
        plaza.remember(&format!("r{round}"));
        plaza.signal(libc::SIGKILL);
        // Start again without waiting for its end, on the same ports.
        plaza = place.serve_with(["--listen", &api, "--ops-listen", &ops]);
    }
    assert_eq!(plaza.remembered(), "r0 r1 r2 r3 r4", "every committed row is there");
    plaza.stop();
}

#[test]
fn the_server_ends_with_a_killed_program() {
    let place = Place::untouched();
    place.serve().kill();
    eventually("the server is gone", || place.is_quiet().then_some(()));
    let log = log(place.data());
    assert!(log.contains("database system is shut down"), "it ends by a shutdown, not by a crash:\n{log}");
}

#[test]
fn program_and_all_of_postgres_killed_at_once_lose_nothing() {
    let place = Place::untouched();
    let mut plaza = place.serve();
    for round in 0..3 {
        plaza.remember(&format!("r{round}"));
        plaza.kill_all();
        plaza = place.serve();
    }
    assert_eq!(plaza.remembered(), "r0 r1 r2", "every committed row is there");
    let log = log(place.data());
    assert!(log.contains("automatic recovery in progress"), "it was a crash:\n{log}");
    plaza.stop();
}

#[test]
fn a_postmaster_killed_alone_is_started_again_under_the_living_program() {
    let place = Place::untouched();
    let plaza = place.serve();
    for round in 0..2 {
        plaza.remember(&format!("r{round}"));
        plaza.end_postmaster(libc::SIGKILL);
    }
    assert_eq!(plaza.remembered(), "r0 r1", "every committed row is there");
    plaza.client().get("/readyz").expect(200);
    plaza.stop();
}

#[test]
fn a_server_shut_down_by_somebody_else_is_started_again() {
    let place = Place::untouched();
    let plaza = place.serve();
    plaza.remember("kept");
    // Like `pg_ctl stop` in its fast and in its immediate mode.
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        plaza.end_postmaster(signal);
    }
    assert_eq!(plaza.remembered(), "kept", "every committed row is there");
    plaza.stop();
}

#[test]
fn orphaned_backends_are_ended_before_the_next_server_starts() {
    let place = Place::untouched();
    let plaza = place.serve();
    plaza.remember("kept");
    // This backend is busy, so it does not notice that its postmaster is dead.
    let endless = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let busy = psql(plaza.database_url(), endless).stderr(Stdio::piped()).spawn().expect("psql");
    let mut busy = KilledAtEnd(busy);
    let who = "select pid from pg_stat_activity where query like '%count(*)%' and pid <> pg_backend_pid()";
    let backend: i32 = eventually("the query runs", || plaza.sql(who).parse().ok());
    let postmaster = postmaster(place.data()).expect("a postmaster");
    // So that it does not start another postmaster.
    plaza.signal(libc::SIGSTOP);
    kill(postmaster, libc::SIGKILL);
    plaza.kill();
    eventually("only the orphan is left", || (processes(place.data()) == [backend]).then_some(()));

    let again = place.serve();
    assert!(!processes(place.data()).contains(&backend), "the orphan was ended");
    let mut told = String::new();
    busy.0.stderr.take().expect("piped").read_to_string(&mut told).expect("a text");
    assert!(
        told.contains("terminating connection"),
        "its client is told that the connection is over: {told}"
    );
    assert_eq!(again.remembered(), "kept", "every committed row is there");
    again.stop();
}

#[test]
fn a_first_start_killed_anywhere_on_the_way_is_made_good_by_the_next() {
    // In this order: the first file, the role and database, the tables, the secret.
    for point in [
        "postgres.new/PG_VERSION",
        "postgres.new/global/pg_control",
        "postgres.new/base/1/PG_VERSION",
        "postgres.new/base/5/PG_VERSION",
        "postgres.new/base/16384/PG_VERSION",
        "postgres/postmaster.pid",
        "keys",
    ] {
        let place = Place::untouched();
        let plaza = place.spawn();
        let made = place.data().join("postgres");
        eventually(point, || {
            // The last point before the rename passes quickly. The assertion below detects that another was missed.
            let passed = point.starts_with("postgres.new") && made.exists();
            (passed || place.data().join(point).exists()).then_some(())
        });
        plaza.kill();
        let caught = !point.starts_with("postgres.new") || !made.exists();
        assert!(caught || point.contains("16384"), "{point} was missed");

        let plaza = place.serve();
        assert!(!place.data().join("postgres.new").exists(), "nothing half-made is left after {point}");
        plaza.client().register("ana").expect(201);
        plaza.stop();
    }
}

#[test]
fn a_program_that_ends_abnormally_takes_the_server_along() {
    let place = Place::untouched();
    let plaza = place.serve();
    plaza.remember("kept");
    plaza.stop();
    // The signals of a panic while panicking, of a stack overflow, and of an operator.
    for signal in [libc::SIGABRT, libc::SIGSEGV, libc::SIGKILL] {
        let mut plaza = place.serve();
        // Rust's SIGSEGV handler returns once, so that a real fault would recur. The test therefore sends the signal
        // again.
        eventually("it ends", || {
            plaza.signal(signal);
            plaza.has_ended().then_some(())
        });
        assert_eq!(plaza.wait().signal(), Some(signal), "by the signal");
        eventually("the server is gone", || place.is_quiet().then_some(()));
    }
    let again = place.serve();
    assert_eq!(again.remembered(), "kept", "every committed row is there");
    again.stop();
}
