//! The outcome of a job.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Success, or the reason for the failure.
pub type Outcome = Result<(), Failure>;

/// Why a job failed. The text is logged and stored in the table, so it names no address and no token.
#[derive(Debug)]
pub enum Failure {
    /// The job may succeed later.
    Transient(String),
    /// The job can never succeed.
    Permanent(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Transient(error.to_string())
    }
}

/// Parse the payload of a job.
pub(super) fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Failure> {
    serde_json::from_value(payload).map_err(|error| unreadable(&error))
}

/// Return the failure of a job whose payload this program cannot read. Another attempt would fail in the same way.
pub(super) fn unreadable(cause: &impl ToString) -> Failure {
    Failure::Permanent(format!("the payload cannot be read: {}", cause.to_string()))
}
