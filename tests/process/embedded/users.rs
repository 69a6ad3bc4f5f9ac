//! Root and ordinary users. Root can also run the program as other users. An ordinary user can only run it as itself,
//! which the other half of each test covers.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};

use crate::support::{
    DAEMON, NOBODY, Place, ROOT, eventually, is_root, kill, log, me, ordinary, postmaster, server_user,
    try_psql_as,
};

#[test]
fn a_home_that_is_closed_to_others_will_do() {
    let place = Place::home_of(me(), 0o700);
    let plaza = place.serve();
    plaza.remember("kept");
    let server = server_user(place.data());
    assert_ne!(server, ROOT, "PostgreSQL never runs as root");
    assert!(is_root() || server == me(), "an ordinary user's server is its own: {server}");

    plaza.end_postmaster(libc::SIGKILL);
    kill(postmaster(place.data()).expect("a postmaster"), libc::SIGHUP);
    eventually("it reads its configuration again", || {
        log(place.data()).contains("reloading configuration").then_some(())
    });
    assert_eq!(plaza.sql("select 1"), "1", "it serves as before");
    let log = log(place.data());
    assert!(!log.contains("could not open"), "it reaches every file:\n{log}");
    plaza.kill();
    let again = place.serve();
    assert_eq!(again.remembered(), "kept", "every committed row is there");
    again.stop();
}

#[test]
fn an_ordinary_user_serves_alone() {
    let user = ordinary(DAEMON);
    let place = Place::home_of(user, 0o700);
    let plaza = place.serve();
    let url = plaza.database_url();
    let row = "create table t (x int); insert into t values (7); select x from t";
    assert_eq!(try_psql_as(user, url, row).as_deref(), Ok("7"), "its user may use it");
    let superuser = url.replace("plaza@", "postgres@");
    let may = try_psql_as(user, &superuser, "show is_superuser");
    assert_eq!(may.as_deref(), Ok("on"), "its user may be the superuser, by hand");
    let cluster = fs::metadata(place.data().join("postgres")).expect("the cluster");
    assert_eq!((cluster.uid(), cluster.mode() & 0o777), (user, 0o700), "the cluster is its user's alone");
    if is_root() {
        assert!(try_psql_as(NOBODY, url, "select 1").is_err(), "others are kept out");
        assert_eq!(plaza.sql("select x from t"), "7", "root may use it too");
    }
    plaza.kill();
    let again = place.serve();
    assert_eq!(again.sql("select x from t"), "7", "every committed row is there");
    again.client().register("ana").expect(201);
    again.stop();
}

#[test]
fn root_runs_the_server_as_the_owner_of_its_data() {
    let user = ordinary(NOBODY);
    let place = Place::home_of(user, 0o755);
    let made = place.serve();
    made.remember("made");
    made.stop();

    let by_me = place.serve_as(me());
    assert_eq!(server_user(place.data()), user, "the server's user is the owner of its data");
    by_me.remember("root");
    by_me.kill();
    let by_me = place.serve_as(me());
    by_me.remember("again");
    by_me.stop();

    let back = place.serve();
    assert_eq!(back.remembered(), "made root again", "the owner finds everything");
    back.stop();
}

#[test]
fn data_of_another_user_is_refused() {
    let place = Place::home_of(ordinary(NOBODY), 0o755);
    let (refused, owner) = if is_root() {
        place.serve().stop();
        (place.spawn_as(DAEMON, []).ready(), "nobody")
    } else {
        // An ordinary user has only root's files to try this with.
        fs::create_dir(place.data()).expect("a folder");
        symlink("/etc", place.data().join("postgres")).expect("a link");
        (place.try_serve(), "root")
    };
    let refused = refused.expect_err("the data is another user's");
    let says = format!("belongs to {owner}");
    assert!(refused.said.contains(&says), "it says `{says}`: {refused:?}");
}

#[test]
fn an_empty_folder_stays_its_owners() {
    let user = ordinary(DAEMON);
    let place = Place::home_of(user, 0o755);
    fs::create_dir(place.data()).expect("a folder");
    if is_root() {
        chown(place.data(), Some(user), Some(user)).expect("root may");
    }
    let by_me = place.serve_as(me());
    by_me.remember("root");
    let owner = fs::metadata(place.data().join("postgres")).expect("the cluster").uid();
    assert_eq!(owner, user, "the cluster is the folder's owner's");
    by_me.kill();
    let by_user = place.serve();
    assert_eq!(by_user.remembered(), "root", "the owner finds everything");
    by_user.stop();
}
