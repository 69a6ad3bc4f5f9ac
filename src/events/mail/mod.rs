//! Mail: the letters ([`letters`]), and how they are sent: over SMTP or, without a server, as files for a developer to read.

pub mod delivery;
mod error;
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

pub use self::error::{MailError, Step};
pub use self::letters::Letter;

/// How mail is sent.
#[derive(Clone)]
pub struct MailSettings {
    /// `smtp://user:password@host:port?tls=required`, or `smtps://…`. With `None`, mails become files.
    pub smtp_url: Option<String>,
    /// The sender: a mailbox such as `Plaza <plaza@localhost>`.
    pub from: String,
    /// The folder of the files if there is no SMTP server. Created for the first mail if it is missing.
    pub folder: PathBuf,
    /// Timeout of one mail over SMTP.
    pub deadline: Duration,
}

/// Sends letters. It can be shared, and holds no connection while nothing is sent.
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

impl Mailer {
    /// Create a mailer. This connects to nothing and creates no folder yet. Fails if a setting cannot be used.
    pub fn open(settings: &MailSettings) -> Result<Self, MailError> {
        let from = message::sender(&settings.from)?;
        let way = match &settings.smtp_url {
            Some(url) => Way::Smtp(Smtp::from_url(url, settings.deadline)?),
            None => Way::Files(Files::new(&settings.folder)),
        };
        Ok(Self { from, way })
    }

    /// Send one mail; over SMTP, within the deadline. When this returns, the server has accepted the mail, or the file exists.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        match &self.way {
            Way::Smtp(smtp) => smtp.send(&message(&self.from, letter, Encoding::QuotedPrintable)?).await,
            Way::Files(files) => {
                let path = files.write(&message(&self.from, letter, Encoding::EightBit)?.formatted())?;
                tracing::info!(file = %path.display(), "no SMTP server is set, so a mail was written to a file");
                Ok(())
            }
        }
    }

    /// Check whether mail could be sent, and say so in a few words, for `plaza check`. Sends nothing: logs in to the server, or
    /// writes and removes a small file.
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
