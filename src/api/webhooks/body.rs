//! The bodies of requests about webhooks, and their validation.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::input::{Check, Member};
use crate::error::{Result, Violation};
use crate::events::webhooks::target::{self, UrlFault};
use crate::models::event::TYPES;
use crate::models::webhook::{NewWebhook, WebhookChanges};

/// Maximum number of types of a webhook.
const TYPES_MAX: usize = 50;
/// Maximum number of characters of a description.
const DESCRIPTION_MAX: usize = 256;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// URL to which events are sent: `http` or `https`, and not a private address.
    #[serde(default)]
    #[schema(value_type = String, required, format = "uri", max_length = 2048, examples("https://example.com/hooks"))]
    url: Member<String>,
    /// Purpose of the webhook.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    description: Member<String>,
    /// Types of events to send; `*` stands for all types.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required, min_items = 1, max_items = 50, examples("post.created"))]
    types: Member<Vec<String>>,
}

/// Changes to a webhook. Fields that are left out keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// URL to which events are sent: `http` or `https`, and not a private address.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = "uri", max_length = 2048)]
    url: Member<String>,
    /// Purpose of the webhook.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    description: Member<String>,
    /// Types of events to send; `*` stands for all types.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, min_items = 1, max_items = 50)]
    types: Member<Vec<String>>,
    /// Whether events are sent to the webhook.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    is_active: Member<bool>,
}

impl CreateWebhook {
    /// Validate the new webhook. 422 with every fault.
    pub fn validate(self, allow_private: bool) -> Result<NewWebhook> {
        let mut check = Check::default();
        let url = check.required("url", self.url).and_then(|text| url(&mut check, &text, allow_private));
        let description = check.clearable("description", self.description, DESCRIPTION_MAX).flatten();
        let types = check.required("types", self.types).map(|names| types(&mut check, names));
        check.finish(|| Some(NewWebhook { url: url?, description, types: types? }))
    }
}

impl UpdateWebhook {
    /// Validate the changes. Return them, and whether the webhook is to be active. 422 with every fault.
    pub fn validate(self, allow_private: bool) -> Result<(WebhookChanges, Option<bool>)> {
        let mut check = Check::default();
        let url = check.optional("url", self.url).and_then(|text| url(&mut check, &text, allow_private));
        let description = check.clearable("description", self.description, DESCRIPTION_MAX);
        let types = check.optional("types", self.types).map(|names| types(&mut check, names));
        let is_active = check.optional("is_active", self.is_active);
        check.finish(|| Some((WebhookChanges { url, description, types }, is_active)))
    }
}

fn url(check: &mut Check, text: &str, allow_private: bool) -> Option<String> {
    match target::parse(text.trim(), allow_private) {
        Ok(url) => Some(url.into()),
        Err(fault) => {
            let code = if fault == UrlFault::Private { "private_address" } else { "invalid_url" };
            check.fault(Violation::body("/url", code, format!("`url` {fault}.")));
            None
        }
    }
}

fn types(check: &mut Check, names: Vec<String>) -> Vec<String> {
    if names.is_empty() || names.len() > TYPES_MAX {
        let detail = format!("`types` must have 1 to {TYPES_MAX} items.");
        let params = json!({ "min": 1, "max": TYPES_MAX });
        check.fault(Violation::body("/types", "out_of_range", detail).with(params));
    }
    for (place, name) in names.iter().enumerate().take(TYPES_MAX) {
        if name != "*" && !TYPES.contains(&name.as_str()) {
            let detail = format!("There is no event type `{name}`.");
            let choices: Vec<&str> = TYPES.into_iter().chain(["*"]).collect();
            check.fault(
                Violation::body(format!("/types/{place}"), "not_a_choice", detail)
                    .with(json!({ "choices": choices })),
            );
        }
    }
    let mut once: Vec<String> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}
