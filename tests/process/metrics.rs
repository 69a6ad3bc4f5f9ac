//! The operators' listener, as Prometheus scrapes it.

use crate::support::{Place, metric};

#[test]
fn metrics_are_told_on_the_operators_listener_and_on_no_other() {
    let place = Place::new();
    let plaza = place.serve();
    let client = plaza.client().registered("ana");
    for _ in 0..3 {
        client.get("/api/v1/users/ana").expect(200);
    }
    client.get("/metrics").expect(404);

    let of = |route: &str, method: &str, class: &str| {
        let name = "plaza_requests_total";
        metric(&plaza, &format!("{name}{{route=\"{route}\",method=\"{method}\",status=\"{class}\"}}"))
    };
    assert_eq!(of("/api/v1/users/{username}", "GET", "2xx"), 3);
    assert_eq!(of("/api/v1/users", "POST", "2xx"), 1);
    assert_eq!(of("none", "GET", "4xx"), 1, "the path is none of the public listener's");
    assert_eq!(of("/metrics", "GET", "2xx"), 3, "the operators' requests count too");
    let count = "plaza_request_seconds_count{route=\"/api/v1/users/{username}\",method=\"GET\"}";
    assert_eq!(metric(&plaza, count), 3);
    assert!(metric(&plaza, "plaza_database_connections_max") > 0, "the pool");
    assert_eq!(metric(&plaza, "plaza_database_waiting"), 0, "nobody waits for it");
    assert!(metric(&plaza, "plaza_worker_threads{workers=\"passwords\"}") > 0, "the passwords' threads");
    plaza.stop();
}
