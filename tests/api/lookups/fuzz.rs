//! Whatever anybody makes up: a query string is answered or refused, and never more than it can bear.

use super::{query, two_of_everything};
use crate::app::TestApp;

#[actix_web::test]
async fn every_time_zone_is_known_or_refused_by_name() {
    let app = TestApp::new().await;
    let root = two_of_everything(&app).await;
    let mut known = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        let parameters =
            [("tz", zone.name()), ("created_at__hour__gte", "0"), ("created_at__date__gt", "2020-01-01")];
        let answer = root.get(&format!("/api/v1/posts?{}", query(&parameters))).await;
        match answer.status.as_str() {
            "200 OK" => known += 1,
            _ => assert_eq!(answer.refusal(), "400 invalid_query tz invalid_parameter", "{zone}"),
        }
    }
    assert!(known > 400, "{known} known");
}
