//! The operators' metrics of the cleanup.

use reqwest::Method;

use crate::buckets::{Answers, SECRET_KEY};
use crate::s3::{bucket, serve};
use crate::samples;
use crate::support::{Place, eventually, metric};

const PENDING: &str = "plaza_jobs{kind=\"media.remove\",state=\"pending\"}";
const RETRYING: &str = "plaza_jobs{kind=\"media.remove\",state=\"retrying\"}";
const FAILED: &str = "plaza_jobs{kind=\"media.remove\",state=\"failed\"}";

#[test]
fn a_clean_up_that_waits_for_the_store_is_seen_in_the_metrics() {
    let (_root, server, bucket) = bucket();
    let place = Place::new();
    let plaza = serve(&place, &server.url(), SECRET_KEY);
    let answer = plaza.operator().get("/metrics").expect(200);
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "the type tells Prometheus how to read it"
    );
    assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
    plaza.client().get("/metrics").expect(404);
    for name in [PENDING, RETRYING, FAILED] {
        assert_eq!(metric(&plaza, name), 0, "{name}");
    }

    let ana = plaza.client().registered("ana");
    ana.send(ana.upload(samples::jpeg(30, 20), "a.jpg")).expect(200);
    bucket.answer(Answers::SlowDown);
    ana.send(ana.request(Method::DELETE, "/api/v1/profiles/me/avatar")).expect(204);
    eventually("a try failed", || (metric(&plaza, "plaza_file_collections_failed_total") > 0).then_some(()));
    eventually("it is to be tried again", || (metric(&plaza, RETRYING) == 1).then_some(()));
    assert_eq!((metric(&plaza, PENDING), metric(&plaza, FAILED)), (1, 0), "it waits, and is not given up");
    assert_eq!(metric(&plaza, "plaza_files_collected_total"), 0, "nothing is removed");
    assert_eq!(bucket.objects().len(), 3, "the original and its two variants");

    bucket.answer(Answers::Well);
    eventually("everything is removed", || (metric(&plaza, PENDING) == 0).then_some(()));
    assert_eq!(metric(&plaza, RETRYING), 0, "nothing waits");
    assert_eq!(metric(&plaza, "plaza_files_collected_total"), 3, "they are removed");
    assert_eq!(bucket.objects().len(), 0, "they are gone");
    plaza.stop();
}
