//! No caller can reach private networks through webhooks.

use insta::assert_snapshot;
use serde_json::json;

use super::{Hook, PRIVATE, WEBHOOKS, hurried, publish};
use crate::app::TestApp;
use crate::hooks::{Answer, Receiver};

#[actix_web::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_called() {
    let app = TestApp::new().await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    let url = format!("http://localhost:{}/", receiver.port());
    let made = root.post(WEBHOOKS, json!({ "url": url, "types": ["post.created"] })).await;
    assert_snapshot!(made.status, @"201 Created");
    publish(&root, "Ada").await;
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    let path = format!("{WEBHOOKS}/{}/deliveries", made.at("/id"));
    let delivery = root.get(&path).await.at("/results/0");
    assert_eq!((&delivery["status"], &delivery["response_status"]), (&json!("pending"), &json!(null)));
    assert_eq!(delivery["error"], "the address is private");
    assert_eq!(receiver.connections(), 0, "nobody was called");
}

#[actix_web::test]
async fn an_address_inside_that_was_allowed_once_is_refused_when_it_is_no_more() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::that(Answer::Status(500)));
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let strict = app.beside(&[]);
    // Stop the background work properly. If the node were only dropped, it could still deliver for a moment.
    app.rest().await;
    publish(&strict.staff("root"), "Ada").await;
    let refused = "deliveries WHERE error = 'the address is private'";
    hurried(&strict, "it is refused", || strict.count(refused) == 1).await;
    assert_eq!(receiver.connections(), 0);
    assert_snapshot!(strict.staff("root").patch(&hook.path, json!({ "description": "x" })).await.status, @"200 OK");
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, inside) = (app.staff("root"), Receiver::start());
    let receiver = Receiver::that(Answer::Redirect(inside.url()));
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    publish(&root, "Ada").await;
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    assert_snapshot!(hook.lines(&root).await, @"post.created pending 1 307 answered 307: redirects are not followed");
    assert_eq!((receiver.count(), inside.connections()), (1, 0));
}
