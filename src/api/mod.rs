//! The HTTP API: one file per resource, named in the plural, and the code that the resources share.
//!
//! Handlers write no SQL. They own the transactions, and so decide which changes succeed or fail together. They check a request
//! in a fixed order, so of several errors the client gets the first of 401, 400/413/415, 404, 403, 412, 422, 409.

pub mod body;
pub mod client;
pub mod conditional;
pub mod document;
pub mod frame;
pub mod gate;
pub mod idempotency;
pub mod input;
pub mod limits;
pub mod list;
pub mod operations;
pub mod page;
pub mod pages;
pub mod parameters;
pub mod path;
pub mod query;
pub mod reference;
pub mod renamed;
pub mod state;
pub mod upload;

pub mod auth;
pub mod avatars;
pub mod choices;
pub mod comments;
pub mod events;
pub mod labels;
pub mod media;
pub mod metrics;
pub mod pictures;
pub mod posts;
pub mod profiles;
pub mod service;
pub mod users;
pub mod webhooks;

use std::future::Future;

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::context;
use crate::error::{Error, Result};
use crate::models::post_deletion::DeletionCounts;

/// Register every documented route. Registering a route also adds it to the OpenAPI document.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(scope::scope("/api/v1").configure(accounts).configure(contents).configure(changes))
        .service(media::get_default_avatar)
        .service(media::get_media)
        .service(service::get_jwks)
        .service(service::get_liveness)
        .service(service::get_readiness);
}

/// Register the routes of users, sessions and profiles.
fn accounts(config: &mut ServiceConfig) {
    config
        .service(users::create_user)
        .service(users::list_users)
        .service(users::get_user)
        .service(users::update_user)
        .service(users::delete_user)
        .service(users::password::change_password)
        .service(users::export::export_user)
        .service(users::sessions::revoke_user_sessions)
        .service(auth::login)
        .service(auth::refresh_token)
        .service(auth::logout)
        .service(auth::logout_all)
        .service(auth::sessions::list_sessions)
        .service(auth::sessions::revoke_session)
        .service(auth::mails::request_email_verification)
        .service(auth::mails::confirm_email)
        .service(auth::mails::request_password_reset)
        .service(auth::mails::reset_password)
        .service(profiles::list_profiles)
        .service(profiles::get_profile)
        .service(profiles::update_profile)
        .service(avatars::get_avatar)
        .service(avatars::upload_avatar)
        .service(avatars::delete_avatar);
}

/// Register the routes of posts, labels and comments.
fn contents(config: &mut ServiceConfig) {
    config
        .service(posts::create_post)
        .service(posts::list_posts)
        .service(posts::get_post)
        .service(posts::bulk::bulk_update_posts)
        .service(posts::bulk::bulk_delete_posts)
        .service(posts::update_post)
        .service(posts::delete_post)
        .service(posts::covers::upload_cover)
        .service(posts::covers::delete_cover)
        .service(posts::form::create_post_with_cover)
        .service(posts::labels::list_post_labels)
        .service(posts::labels::add_post_labels)
        .service(posts::labels::replace_post_labels)
        .service(posts::labels::clear_post_labels)
        .service(posts::labels::set_post_label)
        .service(posts::labels::remove_post_label)
        .service(posts::comments::list_post_comments)
        .service(posts::comments::create_post_comment)
        .service(posts::comments::delete_post_comments)
        .service(labels::list_labels)
        .service(labels::create_label)
        .service(labels::get_label)
        .service(labels::update_label)
        .service(labels::delete_label)
        .service(labels::posts::list_label_posts)
        .service(labels::posts::add_label_posts)
        .service(labels::posts::replace_label_posts)
        .service(labels::posts::clear_label_posts)
        .service(comments::list_comments)
        .service(comments::create_comment)
        .service(comments::get_comment)
        .service(comments::update_comment)
        .service(comments::delete_comment)
        .service(choices::list_choices);
}

/// Register the routes of events and webhooks.
fn changes(config: &mut ServiceConfig) {
    config
        .service(events::list_events)
        .service(events::stream::stream_events)
        .service(webhooks::create_webhook)
        .service(webhooks::list_webhooks)
        .service(webhooks::get_webhook)
        .service(webhooks::update_webhook)
        .service(webhooks::delete_webhook)
        .service(webhooks::rotate_webhook_secret)
        .service(webhooks::deliveries::list_deliveries)
        .service(webhooks::deliveries::replay_delivery);
}

/// Run work to completion, even if the client disconnects. actix drops a handler whose connection is reset, and the files that it
/// had announced would stay in the store until their lease ends.
pub async fn run_to_completion<T: 'static>(work: impl Future<Output = Result<T>> + 'static) -> Result<T> {
    context::spawn(work).await.map_err(Error::internal)?
}

/// The number of rows that a deletion removed, in total and by type.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Total number of deleted rows.
    #[schema(minimum = 0, examples(4))]
    pub deleted: i64,
    /// Number of deleted rows by type of resource. Types without deleted rows are left out.
    #[schema(example = json!({ "posts": 1 }))]
    pub by_type: BTreeMap<String, i64>,
}

impl Deleted {
    /// Create the answer from counts by resource. Resources with a count of 0 are left out.
    pub fn new(counts: impl IntoIterator<Item = (&'static str, i64)>) -> Self {
        Self { deleted: 0, by_type: BTreeMap::new() }.and(counts)
    }

    /// Create the answer for deleted posts and the rows that were deleted with them.
    pub fn of(rows: DeletionCounts) -> Self {
        Self::new([
            ("posts", count(rows.posts)),
            ("comments", count(rows.comments)),
            ("post_labels", rows.post_labels),
        ])
    }

    /// Add the counts of other resources.
    #[must_use]
    pub fn and(mut self, counts: impl IntoIterator<Item = (&'static str, i64)>) -> Self {
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        self.by_type.extend(counts.map(|(name, count)| (name.to_owned(), count)));
        Self { deleted: self.by_type.values().sum(), ..self }
    }
}

/// Return a number of rows as the integer that JSON responses contain.
pub fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
