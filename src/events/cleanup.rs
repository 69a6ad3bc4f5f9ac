//! Cleans up the store: removes files whose rows are gone.

use std::time::Duration;

use actix_web::web::Data;
use serde::Deserialize;
use serde_json::Value;

use super::outcome::{Failure, Outcome};
use crate::db::Db;
use crate::media::Media;
use crate::models::event::Event;

/// How long a job may take: less time than another node waits before it takes the job over.
const PATIENCE: Duration = Duration::from_secs(50);

/// The payload of a job, as the database writes it.
#[derive(Deserialize)]
struct Removal {
    keys: Vec<String>,
    /// Whether the files were publicly available, so that clients or caches may have kept copies.
    #[serde(default)]
    were_public: bool,
}

/// Remove the files that a job names, unless they have rows again. If they were public, also write the event that they are gone.
pub async fn remove_files(media: Media, db: Data<Db>, payload: Value) -> Outcome {
    let Removal { keys, were_public } =
        serde_json::from_value(payload).map_err(|error| Failure::Permanent(error.to_string()))?;
    let removed = tokio::time::timeout(PATIENCE, media.remove_files(&keys)).await;
    let Ok(removed) = removed else { return Err(Failure::Transient("the store is too slow".into())) };
    removed.map_err(|error| Failure::Transient(error.to_string()))?;
    if were_public {
        // A file that is made again in the meantime is purged from caches needlessly, which does no harm.
        db.transaction(move |conn| Ok(Event::of_deleted_files(conn, &keys)?)).await?;
    }
    Ok(())
}
