//! The mails of accounts: confirm an address, set a new password, and what a user should know.

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
use crate::models::account_token::{AccountToken, Purpose};
use crate::models::job::{JobKind, NewJob};
use crate::models::names::Email;
use crate::models::user::User;

/// The application's page that confirms an address.
pub const CONFIRM_PAGE: &str = "confirm-email";
/// The application's page that sets a password.
pub const RESET_PAGE: &str = "reset-password";

/// Something that a user should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Another address was given; it counts once it is confirmed.
    AddressChangeRequested,
    /// Another address counts now.
    AddressChanged,
    /// The password is another now.
    PasswordChanged,
}

impl Notice {
    fn as_str(self) -> &'static str {
        match self {
            Self::AddressChangeRequested => "address_change_requested",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// Tell `user` at the address as it is in the row, once the transaction stands.
    pub fn send(self, conn: &mut diesel::PgConnection, user: &User) -> Result<()> {
        let payload = json!({ "what": self.as_str(), "to": user.email, "username": user.username });
        Ok(NewJob { kind: JobKind::Notice, payload, user_id: Some(user.id) }.insert(conn)?)
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

/// Writes them.
pub struct AccountMails {
    /// Where tokens and users are.
    pub db: Data<Db>,
    /// Makes the tokens.
    pub tokens: Data<MailTokens>,
    /// Delivers.
    pub mailer: Mailer,
    /// Where links lead, without a slash at the end.
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
    /// Whoever has the address gets a token; nobody gets nothing. A confirmed address needs none to be confirmed again.
    pub async fn want(self: Arc<Self>, payload: Value) -> Outcome {
        let Wanted { purpose, email } = read(payload)?;
        let purpose = purpose_of(&purpose)?;
        let email = Email::parse(&email).ok_or_else(|| unreadable(&"no address"))?;
        let tokens = self.tokens.clone();
        let sent = self.db.transaction(move |conn| {
            // Locked, so that no token is made for what a change under way has just voided.
            let Some(user) = User::lock_by_email(conn, &email)? else { return Ok(()) };
            if purpose == Purpose::ConfirmAddress && user.email_verified_at.is_some() {
                return Ok(());
            }
            // To the address as its owner wrote it: another spelling that folds to it may be somebody else's.
            let own = Email::parse(&user.email);
            let own = own.ok_or_else(|| Error::internal("a user's stored e-mail address is not valid"))?;
            tokens.send(conn, user.id, purpose, &own)
        });
        Ok(sent.await?)
    }

    /// The token of a row, unless that is void or expired by now.
    pub async fn send_token(self: Arc<Self>, payload: Value) -> Outcome {
        let Token { purpose, token } = read(payload)?;
        let purpose = purpose_of(&purpose)?;
        let found = self.db.run(move |conn| Ok(AccountToken::find(conn, token, purpose)?)).await?;
        let Some(found) = found else { return Ok(()) };
        let token = self.tokens.token(found.id, purpose)?;
        let (username, lifetime) = (&found.user.username, self.tokens.lifetime(purpose));
        let lifetime = lifetime.to_std().map_err(|error| unreadable(&error))?;
        let letter = match purpose {
            Purpose::ResetPassword => {
                letters::reset_password(username, &self.link(RESET_PAGE, &token), lifetime)
            }
            Purpose::ConfirmAddress => {
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

    /// Something that a user should know.
    pub async fn send_notice(self: Arc<Self>, payload: Value) -> Outcome {
        let Told { what, to, username } = read(payload)?;
        let letter = Notice::letter(&what, &to, &username).ok_or_else(|| unreadable(&"no such notice"))?;
        deliver(&self.mailer, &letter).await
    }

    /// Tokens are base64url, so nothing needs escaping.
    fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}?token={token}", self.app_url)
    }
}

fn purpose_of(text: &str) -> Result<Purpose, Failure> {
    [Purpose::ConfirmAddress, Purpose::ResetPassword]
        .into_iter()
        .find(|purpose| purpose.as_str() == text)
        .ok_or_else(|| unreadable(&"no such purpose"))
}
