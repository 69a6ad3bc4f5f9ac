//! Migrations, up and down and up.

use diesel::connection::SimpleConnection;
use diesel::{QueryableByName, RunQueryDsl};
use plaza::db::migrations;

use crate::database::Database;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

fn objects(database: &Database) -> Vec<String> {
    let query = "SELECT c.relname || ' ' || c.relkind::text AS name FROM pg_class c WHERE relnamespace = current_schema()::regnamespace
                 UNION SELECT p.proname::text FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
                     AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
                 UNION SELECT conname::text FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
                 UNION SELECT tgname || ' on ' || tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal
                     AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
                 ORDER BY name";
    let rows: Vec<Name> = diesel::sql_query(query).load(&mut database.connect()).expect("objects");
    rows.into_iter().map(|row| row.name).filter(|name| !name.contains("__diesel")).collect()
}

#[test]
fn migrations_go_up_and_down_and_up_again() {
    let database = Database::empty();
    let mut conn = database.connect();
    let names = migrations::up(&mut conn).expect("up");
    assert!(names.len() >= 4, "{names:?}");
    let whole = objects(&database);
    assert!(whole.contains(&"posts r".to_owned()), "{whole:?}");
    let mut reverted = Vec::new();
    while let Some(name) = migrations::down(&mut conn).expect("down") {
        reverted.push(name);
    }
    reverted.reverse();
    assert_eq!(reverted, names);
    assert_eq!(objects(&database), Vec::<String>::new());
    assert_eq!(migrations::up(&mut conn).expect("up"), names);
    assert_eq!(objects(&database), whole);
    assert!(migrations::status(&mut conn).expect("a status").iter().all(|status| status.applied));
}

#[test]
fn many_nodes_may_migrate_at_once() {
    let database = Database::empty();
    std::thread::scope(|scope| {
        let nodes: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| migrations::up(&mut database.connect()).expect("up").len()))
            .collect();
        let applied: Vec<usize> = nodes.into_iter().map(|node| node.join().expect("a node")).collect();
        assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
    });
}

#[test]
fn every_foreign_key_is_indexed() {
    let database = Database::migrated();
    let query = "SELECT conname AS name FROM pg_constraint c
                 WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND NOT EXISTS (
                     SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])";
    let rows: Vec<Name> = diesel::sql_query(query).load(&mut database.connect()).expect("keys");
    assert_eq!(rows.into_iter().map(|row| row.name).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn pictures_from_before_files_had_rows_keep_theirs() {
    let database = Database::empty();
    let mut conn = database.connect();
    migrations::up(&mut conn).expect("up");
    while migrations::down(&mut conn).expect("down").is_some_and(|name| !name.ends_with("files")) {}
    conn.batch_execute(
        "INSERT INTO users (username, username_key, email, email_key, password_hash) VALUES ('ana', 'ana', 'a@b.c', 'a@b.c', '');
         INSERT INTO pictures (key, width, height, bytes, blurhash) VALUES ('avatars/2026/11/20/x.png', 1, 1, 1, '');
         UPDATE profiles SET avatar_key = 'avatars/2026/11/20/x.png'",
    )
    .expect("a user with an avatar");
    migrations::up(&mut conn).expect("up");
    let keys = || diesel::sql_query("SELECT key AS name FROM files WHERE stored_at IS NOT NULL ORDER BY key");
    let rows: Vec<Name> = keys().load(&mut conn).expect("files");
    let keys: Vec<_> = rows.into_iter().map(|row| row.name).collect();
    assert_eq!(
        keys,
        ["avatars/2026/11/20/x.png", "avatars/2026/11/20/x_256.png", "avatars/2026/11/20/x_256.webp"]
    );
    migrations::down(&mut conn).expect("down");
    let shown: Vec<Name> =
        diesel::sql_query("SELECT avatar_key AS name FROM profiles").load(&mut conn).expect("an avatar");
    assert_eq!(shown[0].name, "avatars/2026/11/20/x.png");
}
