//! The mails about accounts: to confirm an address, to set a new password, and to notify a user of changes.

use std::sync::Arc;

use actix_web::web::Data;
use serde::Deserialize;
use serde_json::{Value, json};

use super::mail::delivery::deliver;
use super::mail::{Letter, Mailer, letters};
use super::outcome::{Failure, Outcome, read, unreadable};
use crate::auth::mail_tokens::MailTokens;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::account_token::{AccountToken, TokenPurpose};
use crate::models::job::{JobKind, NewJob};
use crate::models::names::Email;
use crate::models::user::User;

/// The page of the application that confirms an address.
pub const CONFIRM_PAGE: &str = "confirm-email";
/// The page of the application that sets a password.
pub const RESET_PAGE: &str = "reset-password";

/// What a user is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountNotice {
    /// A new address was requested. It takes effect once it is confirmed.
    AddressChangeRequested,
    /// A new address has taken effect.
    AddressChanged,
    /// The password was changed.
    PasswordChanged,
}

impl AccountNotice {
    fn as_str(self) -> &'static str {
        match self {
            Self::AddressChangeRequested => "address_change_requested",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// Notify `user` at the address in the row, once the transaction is committed.
    pub fn send(self, conn: &mut diesel::PgConnection, user: &User) -> Result<()> {
        let payload = json!({ "what": self.as_str(), "to": user.email, "username": user.username });
        Ok(NewJob { kind: JobKind::AccountNotice, payload, user_id: Some(user.id) }.insert(conn)?)
    }

    fn letter(what: &str, to: &str, username: &str) -> Option<Letter> {
        let all = [Self::AddressChangeRequested, Self::AddressChanged, Self::PasswordChanged];
        let write = match all.into_iter().find(|notice| notice.as_str() == what)? {
            Self::AddressChangeRequested => letters::address_change_requested,
            Self::AddressChanged => letters::address_changed,
            Self::PasswordChanged => letters::password_changed,
        };
        Some(write(username).to(to))
    }
}

/// Writes and sends these mails.
pub struct AccountMails {
    /// The database that holds tokens and users.
    pub db: Data<Db>,
    /// Creates the tokens.
    pub tokens: Data<MailTokens>,
    /// Delivers the mails.
    pub mailer: Mailer,
    /// The base URL of the links, without a slash at the end.
    pub app_url: String,
}

#[derive(Deserialize)]
struct Wanted {
    purpose: String,
    email: String,
}

#[derive(Deserialize)]
struct Token {
    purpose: String,
    token: i64,
}

#[derive(Deserialize)]
struct Told {
    what: String,
    to: String,
    username: String,
}

impl AccountMails {
    /// Send a token to the user who has the address. If no user has it, send nothing. An address that is confirmed already needs
    /// no token that confirms it.
    pub async fn want(self: Arc<Self>, payload: Value) -> Outcome {
        let Wanted { purpose, email } = read(payload)?;
        let purpose = purpose_of(&purpose)?;
        let email = Email::parse(&email).ok_or_else(|| unreadable(&"no address"))?;
        let tokens = self.tokens.clone();
        let sent = self.db.transaction(move |conn| {
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

    /// Mail the token of a row, unless it has become void or has expired in the meantime.
    pub async fn send_token(self: Arc<Self>, payload: Value) -> Outcome {
        let Token { purpose, token } = read(payload)?;
        let purpose = purpose_of(&purpose)?;
        let found = self.db.run(move |conn| Ok(AccountToken::find(conn, token, purpose)?)).await?;
        let Some(found) = found else { return Ok(()) };
        let token = self.tokens.token(found.id, purpose)?;
        let (username, lifetime) = (&found.user.username, self.tokens.lifetime(purpose));
        let lifetime = lifetime.to_std().map_err(|error| unreadable(&error))?;
        let letter = match purpose {
            TokenPurpose::ResetPassword => {
                letters::reset_password(username, &self.link(RESET_PAGE, &token), lifetime)
            }
            TokenPurpose::ConfirmAddress => {
                let link = self.link(CONFIRM_PAGE, &token);
                if found.email_key == found.user.email_key {
                    letters::confirm_address(username, &link, lifetime)
                } else {
                    letters::confirm_new_address(username, &link, lifetime)
                }
            }
        };
        deliver(&self.mailer, &letter.to(&found.email)).await
    }

    /// Mail a notice to a user.
    pub async fn send_notice(self: Arc<Self>, payload: Value) -> Outcome {
        let Told { what, to, username } = read(payload)?;
        let letter =
            AccountNotice::letter(&what, &to, &username).ok_or_else(|| unreadable(&"no such notice"))?;
        deliver(&self.mailer, &letter).await
    }

    /// Return the link to a page with this token. Tokens are base64url, so nothing needs escaping.
    fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}?token={token}", self.app_url)
    }
}

fn purpose_of(text: &str) -> Result<TokenPurpose, Failure> {
    [TokenPurpose::ConfirmAddress, TokenPurpose::ResetPassword]
        .into_iter()
        .find(|purpose| purpose.as_str() == text)
        .ok_or_else(|| unreadable(&"no such purpose"))
}
