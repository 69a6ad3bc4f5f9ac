//! Enumerations, for the forms of a client.

use actix_web::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::conditional::Listed;
use super::document::Refusals;
use crate::error::Result;
use crate::media::ACCEPTED;
use crate::models::choices::{CATEGORIES, Choice, RATINGS};

/// Every enumeration of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choices {
    /// Of a post's `category`.
    pub categories: Vec<TextChoice>,
    /// Of a post's `rating`.
    pub ratings: Vec<NumberChoice>,
    /// Content types of pictures that can be uploaded.
    pub picture_types: Vec<TextChoice>,
}

/// One value that is text.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextChoice {
    /// For programs.
    #[schema(examples("TECHNOLOGY"))]
    pub name: String,
    /// What is sent.
    #[schema(examples("TEC"))]
    pub value: String,
    /// For people.
    #[schema(examples("Technology"))]
    pub label: String,
}

/// One value that is a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberChoice {
    /// For programs.
    #[schema(examples("EXCELLENT"))]
    pub name: String,
    /// What is sent.
    #[schema(examples(5))]
    pub value: i16,
    /// For people.
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

/// List every enumeration.
///
/// Each value with its name for programs and its label for people, and the picture types that can be uploaded: for
/// the forms of a client.
#[utoipa::path(
    operation_id = "listChoices", tag = "posts", security((), ("bearer" = [])),
    responses((status = 200, description = "Every enumeration", body = Choices), Refusals)
)]
#[get("/choices")]
pub async fn list_choices() -> Result<Listed> {
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
    Listed::new(&choices, Vec::new())
}
