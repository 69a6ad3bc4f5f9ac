//! The two servers of a node: that of the API, and that of operators.

use std::io;
use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use utoipa_actix_web::AppExt;

use crate::api::state::AppState;
use crate::api::{self, frame, gate, pages, reference, renamed};
use crate::config::Config;
use crate::tcp;

/// Answer requests of clients on `listener`.
pub(super) fn serve_api(listener: TcpListener, state: &AppState, config: &Config) -> io::Result<Server> {
    tcp::set_backlog(&listener)?;
    tcp::set_user_timeout(&listener, config.peer_patience)?;
    let (state, origins) = (state.clone(), config.cors_origins.clone());
    let server = HttpServer::new(move || {
        App::new()
            .into_utoipa_app()
            .configure(api::routes)
            .into_app()
            .configure(reference::routes)
            .configure(pages::routes)
            .app_data(state.clone())
            .default_service(web::route().to(gate::no_route))
            // The last middleware is the outermost.
            .wrap(from_fn(renamed::follow_former_slugs))
            .wrap(from_fn(gate::gate))
            .wrap(from_fn(frame::contain_panics))
            .wrap(Compress::default())
            .wrap(cors(&origins))
            .wrap(from_fn(frame::frame))
    });
    let server = server
        .workers(config.workers())
        // A client that hangs up is gone, even in the middle of a stream. With half-closed connections, that would show only when
        // there is something to send.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(30)
        .listen(listener)?;
    Ok(server.run())
}

/// Answer requests of operators on `listener`.
pub(super) fn serve_operators(listener: TcpListener, state: &AppState) -> io::Result<Server> {
    let state = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .service(api::service::get_liveness)
            .service(api::service::get_readiness)
            .service(api::metrics::get_metrics)
            .default_service(web::route().to(gate::no_route))
            .wrap(from_fn(frame::frame))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
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
