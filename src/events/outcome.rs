//! What becomes of a job.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Done, or why not.
pub type Outcome = Result<(), Failure>;

/// Why a job is not done. The text goes to the log and into the table, so it names no address and no token.
#[derive(Debug)]
pub enum Failure {
    /// It may work later.
    Passing(String),
    /// It never will.
    Lasting(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Passing(error.to_string())
    }
}

/// The payload of a job.
pub(super) fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Failure> {
    serde_json::from_value(payload).map_err(|error| unreadable(&error))
}

/// A job, or what it is about, that no version of this program wrote.
pub(super) fn unreadable(cause: &impl ToString) -> Failure {
    Failure::Lasting(format!("the payload cannot be read: {}", cause.to_string()))
}
