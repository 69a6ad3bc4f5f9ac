//! The last step of every job that sends a mail.

use super::{Letter, Mailer};
use crate::events::outcome::{Failure, Outcome};

/// Send a letter. The server's error determines whether another attempt may succeed.
pub(in crate::events) async fn deliver(mailer: &Mailer, letter: &Letter) -> Outcome {
    mailer.send(letter).await.map_err(|error| {
        if error.is_permanent() {
            Failure::Permanent(error.to_string())
        } else {
            Failure::Transient(error.to_string())
        }
    })
}
