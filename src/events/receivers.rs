//! The single list of receivers, and which jobs they run.

use std::sync::Arc;

use actix_web::web::Data;

use super::accounts::AccountMails;
use super::administrators::AdministratorMails;
use super::cleanup;
use super::receiver::{QUEUES, Queue, Receiver};
use super::webhooks::worker::WebhookWorker;
use crate::db::Db;
use crate::media::Media;
use crate::models::job::{JobKind, Order};
use crate::timing::Timing;

/// What the receivers need for their work.
pub struct Means {
    /// The database that holds jobs and events.
    pub db: Data<Db>,
    /// Sends mails to users.
    pub mails: Arc<AccountMails>,
    /// Sends mails to the administrators.
    pub administrators: Arc<AdministratorMails>,
    /// Calls webhooks.
    pub courier: Arc<WebhookWorker>,
    /// The store of the files.
    pub media: Data<Media>,
}

/// Return the receivers, in their lanes. Twenty attempts at a mail take about nine hours, thirty attempts at a delivery about
/// twenty. The removal of files is retried until the store succeeds.
pub(super) fn lanes(means: &Means, timing: &Timing) -> [Queue; QUEUES] {
    let (wanted, token, notice) =
        (Arc::clone(&means.mails), Arc::clone(&means.mails), Arc::clone(&means.mails));
    let (posted, told) = (Arc::clone(&means.administrators), Arc::clone(&means.administrators));
    let (db, media) = (means.db.clone(), means.media.clone());
    let types: &[&str] = if posted.administrators.is_empty() { &[] } else { &["post.created"] };
    let mails = vec![
        Receiver::new(JobKind::WantToken, 20, move |payload| Arc::clone(&wanted).want(payload)),
        Receiver::new(JobKind::SendToken, 20, move |payload| Arc::clone(&token).send_token(payload)),
        Receiver::new(JobKind::AccountNotice, 20, move |payload| Arc::clone(&notice).send_notice(payload)),
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
        Queue { receivers: mails, order: Order::OldestFirst, workers: 4 },
        Queue { receivers: deliveries, order: Order::OldestFirst, workers: 16 },
        // A user who deletes ten thousand posts must not make others wait until their one picture is removed.
        Queue { receivers: removals, order: Order::NewestFirst, workers: 2 },
    ]
}
