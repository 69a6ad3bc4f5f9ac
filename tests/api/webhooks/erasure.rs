//! Deliveries contain nothing about deleted users, even if they were already pending.

use serde_json::json;

use super::{Hook, PRIVATE, hurried};
use crate::app::TestApp;
use crate::hooks::{Answer, Received, Receiver};

#[actix_web::test]
async fn what_is_not_delivered_yet_is_delivered_without_the_data_of_who_has_gone() {
    let app = TestApp::with(&PRIVATE).await;
    let (ana, bob, root) = (app.member("ana"), app.member("bob"), app.staff("root"));
    let receiver = Receiver::that(Answer::Status(500));
    Hook::to(&receiver, &["*"], &root).await;
    ana.post("/api/v1/posts", json!({ "title": "Hush Opus", "published": true })).await;
    bob.post("/api/v1/posts", json!({ "title": "Bobs Opus", "published": true, "editor": "ana" })).await;
    ana.post("/api/v1/posts/bobs-opus/comments", json!({ "content": "Hush remark", "alias": "Hush alias" }))
        .await;
    ana.patch("/api/v1/profiles/me", json!({ "display_name": "Hush Name" })).await;
    app.eventually("all have been tried", || app.count("deliveries WHERE attempts > 0") >= 4).await;
    ana.delete("/api/v1/users/me").await;
    // A delivery in progress may have read the data before.
    let at_rest = "jobs WHERE kind = 'webhook.deliver' AND attempts > 0 AND last_error IS NULL";
    app.eventually("none is under way", || app.count(at_rest) == 0).await;
    receiver.forget();
    receiver.answer(Answer::Status(204));
    hurried(&app, "all are delivered", || app.count("deliveries WHERE status <> 'delivered'") == 0).await;
    app.idle().await;

    let received = receiver.received();
    let text: String = received.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    for secret in ["Hush", "hush name", "\"ana\""] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let events: Vec<_> = received.iter().map(Received::json).collect();
    let of_her = |kind: &str| events.iter().find(|event| event["type"] == kind && event["data"].is_null());
    for kind in ["post.created", "post.published", "comment.created", "profile.updated", "user.deleted"] {
        assert!(of_her(kind).is_some(), "{kind} in {events:#?}");
    }
    assert!(text.contains("Bobs Opus"), "{text}");
}
