//! The database becomes unavailable while the program runs: requests get 503, never 500, and are served again without
//! a restart.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use reqwest::Method;
use serde_json::json;

use crate::samples;
use crate::support::{
    Answer, Over, Place, Plaza, eventually, kill, log, postmaster, text, try_psql, urls_of,
};

#[test]
fn a_postmaster_killed_alone_costs_503s_at_the_most() {
    let place = Place::embedded();
    let plaza = place.serve();
    under_load(&plaza, || {
        for _ in 0..2 {
            plaza.end_postmaster(libc::SIGKILL);
        }
    });
    plaza.stop();
}

#[test]
fn a_backend_killed_takes_the_others_along_and_costs_503s_at_the_most() {
    let place = Place::embedded();
    let plaza = place.serve();
    under_load(&plaza, || {
        let ready = || log(place.data()).matches("database system is ready to accept connections").count();
        let started = "select pg_postmaster_start_time()";
        for _ in 0..2 {
            let (before, times_ready) = (plaza.sql(started), ready());
            let backend = "select pid from pg_stat_activity where application_name = 'plaza' limit 1";
            let backend = eventually("there is a connection", || {
                try_psql(plaza.database_url(), backend).ok()?.parse().ok()
            });
            kill(backend, libc::SIGKILL);
            // Everything works until the postmaster notices. Then nothing does for a moment.
            eventually("it has recovered", || (ready() > times_ready).then_some(()));
            assert_eq!(plaza.sql(started), before, "it is the same postmaster");
        }
    });
    plaza.stop();
}

#[test]
fn connections_cut_by_an_administrator_are_replaced() {
    let place = Place::embedded();
    let plaza = place.serve();
    under_load(&plaza, || {
        for _ in 0..3 {
            let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                       where application_name = 'plaza'";
            let many = eventually("there are connections", || {
                plaza.sql(cut).parse::<u32>().ok().filter(|&count| count > 0)
            });
            assert!(many > 0, "some were cut");
        }
    });
    plaza.stop();
}

#[test]
fn connections_that_were_cut_while_nobody_asked_cost_no_answer() {
    let place = Place::embedded();
    let plaza = place.serve();
    let client = plaza.client().registered("ana");
    let ask = || {
        let post = json!({ "title": "Hello" });
        client.send(client.request(Method::POST, "/api/v1/posts").json(&post)).expect(201);
        client.get("/api/v1/posts").expect(200);
    };
    for _ in 0..3 {
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(ask))));
        // A restart of the database does the same. `pg_terminate_backend` is asynchronous, so this waits for each
        // backend to end.
        let cut = "select count(*) > 0 and bool_and(pg_terminate_backend(pid, 60000)) from pg_stat_activity \
                   where application_name = 'plaza' and state = 'idle'";
        assert_eq!(plaza.sql(cut), "t", "some were cut, and are gone");
        (0..8).for_each(|_| ask());
    }
    plaza.stop();
}

#[test]
fn a_given_database_that_is_away_is_503_and_served_again_after() {
    let (server, place) = (Place::embedded(), Place::embedded());
    let secret = "one secret that both of these nodes have in common";
    let database = server.serve_with(["--secret-key", secret]);
    let url = database.database_url().to_owned();
    let plaza = place.serve_with(["--database-url", &url, "--secret-key", secret]);
    let client = plaza.client();
    client.register("ana").expect(201);

    database.stop();
    for path in ["/api/v1/users/ana", "/api/v1/posts", "/readyz"] {
        is_unavailable(&client.get(path));
    }
    client.get("/livez").expect(200);

    let database = server.serve_with(["--secret-key", secret]);
    assert_eq!(database.database_url(), url, "the server is where it was");
    client.get("/api/v1/users/ana").expect(200);
    client.get("/readyz").expect(200);
    plaza.stop();
    database.stop();
}

#[test]
fn an_upload_whose_commit_is_not_known_leaves_no_row_without_its_file() {
    let place = Place::embedded();
    let plaza = place.serve();
    let client = plaza.client().registered("ana");
    client.send(client.upload(samples::jpeg(96, 96), "me.jpg")).expect(200);
    // The commit of the next upload must be the only one that waits.
    eventually("there is nothing else to do", || {
        let left = "select count(*) from unpublished_events union all select count(*) from jobs";
        (plaza.sql(left) == "0\n0").then_some(())
    });

    // With a standby that never connects, a commit is written and then waits. If it is interrupted there, it has
    // happened, but the program cannot know.
    let conf = place.data().join("postgres/postgresql.conf");
    let stock = fs::read_to_string(&conf).expect("the configuration");
    fs::write(&conf, format!("{stock}\nsynchronous_standby_names = 'nobody'\n")).expect("writable");
    let server = postmaster(place.data()).expect("a postmaster");
    kill(server, libc::SIGHUP);
    eventually("it waits for a standby", || {
        (plaza.sql("show synchronous_standby_names") == "nobody").then_some(())
    });
    thread::scope(|scope| {
        let upload = scope.spawn(|| client.send(client.upload(samples::jpeg(128, 128), "me.jpg")));
        let waiting = "select pid from pg_stat_activity where wait_event = 'SyncRep'";
        let backend = eventually("the commit waits", || plaza.sql(waiting).parse::<i32>().ok());
        assert_eq!(plaza.sql(&format!("select pg_terminate_backend({backend})")), "t", "it is cut off");
        is_unavailable(&upload.join().expect("no panic"));
    });

    // A variant is encoded when it is first requested, which also needs a commit.
    fs::write(&conf, stock).expect("writable");
    kill(server, libc::SIGHUP);
    eventually("it waits for nobody", || {
        plaza.sql("show synchronous_standby_names").is_empty().then_some(())
    });
    let profile = client.get("/api/v1/profiles/ana").expect(200).json();
    for url in urls_of(&profile["avatar"]) {
        client.get(&url).expect(200);
    }
    plaza.stop();
}

/// Clients read and write while something happens, until each has been served after it. Every response is a success
/// or a correct 503, and every acknowledged write exists.
fn under_load(plaza: &Plaza, happens: impl FnOnce()) {
    let writer = plaza.client().registered("writer");
    let is_over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut slugs = Vec::new();
            repeat(&is_over, || {
                let post = json!({ "title": "Hello", "published": true });
                let answer = writer.send(writer.request(Method::POST, "/api/v1/posts").json(&post));
                let is_served = answer.status == 201;
                if is_served {
                    slugs.push(text(&answer.json(), "/slug"));
                } else {
                    is_unavailable(&answer);
                }
                is_served
            });
            slugs
        });
        for path in ["/api/v1/posts?limit=5", "/api/v1/users/writer", "/readyz"] {
            let (client, is_over) = (plaza.client(), &is_over);
            scope.spawn(move || {
                repeat(is_over, || {
                    let answer = client.get(path);
                    if answer.status != 200 {
                        is_unavailable(&answer);
                    }
                    answer.status == 200
                });
            });
        }
        // Also on a panic, since the scope joins the clients' threads.
        let over = Over(&is_over);
        happens();
        drop(over);
        writer.join().expect("no panic")
    });
    let said = plaza.said();
    let failed: Vec<_> =
        said.lines().filter(|line| line.contains("ERROR") && line.contains("request")).collect();
    assert!(failed.is_empty(), "no request failed on our side: {failed:#?}");
    assert!(!written.is_empty(), "posts were written");
    let client = plaza.client();
    for slug in written {
        client.get(&format!("/api/v1/posts/{slug}")).expect(200);
    }
}

/// Repeat requests until it is over and a request that began later was served.
fn repeat(is_over: &AtomicBool, mut request: impl FnMut() -> bool) {
    eventually("requests are served again", || {
        let was_over = is_over.load(Ordering::Acquire);
        let is_served = request();
        (was_over && is_served).then_some(())
    });
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "a request that cannot be served is told 503: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json", "as a problem");
    assert_eq!(text(&answer.json(), "/code"), "database_unavailable", "which it names");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "it says when to come again");
}
