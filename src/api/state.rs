//! The state of a node, as handlers and middleware use it.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use chrono::TimeDelta;
use diesel::PgConnection;
use ipnet::IpNet;

use super::events::streams::Streams;
use super::limits::BodyLimits;
use super::operations::Operations;
use super::posts::rules::Rules;
use crate::auth::Auth;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::webhooks::signature::Secrets;
use crate::lookups::cursor::Cursors;
use crate::media::Media;
use crate::media::spool::UploadSpool;
use crate::metrics::Metrics;
use crate::urls::Urls;

/// What the requests to a node share.
pub struct State {
    /// The database.
    pub db: Db,
    /// Tokens, sessions, passwords and the throttle.
    pub auth: Auth,
    /// The store of the pictures.
    pub media: Media,
    /// Where uploads are kept while they arrive.
    pub uploads: UploadSpool,
    /// The streams of events.
    pub streams: Arc<Streams>,
    /// The secrets of webhooks.
    pub webhook_secrets: Secrets,
    /// Builds URLs.
    pub urls: Arc<Urls>,
    /// Creates and opens cursors.
    pub cursors: Cursors,
    /// The operations of the OpenAPI document.
    pub operations: Operations,
    /// The optional rules of posts.
    pub rules: Rules,
    /// The limits of request bodies.
    pub body_limits: BodyLimits,
    /// The reverse proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether this program serves the files of the store, or another server does.
    pub serves_media: bool,
    /// Whether webhooks may call addresses that are not public.
    pub allows_private_webhooks: bool,
    /// How recently a user must have logged in to delete the account.
    pub fresh_login: TimeDelta,
    /// The counters of this node.
    pub metrics: Metrics,
    /// Whether `/readyz` answers 503 because the node is about to stop.
    pub is_stopping: AtomicBool,
}

impl State {
    /// Make `/readyz` return 503 from now on, so that load balancers use other nodes.
    pub fn begin_stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Whether the node is about to stop.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// The one extractor of shared state. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<State>);

impl AppState {
    /// Return the state of the node that received this request.
    pub fn of(request: &HttpRequest) -> Result<&Self> {
        request.app_data::<Self>().ok_or_else(|| Error::internal("the server was started without its state"))
    }

    /// Do what [`Db::run`] does. `read` also gets the state, since it runs on another thread.
    pub async fn run<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&State, &mut PgConnection) -> Result<T> + Send + 'static,
    {
        let state = self.clone();
        self.db.run(move |conn| read(&state, conn)).await
    }

    /// Do what [`Db::transaction`] does. `work` also gets the state, since it runs on another thread.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&State, &mut PgConnection) -> Result<T> + Send + 'static,
    {
        let state = self.clone();
        self.db.transaction(move |conn| work(&state, conn)).await
    }
}

impl From<State> for AppState {
    fn from(state: State) -> Self {
        Self(Arc::new(state))
    }
}

impl Deref for AppState {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FromRequest for AppState {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).cloned())
    }
}
