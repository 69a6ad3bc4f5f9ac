//! What applies to every request: problems, headers, conditional requests, CORS, strictness.

use actix_web::middleware::from_fn;
use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{LOCKS, TestApp};
use crate::client::send;

#[actix_web::test]
async fn every_layer_answers_with_a_problem() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let guest = app.guest();
    let text = |method: Method, path: &str, kind: &str, body: &'static str| {
        send(ana.request(method, path).header("content-type", kind.to_owned()).body(body))
    };
    // Errors of the router.
    assert_snapshot!(guest.get("/nothing").await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/docs/nothing").await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/api/v1/nothing").await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/api/v1/posts/").await.refusal(), @"404 not_found");
    let wrong_method = guest.post("/api/v1/choices", json!({})).await;
    assert_snapshot!(wrong_method.refusal(), @"405 method_not_allowed");
    assert_eq!(wrong_method.header("allow"), "GET, HEAD");
    assert_eq!(ana.put("/api/v1/posts", json!({})).await.header("allow"), "DELETE, GET, HEAD, PATCH, POST");
    assert_snapshot!(guest.request(Method::TRACE, "/api/v1/posts").send().await.expect("an answer").status(), @"405 Method Not Allowed");
    // Errors in the path, the query, the headers and the body.
    assert_snapshot!(guest.get("/api/v1/posts/%FF").await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/api/v1/posts/a%00b").await.refusal(), @"404 not_found");
    assert_snapshot!(guest.get("/api/v1/posts?limit=x").await.refusal(), @"400 invalid_query limit invalid_parameter");
    assert_snapshot!(guest.get("/api/v1/choices?x=%FF&y=1").await.refusal(),
        @"400 invalid_query x invalid_parameter, y unknown_parameter");
    assert_snapshot!(text(Method::POST, "/api/v1/posts", "application/json", "{").await.refusal(), @"400 malformed_body");
    assert_snapshot!(text(Method::POST, "/api/v1/posts", "application/json", "").await.refusal(), @"400 malformed_body");
    assert_snapshot!(text(Method::POST, "/api/v1/posts", "application/json", "[]").await.refusal(),
        @"422 validation_failed  invalid_type");
    assert_snapshot!(text(Method::POST, "/api/v1/posts", "text/plain", "{}").await.refusal(), @"415 unsupported_media_type");
    assert_snapshot!(text(Method::POST, "/api/v1/posts", "nonsense", "{}").await.refusal(), @"415 unsupported_media_type");
    let utf8 =
        text(Method::POST, "/api/v1/posts", "application/json; charset=utf-8", r#"{"title": "x"}"#).await;
    assert_snapshot!(utf8.status, @"201 Created");
    assert_snapshot!(text(Method::PUT, "/api/v1/profiles/me/avatar", "multipart/form-data; boundary=x", "--x\r\n\r\n").await.refusal(),
        @"400 malformed_body");
    // 401 has precedence over 400, whatever the order in which a handler's extractors run.
    let anonymous = send(guest.request(Method::POST, "/api/v1/posts?x=1").body("{")).await;
    assert_snapshot!(anonymous.refusal(), @"401 authentication_required");
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
}

#[actix_web::test]
async fn an_unknown_parameter_is_refused_with_its_neighbour() {
    let app = TestApp::new().await;
    let answer = app.guest().get("/api/v1/posts?limt=2").await;
    assert_snapshot!(answer.refusal(), @"400 invalid_query limt unknown_parameter");
    assert_eq!(answer.at("/errors/0/params/nearest"), "limit");
    assert_snapshot!(app.guest().get("/api/v1/users/ana?limit=2").await.refusal(), @"400 invalid_query limit unknown_parameter");
    assert_snapshot!(app.guest().get("/api/v1/posts?limit=2&limit=3").await.refusal(), @"400 invalid_query limit duplicate_parameter");
}

#[actix_web::test]
async fn no_spelling_of_a_path_walks_around_the_rules() {
    let app = TestApp::new().await;
    let stranger = app.guest().with_token("x");
    for path in ["/%61pi/v1/posts", "/api/v1/%70osts", "/api/%76%31/posts"] {
        assert_eq!(stranger.get(path).await.refusal(), "401 access_token_invalid", "{path}");
        let refusal = app.guest().get(&format!("{path}?bogus=1")).await.refusal();
        assert_eq!(refusal, "400 invalid_query bogus unknown_parameter", "{path}");
        assert_eq!(app.guest().get(path).await.header("cache-control"), "no-cache", "{path}");
    }
}

#[actix_web::test]
async fn an_encoding_that_cannot_be_had_is_done_without() {
    let app = TestApp::new().await;
    for encodings in ["identity;q=0", "*;q=0", "zstd, identity; q=0.0", "gzip;q=0, *;q=0", "nonsense"] {
        let answer = app.guest().get_with("/api/v1/posts", "accept-encoding", encodings).await;
        assert_eq!(answer.status, "200 OK", "{encodings}");
        assert_eq!(answer.header("content-encoding"), "", "{encodings}");
    }
}

#[actix_web::test]
async fn a_panic_is_a_problem_too() {
    async fn panics() -> &'static str {
        panic!("on purpose")
    }
    let service = actix_web::test::init_service(
        actix_web::App::new()
            .route("/", actix_web::web::get().to(panics))
            .wrap(from_fn(plaza::api::frame::contain_panics))
            .wrap(actix_cors::Cors::default().allowed_origin("https://app.example"))
            .wrap(from_fn(plaza::api::frame::frame)),
    )
    .await;
    let request =
        actix_web::test::TestRequest::get().insert_header(("origin", "https://app.example")).to_request();
    let response = actix_web::test::call_service(&service, request).await;
    assert_eq!(response.status(), 500);
    let header = |name: &str| response.headers().get(name).cloned().expect("a header");
    assert_eq!(header("access-control-allow-origin"), "https://app.example");
    assert_eq!(header("content-type"), "application/problem+json");
    let id = header("x-request-id");
    let body: serde_json::Value = actix_web::test::read_body_json(response).await;
    assert_eq!(body["code"], "internal_error");
    assert_eq!(body["instance"], id.to_str().expect("text"));
    assert!(!body.to_string().contains("purpose"), "{body}");
}

#[actix_web::test]
async fn request_ids_are_taken_if_well_formed() {
    let app = TestApp::new().await;
    let id = async |given: &str| {
        app.guest().get_with("/livez", "x-request-id", given).await.header("x-request-id").to_owned()
    };
    assert_eq!(id("abc-1.2:3").await, "abc-1.2:3");
    for wrong in ["", "a b", "a\"b", &"x".repeat(129)] {
        let made = id(wrong).await;
        assert_eq!((made.len(), made == wrong), (36, false), "{wrong}");
    }
}

#[actix_web::test]
async fn every_answer_says_how_it_may_be_kept() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let vary = "Authorization, Accept-Encoding, Origin";
    for (client, path, caching) in [
        (&app.guest(), "/api/v1/posts", "no-cache"),
        (&ana, "/api/v1/posts", "private, no-cache"),
        (&app.guest(), "/api/v1/nothing", "no-cache"),
        (&app.guest(), "/api/v1/auth/login", "no-store"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.header("cache-control"), answer.header("vary")), (caching, vary), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[actix_web::test]
async fn what_is_known_already_is_not_sent_again() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    ana.post("/api/v1/posts", json!({ "title": "Hello", "content": "x".repeat(5000), "published": true }))
        .await;
    for path in [
        "/api/v1/posts/hello",
        "/api/v1/posts",
        "/api/v1/users/ana",
        "/api/v1/profiles/ana",
        "/api/v1/choices",
    ] {
        let first = app.guest().get(path).await;
        let tag = first.header("etag").to_owned();
        let again = app.guest().get_with(path, "if-none-match", &tag).await;
        assert_eq!(
            (again.status.as_str(), again.header("etag")),
            ("304 Not Modified", tag.as_str()),
            "{path}"
        );
        assert!(again.bytes.is_empty());
        let other = app.guest().get_with(path, "if-none-match", "\"other\"").await;
        assert_eq!(other.status, "200 OK", "{path}");
        // The tag of a compressed response is weak, and still matches.
        let request = app.guest().request(Method::GET, path).header("accept-encoding", "gzip");
        let compressed = send(request).await;
        assert_eq!(compressed.header("content-encoding"), "gzip", "{path}");
        assert!(compressed.header("etag").starts_with("W/\""), "{path}");
        let again = app.guest().get_with(path, "if-none-match", compressed.header("etag")).await;
        assert_eq!(again.status, "304 Not Modified", "{path}");
        let suffixed = format!("{}-gzip\"", tag.trim_end_matches('"'));
        assert_eq!(
            app.guest().get_with(path, "if-none-match", &suffixed).await.status,
            "304 Not Modified",
            "{path}"
        );
    }
}

#[actix_web::test]
async fn of_edits_of_one_copy_that_meet_at_the_row_one_wins_whatever_it_is() {
    let app = TestApp::new().await;
    let root = app.staff("root");
    app.member("ana");
    let of = async |list: &str, body: Value| root.post(list, body).await.header("location").to_owned();
    let post = of("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    let comment = of(&format!("{post}/comments"), json!({ "content": "x" })).await;
    let label = of("/api/v1/labels", json!({ "name": "Rust" })).await;
    let webhook = of("/api/v1/webhooks", json!({ "url": "https://example.com/hooks", "types": ["*"] })).await;
    for (table, path, field) in [
        ("posts", post.as_str(), "content"),
        ("comments", &comment, "content"),
        ("labels", &label, "name"),
        ("webhooks", &webhook, "description"),
        ("profiles", "/api/v1/profiles/ana", "bio"),
        ("users", "/api/v1/users/ana", "email"),
    ] {
        let tag = root.get(path).await.header("etag").to_owned();
        // This lock allows reads, but neither row locks nor changes. Without a row lock, each edit would find its
        // version before it waits.
        let table = app.lock(&format!("LOCK TABLE {table} IN EXCLUSIVE MODE"));
        let edits = (0..4).map(|n| root.patch_if(path, &tag, json!({ field: format!("n{n}@example.org") })));
        let release = async {
            app.eventually("they meet", || app.count(&format!("{LOCKS} WHERE NOT granted")) > 1).await;
            drop(table);
        };
        let (answers, ()) = futures_util::join!(join_all(edits), release);
        let mut answers: Vec<_> = answers.iter().map(|answer| answer.status.as_str()).collect();
        answers.sort_unstable();
        assert_eq!(answers.concat(), "200 OK".to_owned() + &"412 Precondition Failed".repeat(3), "{path}");
    }
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::new().await;
    app.member("ana").post("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    for path in [
        "/api/v1/posts/hello",
        "/api/v1/posts",
        "/api/v1/users",
        "/livez",
        "/openapi.json",
        "/.well-known/jwks.json",
    ] {
        let (get, head) = (app.guest().get(path).await, app.guest().head(path).await);
        assert_eq!(head.status, "200 OK", "{path}");
        assert!(head.bytes.is_empty());
        for header in ["content-length", "content-type", "etag"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {path}");
        }
    }
    assert_snapshot!(app.guest().head("/api/v1/posts/nothing").await.status, @"404 Not Found");
}

#[actix_web::test]
async fn browsers_of_listed_origins_may_call() {
    let app = TestApp::with(&["--cors-origins", "https://app.example"]).await;
    let preflight = |origin: &'static str| {
        let request = app.guest().request(Method::OPTIONS, "/api/v1/posts");
        send(request.header("origin", origin).header("access-control-request-method", "PATCH").header(
            "access-control-request-headers",
            "authorization, if-match, idempotency-key, last-event-id",
        ))
    };
    let answer = preflight("https://app.example").await;
    assert_snapshot!(answer.status, @"200 OK");
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    let allowed = answer.header("access-control-allow-headers").to_lowercase();
    for header in [
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "last-event-id",
        "x-request-id",
    ] {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), "");

    // Error responses have the headers, too.
    for path in ["/api/v1/posts", "/api/v1/nothing", "/api/v1/users/me", "/api/v1/posts?x=1"] {
        let answer = app.guest().get_with(path, "origin", "https://app.example").await;
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example", "{path}");
        let exposed = answer.header("access-control-expose-headers").to_lowercase();
        for header in ["etag", "location", "link", "retry-after", "x-request-id", "idempotency-replayed"] {
            assert!(exposed.contains(header), "{header} in {exposed}");
        }
    }
    assert_eq!(
        app.guest()
            .get_with("/api/v1/posts", "origin", "https://evil.example")
            .await
            .header("access-control-allow-origin"),
        ""
    );
}

#[actix_web::test]
async fn alive_and_ready_are_told_on_both_ports() {
    let app = TestApp::new().await;
    let ops = app.operator();
    for client in [&app.guest(), &ops] {
        assert_eq!(client.get("/livez").await.json(), json!({ "status": "ok" }));
        assert_eq!(client.get("/readyz").await.json(), json!({ "status": "ok" }));
    }
    assert_snapshot!(ops.get("/api/v1/posts").await.refusal(), @"404 not_found");
    app.app.state().begin_stop();
    let answer = ops.get("/readyz").await;
    assert_snapshot!(answer.refusal(), @"503 shutting_down");
    assert_eq!(answer.header("retry-after"), "1");
    assert_snapshot!(app.guest().get("/livez").await.status, @"200 OK");
    assert_snapshot!(app.guest().get("/api/v1/posts").await.status, @"200 OK");
}
