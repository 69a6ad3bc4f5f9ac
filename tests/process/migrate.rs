//! Migrations of an external database: a schema on a scratch server, with a role that owns nothing else.

use crate::support::{Output, Place, Plaza};

/// A server, on which each schema serves as a whole database.
struct Given {
    server: Plaza,
    place: Place,
}

impl Given {
    fn new() -> Self {
        let place = Place::new();
        Self { server: place.serve(), place }
    }

    /// The URL of a new, empty schema.
    fn schema(&self, name: &str) -> String {
        self.server.sql(&format!("create schema {name}"));
        format!("{}&options=-csearch_path%3D{name}", self.server.database_url())
    }

    fn tables(&self, schema: &str) -> String {
        self.server.sql(&format!(
            "select string_agg(tablename, ' ' order by tablename) from pg_tables where schemaname = '{schema}'"
        ))
    }
}

/// The names that `plaza migrate status` lists, and whether each is applied.
fn status(place: &Place, url: &str) -> Vec<(bool, String)> {
    let listed = place.run(["migrate", "status", "--database-url", url]).succeeded();
    listed
        .lines()
        .map(|line| match (line.strip_prefix("[x] "), line.strip_prefix("[ ] ")) {
            (Some(name), _) => (true, name.to_owned()),
            (_, Some(name)) => (false, name.to_owned()),
            _ => panic!("a line is `[x] NAME` or `[ ] NAME`: {line}"),
        })
        .collect()
}

#[test]
fn migrations_go_up_and_down_one_by_one() {
    let (given, place) = (Given::new(), Place::new());
    let url = given.schema("steps");
    let migrate = |action: &str| place.run(["migrate", action, "--database-url", &url]).succeeded();
    let names: Vec<String> = status(&place, &url).into_iter().map(|(_, name)| name).collect();
    assert!(names.len() >= 4, "there are migrations: {names:?}");
    assert!(status(&place, &url).iter().all(|(applied, _)| !applied), "none is applied yet");

    let all = format!("applied {}\n", names.join("\napplied "));
    assert_eq!(migrate("up"), all, "it tells each");
    assert!(status(&place, &url).iter().all(|(applied, _)| *applied), "all are applied");
    assert_eq!(migrate("up"), "Nothing to apply: the database is up to date.\n", "again is nothing");
    assert!(given.tables("steps").contains("posts"), "the tables are in the schema of the URL");

    for (left, name) in names.iter().enumerate().rev() {
        assert_eq!(migrate("down"), format!("reverted {name}\n"), "the last goes first");
        let applied = status(&place, &url).iter().filter(|(applied, _)| *applied).count();
        assert_eq!(applied, left, "one at a time");
    }
    assert_eq!(migrate("down"), "Nothing to revert: no migration is applied.\n", "again is nothing");
    assert_eq!(given.tables("steps"), "__diesel_schema_migrations", "nothing of ours is left");
    assert_eq!(migrate("up"), all, "and up again");
    assert!(!place.data().join("postgres").exists(), "no server of its own was made for it");
}

#[test]
fn serve_refuses_a_given_database_with_pending_migrations_unless_told_to_apply_them() {
    let (given, place) = (Given::new(), Place::new());
    let url = given.schema("pending");
    let refused = place.try_serve_with(["--database-url", &url]).expect_err("there are pending ones");
    assert_eq!(refused.status.code(), Some(1), "it fails: {refused:?}");
    for (_, name) in status(&place, &url) {
        assert!(refused.said.contains(&name), "it names {name}: {refused:?}");
    }
    for word in ["plaza migrate", "--migrate"] {
        assert!(refused.said.contains(word), "it says `{word}`: {refused:?}");
    }
    assert_eq!(given.tables("pending"), "__diesel_schema_migrations", "it changed nothing");

    let plaza = place.serve_with(["--database-url", &url, "--migrate"]);
    plaza.client().register("ana").expect(201);
    plaza.stop();
    // Nothing is pending any more, so the flag is not needed.
    let plaza = place.serve_with(["--database-url", &url]);
    plaza.client().get("/api/v1/users/ana").expect(200);
    plaza.stop();

    place.run(["migrate", "down", "--database-url", &url]).succeeded();
    let (_, last) = status(&place, &url).pop().expect("there are migrations");
    let refused = place.try_serve_with(["--database-url", &url]).expect_err("one is pending");
    assert!(refused.said.contains(&last), "it names {last}: {refused:?}");
    assert!(!refused.said.contains("_users"), "it names no other: {refused:?}");
}

#[test]
fn nodes_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let (given, places) = (Given::new(), [Place::new(), Place::new(), Place::new()]);
    let url = given.schema("nodes");
    let secret = "one secret that all of these nodes have in common";
    let arguments = ["--database-url", &url, "--secret-key", secret, "--migrate"];
    let nodes = places.each_ref().map(|place| place.spawn_with(arguments));
    let nodes = nodes.map(|node| node.ready().expect("it starts"));
    nodes[0].client().register("ana").expect(201);
    for node in &nodes {
        // Every node accepts the token of another one, since there is one signing key.
        node.client().logged_in("ana").get("/api/v1/users/me").expect(200);
    }
    assert_eq!(
        given.server.sql("select count(*) from nodes.signing_keys"),
        "1",
        "the nodes made one signing key between them"
    );
    let token = nodes[0].client().log_in("ana", crate::support::PASSWORD).expect(200).json();
    for node in &nodes {
        let mut client = node.client();
        client.set_token(Some(crate::support::text(&token, "/access_token")));
        client.get("/api/v1/users/me").expect(200);
    }
    for node in nodes {
        node.stop();
    }
}

#[test]
fn the_running_servers_own_database_is_migrated_without_asking() {
    let given = Given::new();
    let listed = given.place.run(["migrate", "status"]).succeeded();
    assert!(listed.lines().all(|line| line.starts_with("[x] ")), "all are applied: {listed}");
    let wrong = given.place.run(["migrate", "sideways"]);
    assert_eq!(wrong.code, Some(2), "an unknown action is a usage error: {wrong:?}");
    assert!(wrong.err.contains("status"), "it lists what there is: {wrong:?}");
}

#[test]
fn a_database_that_cannot_be_reached_is_said_so() {
    let place = Place::new();
    let url = "postgresql://plaza@127.0.0.1:1/plaza";
    for command in [vec!["serve"], vec!["migrate"], vec!["seed", "--posts", "1"]] {
        let command = command.into_iter().chain(["--database-url", url]);
        let said = Output::of(place.command(command)).failed();
        assert!(said.contains("DATABASE_URL"), "it names the setting: {said}");
        assert!(said.contains("refused"), "it tells the cause: {said}");
    }
}
