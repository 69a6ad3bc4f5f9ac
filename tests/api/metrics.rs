//! Metrics on the operators' listener: each event counts once, and clients cannot create an unlimited number of
//! series.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::join_all;
use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;

use crate::app::{PATIENCE, TestApp};
use crate::client::send;
use crate::pictures;

const AVATAR: &str = "/api/v1/profiles/me/avatar";

/// The values, by name and labels as they are printed.
#[derive(Debug)]
pub struct Told(BTreeMap<String, String>);

impl Told {
    pub async fn by(app: &TestApp) -> Self {
        let answer = app.operator().get("/metrics").await;
        assert_eq!(answer.status, "200 OK");
        let text = String::from_utf8(answer.bytes).expect("text");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.to_owned())
        });
        Self(values.collect())
    }

    /// Poll the metrics until the check is true.
    pub async fn when(app: &TestApp, what: &str, check: impl Fn(&Self) -> bool) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = Self::by(app).await;
            if check(&told) {
                return told;
            }
            assert!(Instant::now() < deadline, "never happened: {what}, but {told:?}");
        }
    }

    /// A metric's value. `name` lacks the prefix `plaza_`.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().expect("a whole number")
    }

    #[track_caller]
    fn text(&self, name: &str) -> &str {
        let value = self.0.get(&format!("plaza_{name}"));
        value.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The request counters of a route, such as `GET 2xx 3`.
    fn requests(&self, route: &str) -> String {
        let start = format!("plaza_requests_total{{route=\"{route}\",");
        let series = self.0.iter().filter_map(|(name, value)| {
            let labels = name.strip_prefix(&start)?.strip_suffix("\"}")?.strip_prefix("method=\"")?;
            Some(format!("{} {value}", labels.replace("\",status=\"", " ")))
        });
        series.collect::<Vec<_>>().join(", ")
    }

    /// The number of requests, without those for the metrics.
    fn all_requests(&self) -> u64 {
        let of = |name: &str| name.starts_with("plaza_requests_total") && !name.contains("/metrics");
        self.0
            .iter()
            .filter(|(name, _)| of(name))
            .map(|(_, value)| value.parse::<u64>().expect("a number"))
            .sum()
    }

    /// The names and labels, without those of requests for the metrics.
    fn series(&self) -> Vec<&String> {
        self.0.keys().filter(|name| !name.contains("route=\"/metrics\"")).collect()
    }
}

#[actix_web::test]
async fn a_request_counts_once_under_its_template_its_method_and_the_class_of_its_status() {
    let app = TestApp::new().await;
    let (ana, guest) = (app.member("ana"), app.guest());
    ana.post("/api/v1/posts", json!({ "title": "Hello", "published": true })).await;
    assert_eq!(Told::by(&app).await.all_requests(), 1);

    let first = guest.get("/api/v1/posts/hello").await;
    guest.get("/api/v1/posts/%68ello?limit=1").await;
    guest.get_with("/api/v1/posts/hello", "if-none-match", first.header("etag")).await;
    guest.head("/api/v1/posts/hello").await;
    guest.get("/api/v1/posts/nobody-wrote-this").await;
    guest.get("/api/v1/posts/hello-world").await;
    guest.patch("/api/v1/posts/hello", json!({})).await;
    guest.put("/api/v1/posts/hello", json!({})).await;
    guest.get("/media/covers/nothing.png").await;
    guest.get("/livez").await;
    app.operator().get("/livez").await;
    let told = Told::by(&app).await;
    assert_snapshot!(told.requests("/api/v1/posts"), @"POST 2xx 1");
    assert_snapshot!(told.requests("/api/v1/posts/{slug}"), @"GET 2xx 1, GET 3xx 1, GET 4xx 3, HEAD 2xx 1, PATCH 4xx 1, PUT 4xx 1");
    assert_snapshot!(told.requests("/media/{key}"), @"GET 4xx 1");
    assert_snapshot!(told.requests("/livez"), @"GET 2xx 2");
    assert_eq!(told.all_requests(), 12, "none is counted twice");
}

#[actix_web::test]
async fn a_fault_of_ours_counts_as_one() {
    let app = TestApp::new().await;
    app.sql("ALTER TABLE posts RENAME TO elsewhere");
    assert_snapshot!(app.guest().get("/api/v1/posts").await.refusal(), @"500 internal_error");
    assert_snapshot!(Told::by(&app).await.requests("/api/v1/posts"), @"GET 5xx 1");
}

#[actix_web::test]
async fn neither_unknown_paths_nor_made_up_methods_make_series() {
    let app = TestApp::new().await;
    let guest = app.guest();
    let brew =
        |path: &str, word: &str| guest.request(Method::from_bytes(word.as_bytes()).expect("a method"), path);
    guest.get("/nowhere").await;
    send(brew("/nowhere", "BREW")).await;
    send(brew("/api/v1/posts/tea", "BREW")).await;
    let before = Told::by(&app).await;
    for number in 0..40 {
        for path in ["/nowhere/", "/api/v1/nowhere/", "/api/v2/", "/%00", "/api/v1/posts/x/y/"] {
            guest.get(&format!("{path}{number}")).await;
        }
        send(brew(&format!("/nowhere/{number}"), &format!("BREW{number}"))).await;
        send(brew(&format!("/api/v1/posts/{number}"), &format!("BREW{number}"))).await;
    }
    let after = Told::by(&app).await;
    assert_eq!(after.series(), before.series());
    assert_snapshot!(after.requests("none"), @"GET 4xx 201, other 4xx 41");
    assert_snapshot!(after.requests("/api/v1/posts/{slug}"), @"other 4xx 41");
}

#[actix_web::test]
async fn how_long_requests_take_is_told_in_buckets() {
    let app = TestApp::with(&["--statement-timeout", "1s"]).await;
    app.guest().get("/livez").await;
    let lock = app.lock("LOCK TABLE posts IN ACCESS EXCLUSIVE MODE");
    assert_snapshot!(app.guest().get("/api/v1/posts").await.refusal(), @"503 query_timeout");
    drop(lock);
    let told = Told::by(&app).await;
    let of = |suffix: &str, route: &str, bound: &str| {
        told.number(&format!("request_seconds_{suffix}{{{bound}route=\"{route}\",method=\"GET\"}}"))
    };
    let bucket = |route: &str, bound: &str| {
        let bound = format!("le=\"{bound}\",");
        of("bucket", route, &bound)
    };
    for route in ["/livez", "/api/v1/posts"] {
        assert_eq!((of("count", route, ""), bucket(route, "+Inf")), (1, 1), "{route}");
    }
    let seconds = |route: &str| {
        let sum = told.text(&format!("request_seconds_sum{{route=\"{route}\",method=\"GET\"}}"));
        sum.parse::<f64>().expect("seconds")
    };
    let (quick, slow) = (seconds("/livez"), seconds("/api/v1/posts"));
    assert!((1.0..10.0).contains(&slow), "{slow}");
    assert_eq!((bucket("/api/v1/posts", "0.5"), bucket("/api/v1/posts", "10.0")), (0, 1));
    assert!((0.0..1.0).contains(&quick), "{quick}");
    assert_eq!(told.number("database_refused_total{code=\"query_timeout\"}"), 1);
}

#[actix_web::test]
async fn a_try_that_must_wait_counts_under_its_rule() {
    let app = TestApp::new().await;
    let of = |told: &Told, rule: &str| told.number(&format!("throttled_total{{rule=\"{rule}\"}}"));
    let body = json!({ "login": "nobody", "password": "x" });
    for _ in 0..10 {
        assert_eq!(app.guest().post("/api/v1/auth/login", body.clone()).await.status, "401 Unauthorized");
    }
    assert_eq!(of(&Told::by(&app).await, "login-account"), 0);
    app.prolong_waits();
    for _ in 0..2 {
        let refusal = app.guest().post("/api/v1/auth/login", body.clone()).await.refusal();
        assert_eq!(refusal, "429 too_many_attempts");
    }
    let told = Told::by(&app).await;
    assert_eq!(of(&told, "login-account"), 2);
    for rule in ["login-network", "password", "registration", "mail-address", "mail-user", "mail-network"] {
        assert_eq!(of(&told, rule), 0, "{rule}");
    }
}

#[actix_web::test]
async fn a_pool_that_is_too_small_is_seen_and_so_are_those_who_give_up() {
    let app = TestApp::with(&["--database-pool", "2", "--statement-timeout", "20s"]).await;
    let refused = "database_refused_total{code=\"database_unavailable\"}";
    let told = Told::by(&app).await;
    assert_eq!((told.number("database_connections_max"), told.number(refused)), (2, 0));

    let lock = app.lock("LOCK TABLE posts IN ACCESS EXCLUSIVE MODE");
    let reads: Vec<_> = (0..5)
        .map(|_| {
            let guest = app.guest();
            actix_web::rt::spawn(async move { guest.get("/api/v1/posts").await.status })
        })
        .collect();
    let connections = ["busy", "idle"].map(|state| format!("database_connections{{state=\"{state}\"}}"));
    let connections = |told: &Told| (told.number(&connections[0]), told.number(&connections[1]));
    Told::when(&app, "three wait for the two that are busy", |told| {
        told.number("database_waiting") >= 3 && connections(told) == (2, 0)
    })
    .await;

    // A request that waits for a connection gets 503 after three seconds. The metrics, which also want a connection,
    // are served without one.
    Told::when(&app, "three gave up", |told| told.number(refused) >= 3).await;
    drop(lock);
    let answers = join_all(reads).await;
    let served = answers.iter().filter(|status| status.as_ref().is_ok_and(|status| status == "200 OK"));
    assert_eq!(served.count(), 2, "{answers:?}");
    Told::when(&app, "it is quiet", |told| {
        connections(told) == (0, 2) && told.number("database_waiting") == 0
    })
    .await;
}

#[actix_web::test]
async fn pictures_count_when_they_are_taken_and_when_not() {
    let app = TestApp::new().await;
    let ana = app.member("ana");
    let kept = |told: &Told| told.number("pictures_kept_total{purpose=\"avatar\"}");
    let refused =
        |told: &Told, code: &str| told.number(&format!("pictures_refused_total{{code=\"{code}\"}}"));
    assert_snapshot!(ana.upload(AVATAR, "avatar", b"text".to_vec()).await.status, @"415 Unsupported Media Type");
    let told = Told::by(&app).await;
    assert_eq!((kept(&told), refused(&told, "unsupported_picture")), (0, 1));
    let (most, rest) = (told.number("picture_memory_max_bytes"), told.number("picture_memory_bytes"));
    assert!(most >= 1_048_576, "{most}");
    assert_eq!((rest, told.number("uploads"), told.number("pictures_waiting")), (0, 0, 0));

    // The upload waits in memory until the row that announces it is written.
    let lock = app.lock("LOCK TABLE files IN ACCESS EXCLUSIVE MODE");
    let upload = actix_web::rt::spawn({
        let ana = ana.clone();
        async move { ana.upload(AVATAR, "avatar", pictures::jpeg(60, 40)).await.status }
    });
    Told::when(&app, "it has memory", |told| told.number("picture_memory_bytes") >= 1_048_576).await;
    drop(lock);
    assert_eq!(upload.await.expect("no panic"), "200 OK");
    let told = Told::by(&app).await;
    assert_eq!((kept(&told), told.number("picture_memory_bytes")), (1, 0));
    assert_eq!(refused(&told, "unsupported_picture"), 1);
    for workers in ["pictures", "passwords", "default_pictures"] {
        let of = |told: &Told, name| told.number(&format!("worker_{name}{{workers=\"{workers}\"}}"));
        // A thread sends its result before it counts as idle.
        let told = Told::when(&app, "none works", |told| of(told, "running") == 0).await;
        assert_eq!((of(&told, "queue"), of(&told, "refused_total")), (0, 0), "{workers}");
        assert!(of(&told, "threads") >= 1, "{workers}");
    }
}

#[actix_web::test]
async fn every_metric_is_documented() {
    let app = TestApp::new().await;
    app.guest().get("/livez").await;
    let told = Told::by(&app).await;
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let docs = std::fs::read_to_string(docs).expect("the documentation");
    for series in told.series() {
        let name = series.split('{').next().unwrap_or_default();
        let name =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let is_told = docs.contains(&format!("\n| `{name}` |"));
        assert!(is_told, "docs/operations.md does not tell of {name}");
    }
}
