//! Migrations, up and down and up.

use diesel::{QueryableByName, RunQueryDsl};
use plaza::db::migrations;

use crate::database::Schema;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

fn objects(schema: &Schema) -> Vec<String> {
    let query = "SELECT c.relname || ' ' || c.relkind::text AS name FROM pg_class c WHERE relnamespace = current_schema()::regnamespace
                 UNION SELECT p.proname::text FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
                 UNION SELECT conname::text FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
                 UNION SELECT tgname || ' on ' || tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal
                     AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
                 ORDER BY name";
    let rows: Vec<Name> = diesel::sql_query(query).load(&mut schema.connect()).expect("objects");
    rows.into_iter().map(|row| row.name).filter(|name| !name.contains("__diesel")).collect()
}

#[test]
fn migrations_go_up_and_down_and_up_again() {
    let schema = Schema::empty();
    let mut conn = schema.connect();
    let names = migrations::up(&mut conn).expect("up");
    assert!(names.len() >= 4, "{names:?}");
    let whole = objects(&schema);
    assert!(whole.contains(&"posts r".to_owned()), "{whole:?}");
    let mut reverted = Vec::new();
    while let Some(name) = migrations::down(&mut conn).expect("down") {
        reverted.push(name);
    }
    reverted.reverse();
    assert_eq!(reverted, names);
    assert_eq!(objects(&schema), Vec::<String>::new());
    assert_eq!(migrations::up(&mut conn).expect("up"), names);
    assert_eq!(objects(&schema), whole);
    assert!(migrations::status(&mut conn).expect("a status").iter().all(|status| status.applied));
}

#[test]
fn many_nodes_may_migrate_at_once() {
    let schema = Schema::empty();
    std::thread::scope(|scope| {
        let nodes: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| migrations::up(&mut schema.connect()).expect("up").len()))
            .collect();
        let applied: Vec<usize> = nodes.into_iter().map(|node| node.join().expect("a node")).collect();
        assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
    });
}

#[test]
fn every_foreign_key_is_indexed() {
    let schema = Schema::migrated();
    let query = "SELECT conname AS name FROM pg_constraint c
                 WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND NOT EXISTS (
                     SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])";
    let rows: Vec<Name> = diesel::sql_query(query).load(&mut schema.connect()).expect("keys");
    assert_eq!(rows.into_iter().map(|row| row.name).collect::<Vec<_>>(), Vec::<String>::new());
}
