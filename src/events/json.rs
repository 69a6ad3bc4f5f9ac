//! The JSON of an event, as every client receives it: in the list, in the stream and by a webhook.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::models::event::{self, FullEvent};
use crate::time::timestamp;
use crate::urls::Urls;

/// A record of a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Id, which grows from event to event. Send it as `Last-Event-ID` to continue the stream after this event.
    pub id: i64,
    /// Type of the event: the type of the resource, and what happened to it.
    #[serde(rename = "type")]
    #[schema(examples("post.updated"))]
    pub kind: String,
    /// When the event was written.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Username of the user whose request made the change. `null` if no user's request made it, or if the user has been deleted.
    #[schema(required, examples("ana"))]
    pub actor: Option<String>,
    /// The resource that changed.
    pub resource: EventResource,
    /// Names of the fields that changed. Empty if the resource was created or deleted.
    #[schema(examples("title"))]
    pub changed: Vec<String>,
    /// The resource as it was then, without private fields. `null` once its user has been deleted.
    #[schema(required, value_type = Option<Object>, example = json!({ "slug": "ada", "title": "Ada" }))]
    pub data: Option<Value>,
}

/// The resource that an event is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventResource {
    /// Type of the resource.
    #[serde(rename = "type")]
    #[schema(examples("post"))]
    pub kind: String,
    /// Id of the resource; for a profile and an avatar, the id of their user. `null` if the resource has no id.
    #[schema(required)]
    pub id: Option<i64>,
    /// URL of the resource, even after its deletion. `null` if it has no URL, or if the URL would reveal a user who has been
    /// deleted.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
}

impl Event {
    /// Represent an event as every client receives it: in the list, in the stream and by a webhook.
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

/// Replace the keys by which the database names files with URLs.
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
