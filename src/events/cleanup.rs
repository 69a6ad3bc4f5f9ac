//! The clean-up of the store: files whose rows are gone.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Failure, Outcome};
use crate::media::Media;

/// How long a job may take: less than somebody else waits before taking it over.
const PATIENCE: Duration = Duration::from_secs(50);

/// The payload of a job, as the database writes it.
#[derive(Deserialize)]
struct Removal {
    keys: Vec<String>,
}

/// Remove the files that a job names, unless they have rows again.
pub async fn remove_files(media: Media, payload: Value) -> Outcome {
    let Removal { keys } =
        serde_json::from_value(payload).map_err(|error| Failure::Lasting(error.to_string()))?;
    match tokio::time::timeout(PATIENCE, media.remove_files(&keys)).await {
        Ok(removed) => removed.map_err(|error| Failure::Passing(error.to_string())),
        Err(_) => Err(Failure::Passing("the store is too slow".into())),
    }
}
