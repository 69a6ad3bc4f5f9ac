//! Cleans up the store: removes files whose rows are gone.

use std::time::Duration;

use super::job::{Job, JobContext, Queue};
use super::outcome::{Failure, Outcome};
use crate::models::event::Event;
use crate::models::job_payload::RemoveFiles;

/// How long a job may take: less time than another node waits before it takes the job over.
const PATIENCE: Duration = Duration::from_secs(50);

impl Job for RemoveFiles {
    /// The removal is retried until the store succeeds.
    const ATTEMPTS: i32 = i32::MAX;
    const QUEUE: Queue = Queue::Removals;

    /// Remove the files, unless they have rows again. If they were public, also write the event that they are gone.
    async fn run(self, context: &JobContext) -> Outcome {
        let removed = tokio::time::timeout(PATIENCE, context.media.remove_files(&self.keys)).await;
        let Ok(removed) = removed else { return Err(Failure::Transient("the store is too slow".into())) };
        removed.map_err(|error| Failure::Transient(error.to_string()))?;
        if self.were_public {
            // A file that is made again in the meantime is purged from caches needlessly, which does no harm.
            context.db.transaction(move |conn| Ok(Event::of_deleted_files(conn, &self.keys)?)).await?;
        }
        Ok(())
    }
}
