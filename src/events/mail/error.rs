//! The reasons why a mail was not sent.

use std::path::PathBuf;
use std::time::Duration;

/// Why a mail was not sent. However the error is printed, it reveals neither the recipient nor the content.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The SMTP URL cannot be used.
    #[error("the SMTP URL is not valid: {0}")]
    Url(&'static str),
    /// The sender is not a mailbox.
    #[error("{0:?} is not a mailbox such as \"Plaza <plaza@localhost>\"")]
    From(String),
    /// Mail cannot be sent to the recipient's address.
    #[error("mail cannot be sent to the recipient's address")]
    Recipient,
    /// The subject contains a line break or another control character.
    #[error("the subject contains control characters")]
    Subject,
    /// The server does not accept addresses beyond ASCII (RFC 6531).
    #[error("the address is not ASCII only, and the SMTP server does not support others (no SMTPUTF8)")]
    Utf8Address,
    /// The server rejected a step of the session.
    #[error("the SMTP server rejected {refused}: {code}{}", status.as_ref().map(|status| format!(" {status}")).unwrap_or_default())]
    Refused {
        /// The step that it rejected.
        refused: Step,
        /// The reply code, such as 550.
        code: u16,
        /// The enhanced status (RFC 3463), such as `5.1.1`, if the server sent one.
        status: Option<String>,
    },
    /// The server closed the connection, or its answer is not SMTP.
    #[error("the SMTP server closed the connection, or its response is not SMTP")]
    Garbled,
    /// The server cannot be reached, or its certificate is not trusted.
    #[error("cannot communicate with the SMTP server: {0}")]
    Connection(String),
    /// The server took too long.
    #[error("the SMTP server took longer than {0:?}")]
    TimedOut(Duration),
    /// The folder cannot be written to.
    #[error("cannot write mail to {folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// A step of an SMTP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Greeting, EHLO, STARTTLS.
    Session,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA and the mail itself.
    Message,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Session => "the session",
            Self::Login => "the user or password",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Message => "the mail",
        })
    }
}

impl MailError {
    /// Whether a retry is useless: this recipient or this mail was rejected for good. What an operator can fix (a wrong password,
    /// a rejected sender, a server that is down) is not permanent.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Recipient | Self::Subject | Self::Utf8Address => true,
            Self::Refused { refused: Step::Recipient | Step::Message, code, .. } => {
                // 503 and 53x ask for a login, whichever command they answer.
                (500..600).contains(code) && !matches!(code, 503 | 530..540)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refused: Step, code: u16) -> MailError {
        MailError::Refused { refused, code, status: None }
    }

    #[test]
    fn only_what_is_wrong_with_this_mail_is_permanent() {
        for permanent in [
            refused(Step::Recipient, 550),
            refused(Step::Recipient, 501),
            refused(Step::Message, 554),
            MailError::Recipient,
            MailError::Subject,
            MailError::Utf8Address,
        ] {
            assert!(permanent.is_permanent(), "{permanent}");
        }
        for transient in [
            refused(Step::Recipient, 450),
            refused(Step::Recipient, 503),
            refused(Step::Recipient, 530),
            refused(Step::Message, 452),
            refused(Step::Session, 554),
            refused(Step::Login, 535),
            refused(Step::Sender, 553),
            MailError::Garbled,
            MailError::Connection(String::new()),
            MailError::TimedOut(Duration::from_secs(15)),
        ] {
            assert!(!transient.is_permanent(), "{transient}");
        }
    }
}
