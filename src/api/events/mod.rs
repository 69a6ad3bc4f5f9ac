//! Events: what has changed, for programs that want to know.

pub mod stream;

use actix_web::get;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::conditional::Listed;
use super::document::Refusals;
use super::list::List;
use super::page::{Page, Paged};
use super::timestamp;
use super::urls::Urls;
use crate::auth::CurrentUser;
use crate::db::Db;
use crate::error::Result;
use crate::lookups::table::Resource;
use crate::models::event::{self, FullEvent};
use crate::models::resources::EVENTS;

/// Something that has changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Grows from event to event. `Last-Event-ID` of the stream takes it.
    pub id: i64,
    /// The resource and what became of it.
    #[serde(rename = "type")]
    #[schema(examples("post.updated"))]
    pub kind: String,
    /// When it was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whose request it was. `null` where it was none, or of a user who has gone.
    #[schema(required, examples("ana"))]
    pub actor: Option<String>,
    /// What has changed.
    pub resource: EventResource,
    /// The members that are others now; of what is new or gone, none.
    #[schema(examples("title"))]
    pub changed: Vec<String>,
    /// What it was like then, without members that are not for everybody. `null` once its user has gone.
    #[schema(required, value_type = Option<Object>, example = json!({ "slug": "ada", "title": "Ada" }))]
    pub data: Option<Value>,
}

/// What an event is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventResource {
    /// Its kind.
    #[serde(rename = "type")]
    #[schema(examples("post"))]
    pub kind: String,
    /// Its `id`; a profile's and an avatar's is their user's. `null` for what has none.
    #[schema(required)]
    pub id: Option<i64>,
    /// Where it is, or was. `null` where there is no such place, or where it would tell of a user who has gone.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
}

/// A page of them.
pub type EventPage = Page<Event>;

impl Paged for Event {
    const PAGE: &'static str = "EventPage";
    const RESOURCE: &'static Resource = &EVENTS;
}

impl Event {
    /// As every client gets it: from the list, from the stream, by a webhook.
    pub fn of(full: &FullEvent, urls: &Urls) -> Self {
        let row = &full.event;
        Self {
            id: row.id,
            kind: row.kind.clone(),
            created_at: timestamp(row.created_at),
            actor: full.actor.clone(),
            resource: EventResource {
                kind: row.resource_type.clone(),
                id: row.resource_id,
                url: url_of(row, urls),
            },
            changed: row.changed.clone(),
            data: row.data.clone().map(|data| with_urls(data, urls)),
        }
    }
}

fn url_of(row: &event::Event, urls: &Urls) -> Option<String> {
    let key = row.resource_key.as_deref();
    match row.resource_type.as_str() {
        "user" => key.map(|key| urls.user(key)),
        "profile" => key.map(|key| urls.profile(key)),
        "avatar" => key.map(|key| format!("{}/avatar", urls.profile(key))),
        "post" => key.map(|key| urls.post(key)),
        "label" => key.map(|key| urls.label(key)),
        "comment" => row.resource_id.map(|id| urls.comment(id)),
        "webhook" => row.resource_id.map(|id| urls.webhook(id)),
        _ => None,
    }
}

/// The database knows files by their keys.
fn with_urls(data: Value, urls: &Urls) -> Value {
    let Value::Object(members) = data else { return data };
    let url = |key: Value| key.as_str().map_or(Value::Null, |key| json!(urls.media(key)));
    let shown = members.into_iter().map(|(name, value)| match (name.as_str(), value) {
        ("file", key) => ("avatar_url".to_owned(), url(key)),
        ("files", Value::Array(keys)) => ("urls".to_owned(), keys.into_iter().map(url).collect()),
        (_, value) => (name, value),
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

/// List events.
///
/// The last one first; `ordering=id` for the order in which they happened. Staff see all, others those on their own posts, on comments
/// there and on their own comments. They are kept for 30 days.
#[utoipa::path(
    operation_id = "listEvents", tag = "events", security(("bearer" = [])), params(List<Event>),
    responses((status = 200, description = "A page of events", body = EventPage), Refusals)
)]
#[get("/events")]
pub async fn list_events(
    _user: CurrentUser,
    list: List<Event>,
    db: Data<Db>,
    urls: Data<Urls>,
) -> Result<Listed> {
    let slice = list.read(&db, |conn, selection| Ok(event::Event::page(conn, selection)?)).await?;
    list.answer(slice, |full| Event::of(full, &urls))
}
