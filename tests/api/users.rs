//! Registration, reading, administration, deletion.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};
use crate::client::{Client, send};

#[actix_web::test]
async fn private_members_are_null_to_strangers() {
    let app = TestApp::new().await;
    let (ana, bob, staff) = (app.member("ana"), app.member("bob"), app.staff("root"));
    for (client, sees) in [(&app.guest(), false), (&bob, false), (&ana, true), (&staff, true)] {
        let user = client.get("/api/v1/users/ana").await.json();
        for member in ["email", "is_active", "is_staff", "last_login"] {
            assert_eq!(user[member].is_null(), !sees, "{member} in {user}");
        }
        assert!(user.as_object().expect("an object").contains_key("email_verified_at"), "{user}");
    }
}

#[actix_web::test]
async fn a_user_is_found_by_any_case_and_as_me() {
    let app = TestApp::new().await;
    let ana = app.member("Ana.B@c+d");
    assert_eq!(ana.get("/api/v1/users/ana.b@C%2Bd").await.at("/username"), "Ana.B@c+d");
    assert_eq!(ana.get("/api/v1/users/me").await.at("/username"), "Ana.B@c+d");
    assert_eq!(ana.get("/api/v1/users/ME").await.at("/username"), "Ana.B@c+d");
    assert_snapshot!(app.guest().get("/api/v1/users/me").await.refusal(), @"401 authentication_required");
    for nobody in ["bob", "%00", "%FF", "..%2f", &"x".repeat(151), "%F0%9F%8E%89", "'--"] {
        assert_eq!(
            app.guest().get(&format!("/api/v1/users/{nobody}")).await.refusal(),
            "404 not_found",
            "{nobody}"
        );
    }
}

#[actix_web::test]
async fn users_are_listed_by_name_in_pages() {
    let app = TestApp::new().await;
    for name in ["dora", "Ana", "carl", "bob", "eva"] {
        app.member(name);
    }
    let names = |page: &Value| -> Vec<String> {
        page["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|u| u["username"].as_str().expect("a name").to_owned())
            .collect()
    };
    let first = app.guest().get("/api/v1/users?limit=2").await;
    assert_eq!(names(&first.json()), ["Ana", "bob"]);
    assert_eq!(first.at("/previous"), Value::Null);
    assert_eq!(first.at("/count"), Value::Null);
    let next = first.text("/next");
    assert_eq!(first.header("link"), format!("<{next}>; rel=\"next\""));

    let second = app.guest().get(&next).await;
    assert_eq!(names(&second.json()), ["carl", "dora"]);
    let third = app.guest().get(&second.text("/next")).await;
    assert_eq!(names(&third.json()), ["eva"]);
    assert_eq!(third.at("/next"), Value::Null);

    let back = app.guest().get(&third.text("/previous")).await;
    assert_eq!(names(&back.json()), ["carl", "dora"]);
    let back = app.guest().get(&back.text("/previous")).await;
    assert_eq!(names(&back.json()), ["Ana", "bob"]);
    assert_eq!(back.at("/previous"), Value::Null);
    assert_eq!(names(&app.guest().get("/api/v1/users?limit=0").await.json()), Vec::<String>::new());
}

#[actix_web::test]
async fn a_cursor_belongs_to_its_list() {
    let app = TestApp::new().await;
    for name in ["ana", "bob"] {
        app.member(name);
    }
    let cursor = app.guest().get("/api/v1/users?limit=1").await.text("/next_cursor");
    let get = async |path: String| app.guest().get(&path).await.refusal();
    assert_snapshot!(get(format!("/api/v1/profiles?cursor={cursor}")).await, @"400 invalid_query cursor invalid_cursor");
    assert_snapshot!(get(format!("/api/v1/users?cursor={cursor}A")).await, @"400 invalid_query cursor invalid_cursor");
    assert_snapshot!(get("/api/v1/users?cursor=".into()).await, @"400 invalid_query cursor invalid_cursor");
    assert_snapshot!(get("/api/v1/users?limit=101".into()).await, @"400 invalid_query limit out_of_range");
    assert_snapshot!(get("/api/v1/users?limit=-1".into()).await, @"400 invalid_query limit out_of_range");
    assert_snapshot!(get("/api/v1/users?limit=many".into()).await, @"400 invalid_query limit invalid_parameter");
}

#[actix_web::test]
async fn inactive_users_are_seen_by_staff_only() {
    let app = TestApp::new().await;
    let (ana, staff) = (app.member("ana"), app.staff("root"));
    let answer = staff.patch("/api/v1/users/ana", json!({ "is_active": false })).await;
    assert_snapshot!(answer.status, @"200 OK");
    assert_snapshot!(app.guest().get("/api/v1/users/ana").await.refusal(), @"404 not_found");
    assert_snapshot!(app.guest().get("/api/v1/profiles/ana").await.refusal(), @"404 not_found");
    assert_snapshot!(staff.get("/api/v1/users/ana").await.status, @"200 OK");
    assert_eq!(app.guest().get("/api/v1/users").await.at("/results/1"), Value::Null);
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    let login = json!({ "login": "ana", "password": PASSWORD });
    assert_snapshot!(app.guest().post("/api/v1/auth/login", login.clone()).await.refusal(), @"401 invalid_credentials");

    // Ended sessions stay ended.
    staff.patch("/api/v1/users/ana", json!({ "is_active": true })).await;
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(app.guest().post("/api/v1/auth/login", login).await.status, @"200 OK");
}

#[actix_web::test]
async fn ones_address_changes_with_the_password_only() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.member("bob");
    let refusal = async |body: Value| ana.patch("/api/v1/users/me", body).await.refusal();
    assert_snapshot!(refusal(json!({ "email": "new@example.org" })).await,
        @"422 validation_failed /current_password required");
    assert_snapshot!(refusal(json!({ "email": "new@example.org", "current_password": "wrong horse" })).await,
        @"422 validation_failed /current_password password_wrong");
    assert_snapshot!(refusal(json!({ "email": "bob@example.org", "current_password": PASSWORD })).await,
        @"409 email_taken");
    assert_snapshot!(refusal(json!({ "email": null })).await, @"422 validation_failed /email required");
    let answer = ana
        .patch("/api/v1/users/me", json!({ "email": "new@example.org", "current_password": PASSWORD }))
        .await;
    // The new address takes effect when it is confirmed.
    assert_eq!((answer.status.as_str(), answer.at("/email")), ("200 OK", json!("ana@example.org")));
}

#[actix_web::test]
async fn only_staff_administer() {
    let app = TestApp::new().await;
    let (ana, staff) = (app.member("ana"), app.staff("root"));
    app.member("bob");
    let change = json!({ "is_staff": true });
    assert_snapshot!(app.guest().patch("/api/v1/users/ana", change.clone()).await.refusal(), @"401 authentication_required");
    assert_snapshot!(ana.patch("/api/v1/users/bob", change.clone()).await.refusal(), @"403 forbidden");
    assert_snapshot!(ana.patch("/api/v1/users/me", change.clone()).await.refusal(), @"403 forbidden");
    assert_snapshot!(staff.patch("/api/v1/users/nobody", change.clone()).await.refusal(), @"404 not_found");
    assert_eq!(staff.patch("/api/v1/users/ana", change).await.at("/is_staff"), true);
    assert_eq!(ana.get("/api/v1/users/bob").await.at("/email"), "bob@example.org");
}

#[actix_web::test]
async fn somebody_is_left_to_administer() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    for body in [json!({ "is_staff": false }), json!({ "is_active": false })] {
        assert_eq!(root.patch("/api/v1/users/me", body).await.refusal(), "409 last_staff");
    }
    assert_snapshot!(root.delete("/api/v1/users/me").await.refusal(), @"409 last_staff");
    let other = app.staff("other");
    for _ in 0..20 {
        let step_down = |client: &Client| {
            let client = client.clone();
            async move { client.patch("/api/v1/users/me", json!({ "is_staff": false })).await.status }
        };
        let (first, second) = futures_util::join!(step_down(&root), step_down(&other));
        let mut statuses = [first, second];
        statuses.sort();
        assert_eq!(statuses, ["200 OK", "409 Conflict"]);
        assert_eq!(app.count("users WHERE is_staff"), 1);
        app.sql("UPDATE users SET is_staff = true");
    }
}

#[actix_web::test]
async fn a_deleted_user_takes_everything_along() {
    let app = TestApp::new().await;
    let (ana, bob) = (app.member("ana"), app.member("bob"));
    ana.post("/api/v1/posts", json!({ "title": "One", "published": true })).await;
    bob.post("/api/v1/posts", json!({ "title": "Two", "editor": "ana", "published": true })).await;
    ana.upload("/api/v1/profiles/me/avatar", "avatar", crate::pictures::jpeg(64, 48)).await;
    assert_eq!(app.files().len(), 3);

    assert_snapshot!(bob.delete("/api/v1/users/ana").await.refusal(), @"403 forbidden");
    let answer = ana.delete("/api/v1/users/ana").await;
    assert_eq!(answer.json(), json!({ "deleted": 3, "by_type": { "posts": 1, "profiles": 1, "users": 1 } }));
    assert_snapshot!(ana.get("/api/v1/users/me").await.refusal(), @"401 session_revoked");
    assert_snapshot!(app.guest().get("/api/v1/posts/one").await.refusal(), @"404 not_found");
    assert_eq!(app.guest().get("/api/v1/posts/two").await.at("/editor"), Value::Null);
    assert_eq!(
        (app.count("sessions WHERE user_id NOT IN (SELECT id FROM users)"), app.count("pictures")),
        (0, 0)
    );
    app.idle().await;
    assert_eq!(app.files(), Vec::<String>::new());
}

#[actix_web::test]
async fn somebody_with_everything_can_be_deleted() {
    let app = TestApp::with(&["--statement-timeout", "1s"]).await;
    let ana = app.member("ana");
    app.sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN OLD; END $$;
         CREATE TRIGGER dawdle BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    assert_snapshot!(ana.delete("/api/v1/users/me").await.status, @"200 OK");
}

#[actix_web::test]
async fn deleting_oneself_wants_a_fresh_login() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    app.sql("UPDATE sessions SET created_at = now() - interval '11 minutes'");
    assert_snapshot!(ana.delete("/api/v1/users/me").await.refusal(), @"403 reauthentication_required");
    assert_snapshot!(app.member("ana").delete("/api/v1/users/me").await.status, @"200 OK");
}

#[actix_web::test]
async fn a_stale_if_match_changes_nothing() {
    let app = TestApp::new().await;
    let (ana, staff) = (app.member("ana"), app.staff("root"));
    let tag = staff.get("/api/v1/users/ana").await.header("etag").to_owned();
    assert_snapshot!(staff.patch_if("/api/v1/users/ana", &tag, json!({ "is_staff": true })).await.status, @"200 OK");
    assert_snapshot!(staff.patch_if("/api/v1/users/ana", &tag, json!({ "is_staff": false })).await.refusal(),
        @"412 precondition_failed");
    // A stale tag has precedence over an invalid body. A login does not change the version.
    assert_snapshot!(staff.patch_if("/api/v1/users/ana", &tag, json!({ "is_staff": 7 })).await.refusal(),
        @"412 precondition_failed");
    let tag = ana.get("/api/v1/users/me").await.header("etag").to_owned();
    app.guest().post("/api/v1/auth/login", json!({ "login": "ana", "password": PASSWORD })).await;
    let delete = ana.request(Method::DELETE, "/api/v1/users/me").header("If-Match", tag);
    assert_snapshot!(send(delete).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_user_deleted_meanwhile_costs_nobody_a_5xx() {
    let app = TestApp::new().await;
    let staff = app.staff("root");
    for round in 0..10 {
        let ana = app.member("ana");
        let bob = app.member("bob");
        let login = json!({ "login": "ana", "password": PASSWORD });
        let guest = app.guest();
        let (deleted, login, post, own) = futures_util::join!(
            staff.delete("/api/v1/users/ana"),
            guest.post("/api/v1/auth/login", login),
            bob.post("/api/v1/posts", json!({ "title": "x", "editor": "ana" })),
            ana.post("/api/v1/posts", json!({ "title": "x" })),
        );
        assert_eq!(deleted.status, "200 OK", "{deleted:?}");
        for (answer, good) in [(login, ["200", "401"]), (post, ["201", "422"]), (own, ["201", "401"])] {
            assert!(good.contains(&&answer.status[..3]), "round {round}: {answer:?}");
        }
    }
}

#[actix_web::test]
async fn staff_find_users_by_address_and_flags() {
    let app = TestApp::new().await;
    let (ana, root) = (app.member("ana"), app.staff("root"));
    for name in ["bob", "eve"] {
        app.member(name);
    }
    root.patch("/api/v1/users/eve", json!({ "is_active": false })).await;
    let names = async |query: &str| {
        let page = root.get(&format!("/api/v1/users?{query}")).await.json();
        let users = page["results"].as_array().expect("a page").iter();
        users.map(|user| user["username"].as_str().expect("a name").to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_snapshot!(names("email__iexact=BOB%40example.org").await, @"bob");
    assert_snapshot!(names("is_staff=true").await, @"root");
    assert_snapshot!(names("is_active=false").await, @"eve");
    assert_snapshot!(names("is_active=true&is_staff=false").await, @"ana bob");
    assert_snapshot!(names("email=nobody%40example.org").await, @"");
    assert_snapshot!(root.get("/api/v1/users?is_staff=yes").await.refusal(), @"400 invalid_query is_staff invalid_parameter");

    // Pages keep the filter, and a cursor is valid only for its filter.
    let page = root.get("/api/v1/users?is_staff=false&limit=1").await;
    let next = root.get(&page.text("/next")).await;
    assert_eq!(next.at("/results/0/username"), "bob");
    let cursor = page.text("/next_cursor");
    let other = root.get(&format!("/api/v1/users?is_staff=true&cursor={cursor}")).await;
    assert_snapshot!(other.refusal(), @"400 invalid_query cursor invalid_cursor");

    for query in ["email=bob%40example.org", "is_active=true", "is_staff=true"] {
        let path = format!("/api/v1/users?{query}");
        assert_eq!(ana.get(&path).await.refusal(), "403 forbidden", "{query}");
        assert_eq!(app.guest().get(&path).await.refusal(), "401 authentication_required", "{query}");
    }
}

#[actix_web::test]
async fn everything_about_a_user_is_one_object() {
    let app = TestApp::new().await;
    let (ana, bob, root) = (app.member("ana"), app.member("bob"), app.staff("root"));
    ana.patch("/api/v1/profiles/me", json!({ "bio": "Writes.", "phone": "+49 30 1" })).await;
    ana.patch("/api/v1/users/me", json!({ "email": "new@example.org", "current_password": PASSWORD })).await;
    let login = json!({ "login": "bob", "password": PASSWORD });
    app.guest().post("/api/v1/auth/login", login).await;
    for number in 0..105 {
        let content = "x".repeat(400);
        ana.post("/api/v1/posts", json!({ "title": format!("No {number}"), "content": content })).await;
    }
    bob.post("/api/v1/posts", json!({ "title": "Not hers" })).await;
    let export = ana.get("/api/v1/users/me/export").await;
    assert_eq!(export.header("cache-control"), "private, no-cache");
    let export = export.json();
    assert_eq!(
        (&export["user"]["email"], &export["user"]["is_staff"]),
        (&json!("ana@example.org"), &json!(false))
    );
    assert_eq!(
        (&export["profile"]["bio"], &export["profile"]["phone"]),
        (&json!("Writes."), &json!("+49 30 1"))
    );
    assert_eq!((&export["sessions"][0]["current"], &export["sessions"][1]), (&json!(true), &Value::Null));
    let posts = export["posts"].as_array().expect("posts");
    assert_eq!(
        (posts.len(), &posts[0]["title"], &posts[104]["title"]),
        (105, &json!("No 104"), &json!("No 0"))
    );
    assert_eq!(posts[0]["content"].as_str().map(str::len), Some(400));
    assert!(export["exported_at"].is_string());
    assert_eq!((&export["networks"], &export["pending_emails"]), (&json!([]), &json!(["new@example.org"])));
    assert!(!export.to_string().contains("argon2"), "no secret is in it");

    let of_bob = root.get("/api/v1/users/bob/export").await.json();
    assert_eq!(
        (&of_bob["user"]["email"], &of_bob["sessions"][1]["current"]),
        (&json!("bob@example.org"), &json!(false))
    );
    assert_eq!(of_bob["networks"][0]["prefix"], "127.0.0.0/24");
    let empty = root.get("/api/v1/users/root/export").await.json();
    assert_eq!(empty["posts"], json!([]));
    assert_snapshot!(ana.get("/api/v1/users/bob/export").await.refusal(), @"403 forbidden");
    assert_snapshot!(ana.get("/api/v1/users/nobody/export").await.refusal(), @"404 not_found");
    assert_snapshot!(app.guest().get("/api/v1/users/ana/export").await.refusal(), @"401 authentication_required");
}
