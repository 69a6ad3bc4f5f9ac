//! What operators, load balancers and other services ask: is it alive, is it ready, which keys does it sign with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header;
use actix_web::web::{Data, Json};
use actix_web::{CustomizeResponder, Responder, get};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use super::conditional::Listed;
use super::document::Refusals;
use crate::auth::callers::Callers;
use crate::auth::keys::Jwks;
use crate::auth::tokens::AccessTokens;
use crate::db::Db;
use crate::error::{Code, Error, Result};

/// Whether this node wants requests.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    is_stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on `/readyz` answers 503, so that load balancers look elsewhere.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(examples("ok"))]
    pub status: String,
}

impl Health {
    fn ok() -> Json<Self> {
        Json(Self { status: "ok".into() })
    }
}

/// Tell whether the program runs.
///
/// For restarts by a supervisor. It asks nothing else, so it answers while the database is away.
#[utoipa::path(
    get, path = "/livez", operation_id = "getLiveness", tag = "service", security(()),
    responses((status = 200, description = "It runs", body = Health), Refusals)
)]
#[get("/livez")]
pub async fn get_liveness() -> Json<Health> {
    Health::ok()
}

/// Tell whether this node wants requests.
///
/// For load balancers: 503 while the database does not answer, and from the moment that the node is told to stop.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "service", security(()),
    responses((status = 200, description = "It wants requests", body = Health), Refusals)
)]
#[get("/readyz")]
pub async fn get_readiness(readiness: Data<Readiness>, db: Data<Db>) -> Result<Json<Health>> {
    if readiness.is_stopping.load(Ordering::Acquire) {
        return Err(Error::unavailable(Code::ShuttingDown, 1));
    }
    db.ping().await?;
    Ok(Health::ok())
}

/// Read the public keys of access tokens (RFC 7517).
///
/// For services that check our tokens themselves.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "getJwks", tag = "service", security(()),
    responses((status = 200, description = "The keys", body = Jwks), Refusals)
)]
#[get("/.well-known/jwks.json")]
pub async fn get_jwks(
    tokens: Data<AccessTokens>,
    callers: Data<Callers>,
) -> Result<CustomizeResponder<Listed>> {
    // While the database is away, those of before are better than none.
    if let Err(error) = callers.know_keys().await {
        error.log("the signing keys could not be read again");
    }
    let jwks = Listed::new(&tokens.keys().ring().jwks(Utc::now()), Vec::new())?;
    Ok(jwks.customize().insert_header((header::CACHE_CONTROL, "public, max-age=300")))
}
