//! Former slugs: every request for a post under a slug that it once had gets 308 with the current URL.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::conditional::header_value;
use super::state::AppState;
use crate::auth::MaybeUser;
use crate::error::{Code, Result};
use crate::models::names::{SLUG_MAX, Slug};
use crate::models::post::Post;

const POSTS: &str = "/api/v1/posts/";

/// Turn a 404 under a former slug into a 308 to the current one: for any method, with sub-path and query kept, and only for
/// callers who may see the post. Other requests do not pay for it.
pub async fn follow_former_slugs<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let response = next.call(request).await?;
    if response.status() != StatusCode::NOT_FOUND || !is_of_a_post(response.request()) {
        return Ok(response.map_into_left_body());
    }
    match present_url(response.request()).await {
        Ok(Some(url)) => {
            let (request, _) = response.into_parts();
            let mut moved = HttpResponse::PermanentRedirect();
            moved.insert_header((header::LOCATION, header_value(&url)?));
            Ok(ServiceResponse::new(request, moved.finish()).map_into_right_body())
        }
        Ok(None) => Ok(response.map_into_left_body()),
        Err(error) => {
            let (request, _) = response.into_parts();
            Ok(ServiceResponse::new(request, error.to_response()).map_into_right_body())
        }
    }
}

fn is_of_a_post(request: &HttpRequest) -> bool {
    request.match_info().as_str().starts_with(POSTS)
}

async fn present_url(request: &HttpRequest) -> Result<Option<String>> {
    let rest = request.match_info().as_str().strip_prefix(POSTS).unwrap_or_default();
    let former = rest.split('/').next().unwrap_or_default();
    // The sub-path as it was sent, after the five slashes of `/api/v1/posts/{slug}/`. Decoded, it would be another path, or none
    // at all.
    let sub_path = request.uri().path().splitn(6, '/').nth(5);
    let Some(former) = Slug::parse(former, SLUG_MAX) else { return Ok(None) };
    let app = AppState::of(request)?;
    let viewer = MaybeUser::from_request(request, &mut dev::Payload::None).await?.viewer();
    let found = app.db.run(move |conn| Ok(Post::renamed(conn, former.as_str(), viewer)?)).await;
    match found {
        Ok(slug) => {
            let mut url = app.urls.post(&slug);
            if let Some(sub_path) = sub_path {
                url.push('/');
                url.extend(utf8_percent_encode(sub_path, CONTROLS));
            }
            if !request.query_string().is_empty() {
                url.push('?');
                url.extend(utf8_percent_encode(request.query_string(), CONTROLS));
            }
            Ok(Some(url))
        }
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
