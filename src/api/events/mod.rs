//! Events: records of changes, for programs that follow them.

pub mod stream;
pub mod streams;

use actix_web::get;

use super::conditional::ListResponse;
use super::document::Refusals;
use super::list::List;
use super::page::{Page, Paged};
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::events::json::Event;
use crate::lookups::table::Resource;
use crate::models::event::{self};
use crate::models::resources::EVENTS;

/// A page of events.
pub type EventPage = Page<Event>;

impl Paged for Event {
    const PAGE: &'static str = "EventPage";
    const RESOURCE: &'static Resource = &EVENTS;
}

/// List events.
///
/// For users who are logged in. Staff see all events. Other users see the events of their own posts, of the comments on them, and
/// of their own comments. Latest first by default; `ordering=id` returns the events in the order in which they happened. Events
/// are kept for 30 days.
#[utoipa::path(
    operation_id = "listEvents", tag = "events", security(("bearer" = [])), params(List<Event>),
    responses((status = 200, description = "A page of events", body = EventPage), Refusals)
)]
#[get("/events")]
pub async fn list_events(app: AppState, _user: CurrentUser, list: List<Event>) -> Result<ListResponse> {
    let slice = list.read(&app.db, |conn, selection| Ok(event::Event::page(conn, selection)?)).await?;
    list.answer(slice, |full| Event::of(full, &app.urls))
}
