//! The mails about accounts: to confirm an address, to set a new password, and to notify a user of changes.

use super::job::{Job, JobContext, Queue};
use super::mail::delivery::deliver;
use super::mail::letters;
use super::outcome::{Outcome, unreadable};
use crate::error::Error;
use crate::models::account_token::{AccountToken, TokenPurpose};
use crate::models::job_payload::{AccountNotice, SendAccountNotice, SendToken, SendTokenIfKnown};
use crate::models::names::Email;
use crate::models::user::User;

/// The page of the application that confirms an address.
pub const CONFIRM_PAGE: &str = "confirm-email";
/// The page of the application that sets a password.
pub const RESET_PAGE: &str = "reset-password";

/// Maximum number of attempts at a mail. They take about nine hours.
pub(super) const MAIL_ATTEMPTS: i32 = 20;

impl Job for SendTokenIfKnown {
    const ATTEMPTS: i32 = MAIL_ATTEMPTS;
    const QUEUE: Queue = Queue::Mails;

    /// Have a token sent to the user who has the address. If no user has it, send nothing. An address that is confirmed already
    /// needs no token that confirms it.
    async fn run(self, context: &JobContext) -> Outcome {
        let email = Email::parse(&self.email).ok_or_else(|| unreadable(&"no address"))?;
        let (tokens, purpose) = (context.mail_tokens.clone(), self.purpose);
        let sent = context.db.transaction(move |conn| {
            // The user is locked, so that no token is made that a concurrent change has just made void.
            let Some(user) = User::lock_by_email(conn, &email)? else { return Ok(()) };
            if purpose == TokenPurpose::ConfirmAddress && user.email_verified_at.is_some() {
                return Ok(());
            }
            // Use the address as its owner wrote it: another spelling that folds to the same text may belong to another person.
            let own = Email::parse(&user.email);
            let own = own.ok_or_else(|| Error::internal("a user's stored e-mail address is not valid"))?;
            tokens.send(conn, user.id, purpose, &own)
        });
        Ok(sent.await?)
    }
}

impl Job for SendToken {
    const ATTEMPTS: i32 = MAIL_ATTEMPTS;
    const QUEUE: Queue = Queue::Mails;

    /// Mail the token, unless it has become void or has expired in the meantime.
    async fn run(self, context: &JobContext) -> Outcome {
        let Self { purpose, token } = self;
        let found = context.db.run(move |conn| Ok(AccountToken::find(conn, token, purpose)?)).await?;
        let Some(found) = found else { return Ok(()) };
        let token = context.mail_tokens.token(found.id, purpose)?;
        let (username, lifetime) = (&found.user.username, context.mail_tokens.lifetime(purpose));
        let lifetime = lifetime.to_std().map_err(|error| unreadable(&error))?;
        // Tokens are base64url, so nothing needs escaping.
        let link = |page: &str| format!("{}/{page}?token={token}", context.pages);
        let letter = match purpose {
            TokenPurpose::ResetPassword => letters::reset_password(username, &link(RESET_PAGE), lifetime),
            TokenPurpose::ConfirmAddress if found.email_key == found.user.email_key => {
                letters::confirm_address(username, &link(CONFIRM_PAGE), lifetime)
            }
            TokenPurpose::ConfirmAddress => {
                letters::confirm_new_address(username, &link(CONFIRM_PAGE), lifetime)
            }
        };
        deliver(&context.mailer, &letter.to(&found.email)).await
    }
}

impl Job for SendAccountNotice {
    const ATTEMPTS: i32 = MAIL_ATTEMPTS;
    const QUEUE: Queue = Queue::Mails;

    async fn run(self, context: &JobContext) -> Outcome {
        let write = match self.what {
            AccountNotice::AddressChangeRequested => letters::address_change_requested,
            AccountNotice::AddressChanged => letters::address_changed,
            AccountNotice::PasswordChanged => letters::password_changed,
        };
        deliver(&context.mailer, &write(&self.username).to(&self.to)).await
    }
}
