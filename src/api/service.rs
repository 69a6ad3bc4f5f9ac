//! What operators, load balancers and other services ask for: whether the node is alive, whether it is ready, and the keys with
//! which it signs.

use actix_web::http::header;
use actix_web::web::Json;
use actix_web::{CustomizeResponder, Responder, get};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use super::conditional::ListResponse;
use super::document::Refusals;
use crate::api::state::AppState;
use crate::auth::keys::Jwks;
use crate::error::{Code, Error, Result};

/// The state of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`; any other state is an error response.
    #[schema(examples("ok"))]
    pub status: String,
}

impl Health {
    fn ok() -> Json<Self> {
        Json(Self { status: "ok".into() })
    }
}

/// Check whether the program runs.
///
/// Open to all clients. Meant for a supervisor that restarts the program. The check depends on nothing else, so it succeeds even
/// while the database is unavailable.
#[utoipa::path(
    get, path = "/livez", operation_id = "getLiveness", tag = "service", security(()),
    responses((status = 200, description = "The program runs", body = Health), Refusals)
)]
#[get("/livez")]
pub async fn get_liveness() -> Json<Health> {
    Health::ok()
}

/// Check whether this node accepts requests.
///
/// Open to all clients. Meant for load balancers. 503 while the database does not answer, and from the moment when the node is
/// told to stop.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "service", security(()),
    responses((status = 200, description = "The node accepts requests", body = Health), Refusals)
)]
#[get("/readyz")]
pub async fn get_readiness(app: AppState) -> Result<Json<Health>> {
    if app.is_stopping() {
        return Err(Error::unavailable(Code::ShuttingDown, 1));
    }
    app.db.ping().await?;
    Ok(Health::ok())
}

/// Read the public keys of access tokens (RFC 7517).
///
/// Open to all clients. Meant for services that verify access tokens themselves.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "getJwks", tag = "service", security(()),
    responses((status = 200, description = "The keys", body = Jwks), Refusals)
)]
#[get("/.well-known/jwks.json")]
pub async fn get_jwks(app: AppState) -> Result<CustomizeResponder<ListResponse>> {
    // While the database is unavailable, the keys that were read before are better than none.
    if let Err(error) = app.auth.cache.ensure_fresh_keys().await {
        error.log("the signing keys could not be reloaded");
    }
    let jwks = ListResponse::new(&app.auth.access.keys().ring().jwks(Utc::now()), Vec::new())?;
    Ok(jwks.customize().insert_header((header::CACHE_CONTROL, "public, max-age=300")))
}
