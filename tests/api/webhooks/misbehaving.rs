//! Misbehaving receivers next to good ones: no other delivery suffers.

use std::time::Duration;

use insta::assert_snapshot;
use plaza::timing::Timing;

use super::{Hook, PRIVATE, hurried, publish};
use crate::app::{TestApp, timing};
use crate::client::Client;
use crate::hooks::{Answer, Receiver};

/// The number of posts, each of which is an event for all receivers.
const POSTS: usize = 40;

/// Misbehaving receivers, their webhooks, and a good receiver after all of them.
struct Scene {
    app: TestApp,
    root: Client,
    _bad: [Receiver; 7],
    hooks: Vec<Hook>,
    good: Receiver,
    fine: Hook,
}

impl Scene {
    /// A delivery may take as long as `deadline`.
    async fn set(deadline: Duration) -> Self {
        let app = TestApp::timed(Timing { delivery_deadline: deadline, ..timing() }, &PRIVATE).await;
        let root = app.staff("root");
        let good = Receiver::start();
        let bad = [
            Answer::Hang,
            Answer::Trickle,
            Answer::Close,
            Answer::Flood,
            Answer::FloodOfHeaders,
            Answer::Status(500),
            Answer::Redirect(good.url()),
        ]
        .map(Receiver::that);
        // The misbehaving receivers come first in every order.
        let mut hooks = Vec::new();
        for receiver in &bad {
            hooks.push(Hook::to(receiver, &["post.created"], &root).await);
        }
        let fine = Hook::to(&good, &["post.created"], &root).await;
        Self { app, root, _bad: bad, hooks, good, fine }
    }
}

#[actix_web::test]
async fn bad_receivers_hold_up_no_good_one_and_no_request() {
    // Longer than this test, so that the deliveries to the first two do not end.
    let Scene { app, root, good, fine, .. } = &Scene::set(Duration::from_mins(10)).await;
    for number in 0..POSTS {
        publish(root, &format!("Post {number}")).await;
    }
    app.eventually("the good one has all", || good.count() == POSTS).await;
    assert_eq!(app.count("deliveries WHERE attempts > 0 AND webhook_id IN (1, 2)"), 0);
    assert!(good.received().iter().all(|it| it.is_signed_by(&fine.secret)));
}

#[actix_web::test]
async fn every_bad_receiver_is_recorded_as_what_it_is() {
    let Scene { app, root, hooks, .. } = &Scene::set(Duration::from_secs(1)).await;
    publish(root, "Post").await;
    let attempted = |hook: &Hook| {
        let tried = format!("deliveries WHERE webhook_id = {} AND attempts > 0", hook.id);
        app.count(&tried) > 0
    };
    app.eventually("each has been tried", || hooks.iter().all(attempted)).await;
    let last = app.lines(
        "SELECT DISTINCT webhook_id || ' ' || CASE status WHEN 'failed' THEN 'pending' ELSE status END || ' '
             || coalesce(response_status::text, '-') || ' ' || coalesce(split_part(error, ':', 1), '-')
         FROM deliveries WHERE attempts > 0 ORDER BY 1",
    );
    assert_snapshot!(last, @"
    1 pending - timed out
    2 pending - timed out
    3 pending - no answer
    4 delivered 200 -
    5 pending - no answer
    6 pending 500 answered 500
    7 pending 307 answered 307
    8 delivered 204 -
    ");
}

#[actix_web::test]
async fn one_that_recovers_gets_everything() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::that(Answer::Close));
    Hook::to(&receiver, &["post.created"], &root).await;
    for number in 0..10 {
        publish(&root, &format!("Post {number}")).await;
    }
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") > 0).await;
    receiver.forget();
    receiver.answer(Answer::Status(200));
    hurried(&app, "all are delivered", || app.count("deliveries WHERE status <> 'delivered'") == 0).await;
    app.idle().await;
    let mut lines = receiver.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 10, "{lines:?}");
}

#[actix_web::test]
async fn one_that_is_away_is_refused_and_called_again() {
    let app = TestApp::with(&PRIVATE).await;
    let (root, receiver) = (app.staff("root"), Receiver::start());
    let hook = Hook::to(&receiver, &["post.created"], &root).await;
    let (address, _) = receiver.kill();
    publish(&root, "Ada").await;
    app.eventually("it fails", || app.count("jobs WHERE last_error IS NOT NULL") == 1).await;
    assert_snapshot!(hook.lines(&root).await, @"post.created pending 1 - the connection was refused");
    let receiver = Receiver::again(address);
    hurried(&app, "it is delivered", || receiver.count() == 1).await;
    app.idle().await;
    assert_snapshot!(hook.lines(&root).await, @"post.created delivered 2 204 -");
}
