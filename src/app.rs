//! Puts the parts together. `plaza serve` and the tests both start here.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App as ActixApp, HttpServer};
use utoipa_actix_web::AppExt;

use crate::api::auth::Issuer;
use crate::api::body::BodyLimits;
use crate::api::client::TrustedProxies;
use crate::api::document::Operations;
use crate::api::reference::Documents;
use crate::api::service::Readiness;
use crate::api::urls::Urls;
use crate::api::{self, frame, gate, reference, renamed};
use crate::auth::keys::Keys;
use crate::auth::passwords::Passwords;
use crate::auth::secret::Secret;
use crate::auth::tokens::{AccessTokens, RefreshTokens};
use crate::config::{Config, cores};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::lookups::cursor::Cursors;
use crate::media::Media;
use crate::media::store::Store;

/// The parts of one node. Clones share them.
#[derive(Clone)]
pub struct App {
    config: Arc<Config>,
    db: Data<Db>,
    passwords: Data<Passwords>,
    access: Data<AccessTokens>,
    issuer: Data<Issuer>,
    media: Data<Media>,
    cursors: Data<Cursors>,
    urls: Data<Urls>,
    operations: Data<Operations>,
    documents: Data<Documents>,
    readiness: Data<Readiness>,
}

impl App {
    /// Make the parts for a migrated database. Blocks: it reads the signing keys, and makes the first one.
    pub fn new(config: Config, database_url: &str, secret: &Secret) -> Result<Self> {
        let public_url = config.public_url.as_str().trim_end_matches('/').to_owned();
        let db = Db::new(database_url, config.database_pool(), config.statement_timeout);
        let keys = db.transaction_blocking(|conn| Keys::load_or_make(conn, secret))?;
        let access = Data::new(AccessTokens::new(keys, public_url.clone()));
        let store = Store::open(&config.store).map_err(Error::internal)?;
        Ok(Self {
            passwords: Data::new(Passwords::start(cores())?),
            issuer: Data::new(Issuer {
                access: access.clone(),
                refresh: Data::new(RefreshTokens::new(secret)),
            }),
            access,
            media: Data::new(Media::new(store, config.media_memory, cores())?),
            cursors: Data::new(Cursors::new(&secret.derive("cursors"))),
            urls: Data::new(Urls::new(&public_url)),
            operations: Data::new(Operations::new()),
            documents: Data::new(Documents::new()),
            readiness: Data::new(Readiness::default()),
            db: Data::new(db),
            config: Arc::new(config),
        })
    }

    /// Stops accepting, for load balancers: `/readyz` answers 503.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The passwords' threads.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Opens sessions without HTTP, for tests.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Answer requests on `api`, and operators' on `ops`. Both end when they are told to, having answered what they began.
    pub fn serve(&self, api: TcpListener, ops: TcpListener) -> io::Result<(Server, Server)> {
        let app = self.clone();
        let public = HttpServer::new(move || {
            ActixApp::new()
                .into_utoipa_app()
                .configure(api::routes)
                .into_app()
                .configure(reference::routes)
                .configure(|config| app.parts(config))
                .default_service(web::route().to(gate::no_route))
                // The last one is the outermost.
                .wrap(from_fn(renamed::follow_former_slugs))
                .wrap(from_fn(gate::gate))
                .wrap(from_fn(frame::contain_panics))
                .wrap(Compress::default())
                .wrap(cors(&app.config.cors_origins))
                .wrap(from_fn(frame::frame))
        })
        .workers(self.config.workers())
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
            .app_data(self.passwords.clone())
            .app_data(self.access.clone())
            .app_data(self.issuer.clone())
            .app_data(self.media.clone())
            .app_data(self.cursors.clone())
            .app_data(self.urls.clone())
            .app_data(self.operations.clone())
            .app_data(self.documents.clone())
            .app_data(self.readiness.clone())
            .app_data(Data::new(BodyLimits::new(self.config.body_grace)))
            .app_data(Data::new(TrustedProxies(self.config.trusted_proxies.clone())));
    }
}

/// Browsers of the listed origins may call; tokens travel in a header, so no cookies are involved.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("x-request-id"),
        ])
        .expose_headers(["etag", "location", "link", "retry-after", "x-request-id", "idempotency-replayed"])
        .max_age(3600);
    origins.iter().fold(cors, |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin().send_wildcard(),
        origin => cors.allowed_origin(origin),
    })
}
