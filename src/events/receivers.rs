//! Who does which jobs: the one list of receivers.

use std::sync::Arc;

use actix_web::web::Data;

use super::accounts::AccountMails;
use super::administrators::AdministratorMails;
use super::cleanup;
use super::receiver::{LANES, Lane, Receiver};
use super::webhooks::courier::Courier;
use crate::db::Db;
use crate::media::Media;
use crate::models::job::{JobKind, Order};
use crate::timing::Timing;

/// What receivers work with.
pub struct Means {
    /// Where jobs and events are.
    pub db: Data<Db>,
    /// Writes to users.
    pub mails: Arc<AccountMails>,
    /// Writes to the administrators.
    pub administrators: Arc<AdministratorMails>,
    /// Calls webhooks.
    pub courier: Arc<Courier>,
    /// Where files are.
    pub media: Data<Media>,
}

/// Who does what. Twenty tries of a mail take about nine hours, thirty of a delivery twenty; files are removed until the store agrees.
pub(super) fn lanes(means: &Means, timing: &Timing) -> [Lane; LANES] {
    let (wanted, token, notice) =
        (Arc::clone(&means.mails), Arc::clone(&means.mails), Arc::clone(&means.mails));
    let (posted, told) = (Arc::clone(&means.administrators), Arc::clone(&means.administrators));
    let (db, media) = (means.db.clone(), means.media.clone());
    let types: &[&str] = if posted.administrators.is_empty() { &[] } else { &["post.created"] };
    let mails = vec![
        Receiver::new(JobKind::WantToken, 20, move |payload| Arc::clone(&wanted).want(payload)),
        Receiver::new(JobKind::SendToken, 20, move |payload| Arc::clone(&token).send_token(payload)),
        Receiver::new(JobKind::Notice, 20, move |payload| Arc::clone(&notice).send_notice(payload)),
        Receiver::new(JobKind::NewPosts, 20, move |payload| Arc::clone(&posted).of_new_posts(payload))
            .on(types, timing.digest_window),
        Receiver::new(JobKind::TellAdministrator, 20, move |payload| Arc::clone(&told).tell(payload)),
    ];
    let removals = vec![Receiver::new(JobKind::RemoveFiles, i32::MAX, move |payload| {
        cleanup::remove_files(media.as_ref().clone(), db.clone(), payload)
    })];
    let courier = Arc::clone(&means.courier);
    let deliveries =
        vec![Receiver::new(JobKind::Deliver, 30, move |payload| Arc::clone(&courier).deliver(payload))];
    [
        Lane { receivers: mails, order: Order::OldestFirst, workers: 4 },
        Lane { receivers: deliveries, order: Order::OldestFirst, workers: 16 },
        // Who deletes ten thousand posts should not make others wait for the end of their one picture.
        Lane { receivers: removals, order: Order::NewestFirst, workers: 2 },
    ]
}
