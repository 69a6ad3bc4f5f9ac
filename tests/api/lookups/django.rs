//! The same rows in the same order as Django returns for the same query. `tests/django` describes how the expected
//! rows were generated.

use serde_json::Value;

use crate::app::TestApp;
use crate::client::Client;

fn read(name: &str) -> Value {
    let path = format!("{}/tests/django/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file of the repository")).expect("JSON")
}

/// Insert the fixture's rows unchanged, and return a client of one of its staff users.
fn load(app: &TestApp) -> Client {
    let fixture = read("fixture.json");
    let columns = |table: &str| {
        let row = fixture[table][0].as_object().expect("a row");
        row.keys().cloned().collect::<Vec<_>>().join(", ")
    };
    let rows = |table: &str| format!("'{}'", fixture[table].to_string().replace('\'', "''"));
    let insert = |table: &str| {
        let columns = columns(table);
        let rows = rows(table);
        format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(null::{table}, {rows});"
        )
    };
    let update = |table: &str, key: &str| {
        let columns = columns(table);
        let rows = rows(table);
        format!(
            "UPDATE {table} SET ({columns}) = (SELECT {columns} FROM json_populate_recordset(null::{table}, {rows}) AS row
             WHERE row.{key} = {table}.{key});"
        )
    };
    // Triggers would change the times.
    app.sql(
        "ALTER TABLE posts DISABLE TRIGGER posts_touch; ALTER TABLE profiles DISABLE TRIGGER profiles_touch",
    );
    app.sql(&["users", "posts", "labels", "post_labels", "comments"].map(insert).join("\n"));
    app.sql(&update("profiles", "user_id"));
    app.sql(&update("posts", "id"));
    let staff = app.staff("ana");
    app.sql(&update("users", "id"));
    staff
}

#[actix_web::test]
async fn every_lookup_gives_the_rows_that_django_gives() {
    let app = TestApp::new().await;
    let staff = load(&app);
    let cases = read("expected.json");
    let cases = cases.as_array().expect("cases");
    assert!(cases.len() > 2000, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let list = case["list"].as_str().expect("a list");
        let key = match list {
            "posts" | "labels" => "slug",
            "comments" => "id",
            _ => "username",
        };
        let mut query = url::form_urlencoded::Serializer::new(String::from("limit=100"));
        for pair in case["query"].as_array().expect("parameters") {
            query.append_pair(pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
        }
        let answer = staff.get(&format!("/api/v1/{list}?{}", query.finish())).await;
        // A bare relation is compared with a public key without regard to case: no other user than Bob can be called
        // bob.
        let is_key_in_another_case =
            matches!(case["query"][0][0].as_str(), Some("writer" | "exclude__writer"))
                && case["query"][0][1] == "bob";
        let rows: Vec<Value> = match answer.at("/results") {
            Value::Array(rows) => rows.iter().map(|row| row[key].clone()).collect(),
            _ => vec![answer.text("/detail").into()],
        };
        if (Value::Array(rows.clone()) == case["rows"]) == is_key_in_another_case {
            wrong.push(format!("{list} {}\n  Django: {}\n  Plaza:  {rows:?}", case["query"], case["rows"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
