//! The enumerations, for forms in clients.

use actix_web::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::conditional::ListResponse;
use super::document::Refusals;
use crate::error::Result;
use crate::media::ACCEPTED;
use crate::models::choices::{CATEGORIES, Choice, RATINGS};

/// Every enumeration of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choices {
    /// Values of a post's `category`.
    pub categories: Vec<TextChoice>,
    /// Values of a post's `rating`.
    pub ratings: Vec<NumberChoice>,
    /// Content types of pictures that can be uploaded.
    pub picture_types: Vec<TextChoice>,
}

/// A value of an enumeration, as text.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextChoice {
    /// Name of the value, for programs.
    #[schema(examples("TECHNOLOGY"))]
    pub name: String,
    /// Value to send in requests.
    #[schema(examples("TEC"))]
    pub value: String,
    /// Human-readable label of the value.
    #[schema(examples("Technology"))]
    pub label: String,
}

/// A value of an enumeration, as a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberChoice {
    /// Name of the value, for programs.
    #[schema(examples("EXCELLENT"))]
    pub name: String,
    /// Value to send in requests.
    #[schema(examples(5))]
    pub value: i16,
    /// Human-readable label of the value.
    #[schema(examples("Excellent"))]
    pub label: String,
}

impl From<&Choice<&'static str>> for TextChoice {
    fn from(choice: &Choice<&'static str>) -> Self {
        Self { name: choice.name.into(), value: choice.value.into(), label: choice.label.into() }
    }
}

impl From<&Choice<i16>> for NumberChoice {
    fn from(choice: &Choice<i16>) -> Self {
        Self { name: choice.name.into(), value: choice.value, label: choice.label.into() }
    }
}

/// List all enumerations.
///
/// Open to all clients. For forms in clients: returns each value with its name for programs and its human-readable label, and the
/// types of pictures that can be uploaded.
#[utoipa::path(
    operation_id = "listChoices", tag = "posts", security((), ("bearer" = [])),
    responses((status = 200, description = "Every enumeration", body = Choices), Refusals)
)]
#[get("/choices")]
pub async fn list_choices() -> Result<ListResponse> {
    let choices = Choices {
        categories: CATEGORIES.iter().map(TextChoice::from).collect(),
        ratings: RATINGS.iter().map(NumberChoice::from).collect(),
        picture_types: ACCEPTED
            .iter()
            .map(|format| TextChoice {
                name: format.name().into(),
                value: format.content_type().into(),
                label: format.name().into(),
            })
            .collect(),
    };
    ListResponse::new(&choices, Vec::new())
}
