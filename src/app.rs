//! Assembles the parts of a node. `plaza serve` and the tests both start here.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::{Compress, from_fn};
use actix_web::rt::task::JoinHandle;
use actix_web::web::{self, Data};
use actix_web::{App as ActixApp, HttpServer};
use futures_util::future::join_all;
use tokio::sync::watch;
use url::Url;
use utoipa_actix_web::AppExt;

use crate::api::body::BodyLimits;
use crate::api::client::TrustedProxies;
use crate::api::document::Operations;
use crate::api::events::stream::Streams;
use crate::api::idempotency::Idempotency;
use crate::api::media::ServesMedia;
use crate::api::posts::rules::Rules;
use crate::api::reference::Documents;
use crate::api::service::Readiness;
use crate::api::urls::Urls;
use crate::api::webhooks::AllowsPrivate;
use crate::api::{self, frame, gate, pages, reference, renamed};
use crate::auth::Guards;
use crate::auth::keys::Keys;
use crate::auth::mail_tokens::MailTokens;
use crate::auth::passwords::Passwords;
use crate::auth::secret::Secret;
use crate::auth::session_cache::{CachedSessions, SessionCache};
use crate::auth::sessions::Sessions;
use crate::auth::throttle::Throttle;
use crate::auth::tokens::{AccessTokens, OpaqueTokens};
use crate::config::Config;
use crate::config::time::to_time_delta;
use crate::db::Db;
use crate::db::listener::{Listener, Notice};
use crate::error::{Error, Result};
use crate::events::accounts::AccountMails;
use crate::events::administrators::AdministratorMails;
use crate::events::dispatcher::Dispatcher;
use crate::events::housekeeping::Housekeeping;
use crate::events::mail::{MailSettings, Mailer};
use crate::events::publisher::Publisher;
use crate::events::webhooks::client::Client;
use crate::events::webhooks::signature::Secrets;
use crate::events::webhooks::worker::WebhookWorker;
use crate::events::{JobSignals, Means};
use crate::lookups::cursor::Cursors;
use crate::media::Media;
use crate::media::spool::UploadSpool;
use crate::media::store::Store;
use crate::media::variants::PictureKinds;
use crate::metrics::Metrics;
use crate::models::event::Event;
use crate::peers;

/// The parts of one node. Clones share them.
#[derive(Clone)]
pub struct App {
    config: Arc<Config>,
    db: Data<Db>,
    access: Data<AccessTokens>,
    sessions: Data<Sessions>,
    guards: Data<Guards>,
    idempotency: Data<Idempotency>,
    media: Data<Media>,
    cursors: Data<Cursors>,
    urls: Data<Urls>,
    operations: Data<Operations>,
    documents: Data<Documents>,
    readiness: Data<Readiness>,
    means: Arc<Means>,
    streams: Data<Streams>,
    webhook_secrets: Data<Secrets>,
    /// Notified of new jobs.
    signals: Arc<JobSignals>,
    metrics: Data<Metrics>,
    spools: Data<UploadSpool>,
}

/// The tasks that run in the background until they are told to stop.
pub struct Background {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Finish the jobs that have started, for at most this long. Another node does the rest, or this one after its next start.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        // The panic hook has logged a task that panicked; a job that is not finished in time keeps its lease.
        drop(tokio::time::timeout(patience, join_all(self.tasks)).await);
    }
}

impl App {
    /// Create the parts for a migrated database. Blocks: it reads the signing keys, and generates the first one.
    pub fn new(config: Config, database_url: &str, secret: &Secret) -> Result<Self> {
        let accounts = &config.accounts;
        let public_url = config.public_url.as_str().trim_end_matches('/').to_owned();
        let metrics = Metrics::default();
        let pool = config.database_pool();
        let db = Data::new(Db::counting(
            database_url,
            pool,
            config.statement_timeout,
            config.timing.pool_wait,
            &metrics,
        ));
        let lifetime = to_time_delta(accounts.access_lifetime);
        let keys = Arc::new(db.transaction_blocking(|conn| Keys::load_or_make(conn, secret, lifetime))?);
        let access = Data::new(AccessTokens::new(Arc::clone(&keys), public_url.clone(), lifetime));
        let (memory, signals) = (Arc::new(CachedSessions::default()), Arc::new(JobSignals::default()));
        let streams = Data::new(Streams::new(config.events.streams_per_user as usize, &config.timing));
        let notice_handlers =
            notice_handlers(Arc::clone(&memory), keys, db.clone(), Arc::clone(&signals), streams.clone());
        let listener =
            Listener::start(database_url, config.timing.clone(), notice_handlers).map_err(Error::internal)?;
        let (media, kinds) = media(&config, &db, &metrics)?;
        let mail_tokens = Data::new(MailTokens::new(secret, accounts));
        let urls = Urls::new(&public_url, config.pictures.media_url.as_ref().map(Url::as_str), kinds);
        let webhook_secrets = Secrets::new(secret);
        let courier = courier(&config, &db, &urls, &webhook_secrets);
        let means = means(&config, &db, &media, &mail_tokens, &urls, courier)?;
        let guards = Guards {
            passwords: Data::new(passwords(&config, &metrics)?),
            throttle: Data::new(Throttle::new(secret, accounts, metrics.throttled.clone())),
            mail_tokens: mail_tokens.clone(),
            callers: Data::new(SessionCache::new(access.clone(), db.clone(), memory, listener)),
        };
        Ok(Self {
            sessions: Data::new(Sessions::new(
                access.clone(),
                OpaqueTokens::new(secret, "refresh tokens"),
                accounts,
            )),
            access,
            guards: Data::new(guards),
            idempotency: Data::new(Idempotency::new(secret, accounts)),
            media,
            cursors: Data::new(Cursors::new(&secret.derive("cursors"))),
            urls: Data::new(urls),
            operations: Data::new(Operations::new()),
            documents: Data::default(),
            readiness: Data::new(Readiness::default()),
            means: Arc::new(means),
            streams,
            webhook_secrets: Data::new(webhook_secrets),
            signals,
            db,
            metrics: Data::new(metrics),
            spools: Data::new(UploadSpool::new(
                config.data_dir.clone(),
                config.pictures.uploads_at_once,
                config.timing.picture_wait,
            )),
            config: Arc::new(config),
        })
    }

    /// Return the readiness of the node. Stopping it makes `/readyz` answer 503, for load balancers.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Return the database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Return the metrics of this node.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Return the threads that hash and check passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.guards.passwords
    }

    /// Return the streams of events on this node.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Return the lookup of callers by their tokens.
    pub fn callers(&self) -> &SessionCache {
        &self.guards.callers
    }

    /// Return the sessions, so that tests can open them without HTTP.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Return the task that purges expired data.
    pub fn housekeeping(&self) -> Housekeeping {
        Housekeeping {
            db: self.db.clone(),
            access_lifetime: to_time_delta(self.config.accounts.access_lifetime),
            known_network: to_time_delta(self.config.accounts.known_network),
            upload_lease: self.config.pictures.upload_lease,
            events_kept: to_time_delta(self.config.events.events_kept),
            interval: self.config.timing.purge_interval,
        }
    }

    /// Start the tasks that publish events, process the outbox and purge, on the thread of the caller's actix system.
    pub fn work(&self) -> Background {
        let (stop, stopped) = watch::channel(false);
        let timing = &self.config.timing;
        let dispatcher = Dispatcher::new(
            Arc::clone(&self.signals),
            &self.means,
            self.metrics.as_ref().clone(),
            timing.clone(),
        );
        let publisher = Publisher {
            db: self.db.clone(),
            subscriptions: dispatcher.subscriptions(),
            metrics: self.metrics.as_ref().clone(),
            timing: timing.clone(),
        };
        let (signals, stop_publishing) = (Arc::clone(&self.signals), stopped.clone());
        let tasks = vec![
            actix_web::rt::spawn(async move { publisher.run(&signals.publisher, stop_publishing).await }),
            actix_web::rt::spawn(dispatcher.run(stopped.clone())),
            actix_web::rt::spawn(self.housekeeping().run(stopped)),
        ];
        Background { stop, tasks }
    }

    /// Answer requests on `api`, and those of operators on `ops`. Both servers end when they are told to, after they have answered
    /// the requests that they started.
    pub fn serve(&self, api: TcpListener, ops: TcpListener) -> io::Result<(Server, Server)> {
        peers::set_backlog(&api)?;
        peers::set_user_timeout(&api, self.config.peer_patience)?;
        let app = self.clone();
        let public = HttpServer::new(move || {
            ActixApp::new()
                .into_utoipa_app()
                .configure(api::routes)
                .into_app()
                .configure(reference::routes)
                .configure(pages::routes)
                .configure(|config| app.parts(config))
                .default_service(web::route().to(gate::no_route))
                // The last middleware is the outermost.
                .wrap(from_fn(renamed::follow_former_slugs))
                .wrap(from_fn(gate::gate))
                .wrap(from_fn(frame::contain_panics))
                .wrap(Compress::default())
                .wrap(cors(&app.config.cors_origins))
                .wrap(from_fn(frame::frame))
        })
        .workers(self.config.workers())
        // A client that hangs up is gone, even in the middle of a stream. With half-closed connections, that would show only when
        // there is something to send.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(30)
        .listen(api)?
        .run();
        let app = self.clone();
        let operators = HttpServer::new(move || {
            ActixApp::new()
                .configure(|config| app.parts(config))
                .service(api::service::get_liveness)
                .service(api::service::get_readiness)
                .service(api::metrics::get_metrics)
                .default_service(web::route().to(gate::no_route))
                .wrap(from_fn(frame::frame))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(ops)?
        .run();
        Ok((public, operators))
    }

    fn parts(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(self.db.clone())
            .app_data(self.guards.passwords.clone())
            .app_data(self.access.clone())
            .app_data(self.sessions.clone())
            .app_data(self.guards.callers.clone())
            .app_data(self.guards.throttle.clone())
            .app_data(self.guards.mail_tokens.clone())
            .app_data(self.idempotency.clone())
            .app_data(self.guards.clone())
            .app_data(Data::new(self.config.accounts.clone()))
            .app_data(self.media.clone())
            .app_data(self.metrics.clone())
            .app_data(Data::new(ServesMedia(self.config.pictures.serve_media.is_on())))
            .app_data(self.spools.clone())
            .app_data(self.streams.clone())
            .app_data(self.webhook_secrets.clone())
            .app_data(Data::new(AllowsPrivate(self.config.events.webhook_private.is_on())))
            .app_data(self.cursors.clone())
            .app_data(self.urls.clone())
            .app_data(self.operations.clone())
            .app_data(self.documents.clone())
            .app_data(self.readiness.clone())
            .app_data(Data::new(Rules::new(&self.config.posts)))
            .app_data(Data::new(BodyLimits::new(self.config.body_grace)))
            .app_data(Data::new(TrustedProxies(self.config.trusted_proxies.clone())));
    }
}

/// Open the store of pictures, and read the kinds of pictures from the settings. Blocks: it creates the folders that are written
/// to.
fn media(config: &Config, db: &Data<Db>, metrics: &Metrics) -> Result<(Data<Media>, Arc<PictureKinds>)> {
    let kinds = Arc::new(config.pictures.kinds().map_err(Error::internal)?);
    std::fs::create_dir_all(&config.data_dir).map_err(Error::internal)?;
    let store =
        Store::open(&config.store, &config.aws, metrics.store_requests.clone()).map_err(Error::internal)?;
    let media = Media::new(config, store, db.clone(), Arc::clone(&kinds), metrics.clone())?;
    Ok((Data::new(media), kinds))
}

/// Start the threads that hash and check passwords.
fn passwords(config: &Config, metrics: &Metrics) -> Result<Passwords> {
    let threads = config.argon2_threads();
    let load = metrics.workers("passwords", threads);
    Passwords::counting(threads, config.argon2(), config.work_priority, load)
}

/// Return the handler of this node's notices. It runs on the listener's thread.
fn notice_handlers(
    memory: Arc<CachedSessions>,
    keys: Arc<Keys>,
    db: Data<Db>,
    signals: Arc<JobSignals>,
    streams: Data<Streams>,
) -> impl FnMut(&[Notice]) + Send + 'static {
    let (mut is_stale, mut is_behind) = (false, false);
    move |notices| {
        let is_new = notices.contains(&Notice::Connected);
        if is_stale || is_new || notices.contains(&Notice::Keys) {
            let read = db.transaction_blocking(|conn| keys.reload(conn));
            is_stale = read.is_err();
            if let Err(error) = read {
                tracing::warn!(cause = %error, "the signing keys could not be read again");
            }
        }
        // Only after the keys are reloaded: otherwise, a token of a removed key could be cached in between.
        memory.apply(notices);
        if is_new || notices.contains(&Notice::Jobs) {
            signals.all();
        }
        if is_new || notices.contains(&Notice::Written) {
            signals.publisher.notify_one();
        }
        // Find out what was published while no notices were received. If that cannot be read now, the next heartbeat tries again.
        is_behind |= is_new;
        let missed = is_behind.then(|| last_position(&db)).flatten();
        is_behind &= missed.is_none();
        let positions = notices.iter().filter_map(|notices| match notices {
            Notice::Published(position) => Some(*position),
            _ => None,
        });
        if let Some(position) = positions.chain(missed).max() {
            streams.go_on_to(position);
        }
    }
}

fn last_position(db: &Db) -> Option<i64> {
    let read = db.transaction_blocking(|conn| Ok(Event::last_position(conn)?));
    read.inspect_err(|error| tracing::warn!(cause = %error, "the last event's position could not be read"))
        .ok()
}

/// Create the services that receivers of jobs work with.
fn means(
    config: &Config,
    db: &Data<Db>,
    media: &Data<Media>,
    tokens: &Data<MailTokens>,
    urls: &Urls,
    courier: WebhookWorker,
) -> Result<Means> {
    let mailer = Mailer::open(&mail_settings(config)?).map_err(Error::internal)?;
    let app_url = config.accounts.app_url.as_ref();
    let pages = app_url.unwrap_or(&config.public_url).as_str().trim_end_matches('/').to_owned();
    // Without a page that shows the post, link to the post itself.
    let (urls, app_url) = (urls.clone(), app_url.map(|_| pages.clone()));
    Ok(Means {
        db: db.clone(),
        mails: Arc::new(AccountMails {
            db: db.clone(),
            tokens: tokens.clone(),
            mailer: mailer.clone(),
            app_url: pages,
        }),
        administrators: Arc::new(AdministratorMails {
            db: db.clone(),
            mailer,
            administrators: config.events.admins().to_vec(),
            link: Box::new(move |slug| match &app_url {
                Some(pages) => format!("{pages}/posts/{slug}"),
                None => urls.post(slug),
            }),
        }),
        courier: Arc::new(courier),
        media: media.clone(),
    })
}

/// Create the worker that calls webhooks, and define what it sends.
fn courier(config: &Config, db: &Data<Db>, urls: &Urls, secrets: &Secrets) -> WebhookWorker {
    let urls = urls.clone();
    WebhookWorker {
        db: db.clone(),
        client: Client::new(config.events.webhook_private.is_on(), config.timing.delivery_deadline),
        secrets: secrets.clone(),
        show: Box::new(move |full| {
            serde_json::to_vec(&api::events::Event::of(full, &urls)).map_err(Error::internal)
        }),
        patience: to_time_delta(config.events.webhook_patience),
    }
}

/// Return how mails are sent, as the settings say.
pub fn mail_settings(config: &Config) -> Result<MailSettings> {
    Ok(MailSettings {
        smtp_url: config.accounts.smtp_url().map_err(Error::internal)?,
        from: config.accounts.mail_from.clone(),
        folder: config.data_dir.join("mail"),
        deadline: config.timing.mail_deadline,
    })
}

/// Allow requests from browsers of the listed origins. Tokens travel in a header, so no cookies are involved.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("last-event-id"),
            header::HeaderName::from_static("x-request-id"),
        ])
        .expose_headers(["etag", "location", "link", "retry-after", "x-request-id", "idempotency-replayed"])
        .max_age(3600);
    origins.iter().fold(cors, |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin().send_wildcard(),
        origin => cors.allowed_origin(origin),
    })
}
