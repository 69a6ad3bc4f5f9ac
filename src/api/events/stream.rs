//! The stream of events: `text/event-stream`, as the HTML standard defines it.
//!
//! A stream knows the position that it has reached, and reads on from there when events are published, on any node. The latest
//! events are read once for all streams of the node; a stream that is further behind reads by itself. Nothing is buffered for a
//! client that reads slowly: the stream does not write to it, and the system closes its connection.

use std::time::Instant;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::streams::Seat;
use crate::api::document::Refusals;
use crate::api::gate::bearer;
use crate::api::state::AppState;
use crate::auth::CurrentUser;
use crate::error::{Code, Error, Result, Violation};
use crate::events::json::Event;
use crate::models::Viewer;
use crate::models::event::{self, FullEvent};

/// Maximum number of events that a stream reads and writes in one step.
const BATCH: i64 = 100;
/// The header in which an interrupted client says where to continue.
const LAST_EVENT_ID: &str = "last-event-id";

/// One stream.
struct Follower {
    app: AppState,
    token: String,
    after: i64,
    published: watch::Receiver<i64>,
    is_over: watch::Receiver<bool>,
    spoke: Option<Instant>,
    _seat: Seat,
}

impl Follower {
    /// Return what to write next. `None` ends the stream: the token is no longer valid, or the node or its database stops.
    async fn next(&mut self) -> Option<Bytes> {
        if self.spoke.is_none() {
            return Some(self.say(": events follow\nretry: 1000\n\n".to_owned()));
        }
        loop {
            let caller = or_log(self.app.auth.cache.identify(&self.token).await)?;
            let up_to = *self.published.borrow_and_update();
            if *self.is_over.borrow() {
                return None;
            }
            if up_to > self.after {
                let text = or_log(self.read(caller.viewer(), up_to).await)?;
                if !text.is_empty() {
                    return Some(self.say(text));
                }
                continue;
            }
            if self.spoke.is_some_and(|spoke| spoke.elapsed() >= self.app.streams.heartbeat) {
                return Some(self.say(": still here\n\n".to_owned()));
            }
            tokio::select! {
                changed = self.published.changed() => changed.ok()?,
                _ = self.is_over.changed() => return None,
                () = tokio::time::sleep(self.app.streams.token_check) => {}
            }
        }
    }

    /// Advance by one batch at most. Return what the viewer may read of it.
    async fn read(&mut self, viewer: Viewer, up_to: i64) -> Result<String> {
        let tail = self.app.streams.tail(&self.app.db, up_to).await?;
        if self.after >= tail.after {
            let is_new = |full: &&FullEvent| full.event.id > self.after && full.event.is_readable_by(viewer);
            let text = tail.events.iter().filter(is_new).map(|full| self.told(full)).collect();
            self.after = tail.up_to;
            return text;
        }
        let span = (self.after, up_to);
        let read = self.app.db.run(move |conn| Ok(event::Event::between(conn, viewer, span, BATCH)?));
        let events = read.await?;
        let is_all = i64::try_from(events.len()).is_ok_and(|number| number < BATCH);
        let text = events.iter().map(|full| self.told(full)).collect();
        self.after = events.last().filter(|_| !is_all).map_or(up_to, |last| last.event.id);
        text
    }

    fn say(&mut self, text: String) -> Bytes {
        self.spoke = Some(Instant::now());
        text.into()
    }

    /// Format an event. Its JSON contains no line breaks, so its data is one line.
    fn told(&self, full: &FullEvent) -> Result<String> {
        let shown = Event::of(full, &self.app.urls);
        let data = serde_json::to_string(&shown).map_err(Error::internal)?;
        Ok(format!("id: {}\nevent: {}\ndata: {data}\n\n", shown.id, shown.kind))
    }
}

/// Log an error. `None` ends the stream: its response has begun, so the client cannot be told why.
fn or_log<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(|error| error.log("an event stream was interrupted")).ok()
}

/// Return the id of the event after which the client wants to continue.
fn last_event_id(request: &HttpRequest) -> Result<Option<i64>> {
    let Some(value) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|id| *id >= 0);
    id.map(Some).ok_or_else(|| {
        let detail = "`Last-Event-ID` must be the id of an event.";
        Error::violation(
            Code::InvalidHeader,
            Violation::parameter("Last-Event-ID", "invalid_parameter", detail),
        )
    })
}

/// Follow events.
///
/// For users who are logged in. Returns a stream of server-sent events that does not end by itself: the events of `listEvents`
/// that the caller can see, as they happen, each with its id, its type and its JSON. `Last-Event-ID` continues after that event,
/// without a loss; without it, the stream begins with the next event. The stream ends when the access token does, and when a node
/// stops: connect again with a valid token. 429 `too_many_streams` if the user has too many streams.
#[utoipa::path(
    operation_id = "streamEvents", tag = "events", security(("bearer" = [])),
    params(("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "Id of the last event that the client received.")),
    responses(
        (status = 200, description = "The stream of events", body = String, content_type = "text/event-stream"),
        Refusals
    )
)]
#[get("/events/stream")]
pub async fn stream_events(app: AppState, request: HttpRequest, user: CurrentUser) -> Result<HttpResponse> {
    let wished = last_event_id(&request)?;
    let token = bearer(&request)?.unwrap_or_default().to_owned();
    let seat = app.streams.seat(user.id)?;
    let last = app.db.run(|conn| Ok(event::Event::last_position(conn)?)).await?;
    app.streams.go_on_to(last);
    let follower = Follower {
        token,
        after: wished.unwrap_or(last).min(last),
        published: app.streams.published.subscribe(),
        is_over: app.streams.is_over.subscribe(),
        spoke: None,
        app,
        _seat: seat,
    };
    let words = stream::unfold(follower, |mut follower| async move {
        let words = follower.next().await?;
        Some((Ok::<_, actix_web::Error>(words), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Not compressed, since compression waits for more data, and not held back by nginx either.
        .insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("identity")))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(words))
}
