//! Mail: what is written ([`letters`]) and how it leaves, over SMTP or, without a server, as files for a developer's eyes.

mod files;
pub mod letters;
mod message;
mod smtp;

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;

use self::files::Files;
use self::message::{Encoding, message};
use self::smtp::Smtp;

/// How mail leaves.
#[derive(Clone)]
pub struct MailSettings {
    /// `smtp://user:password@host:port?tls=required`, or `smtps://…`; `None` makes files.
    pub smtp_url: Option<String>,
    /// Who writes: a mailbox such as `Plaza <plaza@localhost>`.
    pub from: String,
    /// Where files go when there is no SMTP server. Made with the first mail if it is absent.
    pub folder: PathBuf,
    /// Longest time for one mail over SMTP.
    pub deadline: Duration,
}

/// One mail. It holds an address and, most often, a link that is worth a password: it is never to be logged.
#[derive(Clone)]
pub struct Letter {
    /// The recipient's address, without a name.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The words as plain text.
    pub text: String,
    /// The same words as a page.
    pub html: String,
}

/// Sends letters. Safe to share; it holds no connection while nothing is sent.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(Smtp),
    Files(Files),
}

/// A mail that did not leave. Says neither whom it was for nor what was in it, however it is printed.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The SMTP URL cannot be used.
    #[error("the SMTP URL cannot be used: {0}")]
    Url(&'static str),
    /// The sender is not a mailbox.
    #[error("{0:?} is not a mailbox such as \"Plaza <plaza@localhost>\"")]
    From(String),
    /// The recipient's address cannot be written to.
    #[error("the recipient's address is not one that mail can be sent to")]
    Recipient,
    /// The subject holds a line break or another control character.
    #[error("the subject holds control characters")]
    Subject,
    /// The server does not take addresses beyond ASCII (RFC 6531).
    #[error("the address holds more than ASCII, which the SMTP server does not take (no SMTPUTF8)")]
    Utf8Address,
    /// The server said no.
    #[error("the SMTP server refused {refused}: {code}{}", status.as_ref().map(|status| format!(" {status}")).unwrap_or_default())]
    Refused {
        /// What it refused.
        refused: Step,
        /// The reply code, such as 550.
        code: u16,
        /// The enhanced status (RFC 3463), such as `5.1.1`, if it gave one.
        status: Option<String>,
    },
    /// The server hung up, or its answer is not SMTP.
    #[error("the SMTP server hung up, or its answer is not SMTP")]
    Garbled,
    /// The server cannot be reached, or its certificate is not trusted.
    #[error("cannot talk to the SMTP server: {0}")]
    Connection(String),
    /// The server took too long.
    #[error("the SMTP server took longer than {0:?}")]
    TimedOut(Duration),
    /// The folder cannot be written.
    #[error("cannot write mail to {folder}: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
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
    /// Whether trying again is of no use: this recipient or this mail was refused for good. What an operator can mend
    /// (a wrong password, a refused sender, a server that is away) is not permanent.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Recipient | Self::Subject | Self::Utf8Address => true,
            Self::Refused { refused: Step::Recipient | Step::Message, code, .. } => {
                // 503 and 53x ask for a login, whatever they are the answer to.
                (500..600).contains(code) && !matches!(code, 503 | 530..540)
            }
            _ => false,
        }
    }
}

impl Mailer {
    /// Open the way out. Connects to nothing and makes no folder yet. Fails if a setting cannot be used.
    pub fn open(settings: &MailSettings) -> Result<Self, MailError> {
        let from = message::sender(&settings.from)?;
        let way = match &settings.smtp_url {
            Some(url) => Way::Smtp(Smtp::from_url(url, settings.deadline)?),
            None => Way::Files(Files::new(&settings.folder)),
        };
        Ok(Self { from, way })
    }

    /// Send one mail; over SMTP within the deadline. When it returns, the server has taken the mail, or the file is there.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.send(&message(&self.from, letter, Encoding::QuotedPrintable)?).await,
            Way::Files(files) => {
                let path = files.write(&message(&self.from, letter, Encoding::EightBit)?.formatted())?;
                tracing::info!(file = %path.display(), "no SMTP server is set, so a mail became a file");
                Ok(())
            }
        }
    }

    /// Whether mail could leave, in a few words, for `plaza check`. Sends nothing: logs in to the server, or writes and
    /// removes a small file.
    pub async fn probe(&self) -> Result<String, MailError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.probe().await,
            Way::Files(files) => files.probe(),
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

    #[test]
    fn a_mail_can_be_sent_from_any_thread() {
        fn any_thread<T: Send>(_: T) {}
        fn check(mailer: &Mailer, letter: &Letter) {
            any_thread(mailer.send(letter));
            any_thread(mailer.probe());
        }
        let _ = check;
    }
}
