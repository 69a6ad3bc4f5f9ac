//! Assembles the parts of a node. `plaza serve` and the tests both start here.

mod background;
mod notices;
mod options;
mod server;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::dev::Server;
use url::Url;

use crate::api::document;
use crate::api::events::streams::Streams;
use crate::api::limits::BodyLimits;
use crate::api::operations::Operations;
use crate::api::state::{AppState, State};
use crate::auth::Auth;
use crate::auth::idempotency::BodyDigests;
use crate::auth::keys::Keys;
use crate::auth::mail_tokens::MailTokens;
use crate::auth::passwords::Passwords;
use crate::auth::secret::Secret;
use crate::auth::session_cache::{CachedSessions, SessionCache};
use crate::auth::sessions::Sessions;
use crate::auth::throttle::Throttle;
use crate::auth::tokens::AccessTokens;
use crate::config::Config;
use crate::config::time::to_time_delta;
use crate::db::Db;
use crate::db::listener::Listener;
use crate::error::{Error, Result};
use crate::events::dispatcher::Dispatcher;
use crate::events::housekeeping::Housekeeping;
use crate::events::mail::Mailer;
use crate::events::publisher::Publisher;
use crate::events::webhooks::client::Client;
use crate::events::webhooks::signature::Secrets;
use crate::events::{JobContext, JobSignals};
use crate::lookups::cursor::Cursors;
use crate::media::Media;
use crate::media::spool::UploadSpool;
use crate::media::store::Store;
use crate::metrics::Metrics;
use crate::urls::Urls;
use notices::NoticeHandler;

pub use background::Background;
pub use options::mail_settings;

/// A node. Clones share its parts.
#[derive(Clone)]
pub struct App {
    config: Arc<Config>,
    state: AppState,
    jobs: Arc<JobContext>,
    signals: Arc<JobSignals>,
}

impl App {
    /// Create the parts for a migrated database. Blocks: it reads the signing keys, and generates the first one.
    pub fn new(config: Config, database_url: &str, secret: &Secret) -> Result<Self> {
        let metrics = Metrics::default();
        let db = database(&config, database_url, &metrics);
        let signals = Arc::new(JobSignals::default());
        let streams = Arc::new(Streams::new(config.events.streams_per_user as usize, &config.timing));
        let access = access_tokens(&config, secret, &db)?;
        let cache = session_cache(&config, database_url, &db, &access, &signals, &streams)?;
        let auth = auth(&config, secret, access, cache, &metrics)?;
        let media = media(&config, &db, metrics.clone())?;
        let media_url = config.pictures.media_url.as_ref().map(Url::as_str);
        let urls = Arc::new(Urls::new(config.public_url.as_str(), media_url, Arc::clone(media.kinds())));
        let webhook_secrets = Secrets::new(secret);
        let jobs = jobs(&config, &db, &auth.mail_tokens, &media, &urls, &webhook_secrets)?;
        let state = State {
            auth,
            uploads: uploads(&config)?,
            streams,
            webhook_secrets,
            urls,
            cursors: Cursors::new(&secret.derive("cursors")),
            operations: Operations::new(&document::as_value()),
            rules: config.rules(),
            body_limits: BodyLimits::new(config.body_grace),
            trusted_proxies: config.trusted_proxies.clone(),
            serves_media: config.pictures.serve_media.is_on(),
            allows_private_webhooks: config.events.webhook_private.is_on(),
            fresh_login: to_time_delta(config.accounts.fresh_login),
            is_stopping: AtomicBool::default(),
            media,
            db,
            metrics,
        };
        Ok(Self { config: Arc::new(config), state: state.into(), jobs: Arc::new(jobs), signals })
    }

    /// Return what the requests to this node share.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Return the task that purges expired data.
    pub fn housekeeping(&self) -> Housekeeping {
        self.config.housekeeping(self.state.db.clone())
    }

    /// Start the tasks that publish events, process the outbox and purge, on the thread of the caller's actix system.
    pub fn work(&self) -> Background {
        let (signals, metrics, timing) =
            (Arc::clone(&self.signals), self.state.metrics.clone(), self.config.timing.clone());
        let dispatcher =
            Dispatcher::new(Arc::clone(&signals), Arc::clone(&self.jobs), metrics.clone(), timing.clone());
        let subscriptions = dispatcher.subscriptions();
        let publisher = Publisher { db: self.state.db.clone(), subscriptions, metrics, timing };
        Background::new()
            .spawn(|stop| async move { publisher.run(&signals.publisher, stop).await })
            .spawn(|stop| dispatcher.run(stop))
            .spawn(|stop| self.housekeeping().run(stop))
    }

    /// Answer requests on `api`, and those of operators on `ops`. Both servers end when they are told to, after they have answered
    /// the requests that they started.
    pub fn serve(&self, api: TcpListener, ops: TcpListener) -> io::Result<(Server, Server)> {
        let public = server::serve_api(api, &self.state, &self.config)?;
        Ok((public, server::serve_operators(ops, &self.state)?))
    }
}

fn database(config: &Config, url: &str, metrics: &Metrics) -> Db {
    let pool = config.database_pool();
    Db::counting(url, pool, config.statement_timeout, config.timing.pool_wait, metrics)
}

/// Create the lookup of callers, and start to listen for what other nodes change.
fn session_cache(
    config: &Config,
    database_url: &str,
    db: &Db,
    access: &Arc<AccessTokens>,
    signals: &Arc<JobSignals>,
    streams: &Arc<Streams>,
) -> Result<SessionCache> {
    let cache = Arc::new(CachedSessions::default());
    let mut handler = NoticeHandler {
        cache: Arc::clone(&cache),
        access: Arc::clone(access),
        db: db.clone(),
        signals: Arc::clone(signals),
        streams: Arc::clone(streams),
        has_stale_keys: false,
        is_behind: false,
    };
    let handle = move |notices: &[_]| handler.handle(notices);
    let listener = Listener::start(database_url, config.timing.clone(), handle).map_err(Error::internal)?;
    Ok(SessionCache::new(Arc::clone(access), db.clone(), cache, listener))
}

/// Read the signing keys, or generate the first one.
fn access_tokens(config: &Config, secret: &Secret, db: &Db) -> Result<Arc<AccessTokens>> {
    let lifetime = to_time_delta(config.accounts.access_lifetime);
    let keys = Arc::new(db.transaction_blocking(|conn| Keys::load_or_make(conn, secret, lifetime))?);
    let issuer = config.public_url.as_str().trim_end_matches('/').to_owned();
    Ok(Arc::new(AccessTokens::new(keys, issuer, lifetime)))
}

/// Create the parts that identify callers and protect accounts.
fn auth(
    config: &Config,
    secret: &Secret,
    access: Arc<AccessTokens>,
    cache: SessionCache,
    metrics: &Metrics,
) -> Result<Auth> {
    Ok(Auth {
        sessions: Sessions::new(secret, Arc::clone(&access), config.sessions()),
        cache,
        passwords: passwords(config, metrics)?,
        throttle: Throttle::new(secret, &config.throttle(), metrics.throttled.clone()),
        mail_tokens: MailTokens::new(secret, config.mail_tokens()),
        idempotency: BodyDigests::new(secret, to_time_delta(config.accounts.idempotency_lifetime)),
        access,
    })
}

/// Start the threads that hash and check passwords.
fn passwords(config: &Config, metrics: &Metrics) -> Result<Passwords> {
    let threads = config.argon2_threads();
    let load = metrics.workers("passwords", threads);
    Passwords::counting(threads, config.argon2(), config.work_priority, load)
}

/// Open the store of pictures, and read the kinds of pictures from the settings. Blocks: it creates the folder of the store.
pub fn media(config: &Config, db: &Db, metrics: Metrics) -> Result<Media> {
    let kinds = Arc::new(config.pictures.kinds().map_err(Error::internal)?);
    let requests = metrics.store_requests.clone();
    let store = Store::open(&config.store, &config.aws, requests).map_err(Error::internal)?;
    Media::new(config.media(), store, db.clone(), kinds, metrics)
}

/// Create the folder in which uploads are kept while they arrive.
fn uploads(config: &Config) -> Result<UploadSpool> {
    std::fs::create_dir_all(&config.data_dir).map_err(Error::internal)?;
    let (folder, at_once) = (config.data_dir.clone(), config.pictures.uploads_at_once);
    Ok(UploadSpool::new(folder, at_once, config.timing.picture_wait))
}

/// Create what jobs work with.
fn jobs(
    config: &Config,
    db: &Db,
    mail_tokens: &MailTokens,
    media: &Media,
    urls: &Arc<Urls>,
    webhook_secrets: &Secrets,
) -> Result<JobContext> {
    let app_url = config.accounts.app_url.as_ref();
    Ok(JobContext {
        db: db.clone(),
        mailer: Mailer::open(&mail_settings(config)?).map_err(Error::internal)?,
        mail_tokens: mail_tokens.clone(),
        administrators: config.events.admins().to_vec(),
        digest_window: config.timing.digest_window,
        pages: app_url.unwrap_or(&config.public_url).as_str().trim_end_matches('/').to_owned(),
        has_post_pages: app_url.is_some(),
        urls: Arc::clone(urls),
        media: media.clone(),
        webhook_client: Client::new(config.events.webhook_private.is_on(), config.timing.delivery_deadline),
        webhook_secrets: webhook_secrets.clone(),
        webhook_patience: to_time_delta(config.events.webhook_patience),
    })
}
