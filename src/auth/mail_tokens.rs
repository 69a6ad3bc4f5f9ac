//! What the links of mails hold: tokens that confirm an address or let a password be set.

use chrono::TimeDelta;
use diesel::PgConnection;
use serde_json::json;

use super::secret::Secret;
use super::tokens::{OpaqueTokens, Ticket, hash, random_id};
use crate::config::Accounts;
use crate::config::time::to_time_delta;
use crate::error::{Code, Error, Result};
use crate::models::account_token::{AccountToken, NewAccountToken, Purpose};
use crate::models::job::{JobKind, NewJob};
use crate::models::names::Email;

/// Makes and opens them.
#[derive(Clone)]
pub struct MailTokens {
    tokens: OpaqueTokens,
    confirmation: TimeDelta,
    reset: TimeDelta,
}

impl MailTokens {
    /// With a key of their own, the same on every node.
    pub fn new(secret: &Secret, settings: &Accounts) -> Self {
        Self {
            tokens: OpaqueTokens::new(secret, "account tokens"),
            confirmation: to_time_delta(settings.confirmation_lifetime),
            reset: to_time_delta(settings.reset_lifetime),
        }
    }

    /// How long a token is good for.
    pub fn lifetime(&self, purpose: Purpose) -> TimeDelta {
        match purpose {
            Purpose::ConfirmAddress => self.confirmation,
            Purpose::ResetPassword => self.reset,
        }
    }

    /// Have a mail with a token sent to `email` once the transaction stands. The job knows the row only, and does nothing where
    /// that is void by then.
    pub fn send(&self, conn: &mut PgConnection, user_id: i64, purpose: Purpose, email: &Email) -> Result<()> {
        let id = random_id()?;
        let token_hash = &hash(&self.token(id, purpose)?);
        let lifetime = self.lifetime(purpose);
        NewAccountToken { id, user_id, purpose, email, token_hash, lifetime }.insert(conn)?;
        let payload = json!({ "token": id, "purpose": purpose.as_str() });
        NewJob { kind: JobKind::SendToken, payload, user_id: Some(user_id) }.insert(conn)?;
        Ok(())
    }

    /// Have a mail sent to whoever has this address, if anybody has. It takes as long for nobody: the job finds out.
    pub fn want(conn: &mut PgConnection, purpose: Purpose, email: &Email) -> Result<()> {
        let payload = json!({ "purpose": purpose.as_str(), "email": email.as_str() });
        Ok(NewJob { kind: JobKind::WantToken, payload, user_id: None }.insert(conn)?)
    }

    /// The token of a row. It is never kept.
    pub fn token(&self, id: i64, purpose: Purpose) -> Result<String> {
        self.tokens.seal(Ticket { id, generation: mark(purpose) })
    }

    /// Whom a token speaks for. 422 `token_invalid` where it was used, has expired, is void or none of ours.
    pub fn find(&self, conn: &mut PgConnection, token: &str, purpose: Purpose) -> Result<AccountToken> {
        let ticket = self.tokens.open(token).filter(|ticket| ticket.generation == mark(purpose));
        let ticket = ticket.ok_or_else(invalid)?;
        AccountToken::find(conn, ticket.id, purpose)?.ok_or_else(invalid)
    }

    /// Use a token up. 422 `token_invalid` where somebody was faster.
    pub fn spend(&self, conn: &mut PgConnection, found: &AccountToken, token: &str) -> Result<()> {
        if found.spend(conn, &hash(token))? { Ok(()) } else { Err(invalid()) }
    }
}

/// What tells tokens of one purpose from those of another.
fn mark(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::ConfirmAddress => 0,
        Purpose::ResetPassword => 1,
    }
}

/// 422 for a token that was used, has expired, is void or none of ours.
pub fn invalid() -> Error {
    Error::refused(Code::TokenInvalid, Code::TokenInvalid.entry().meaning)
}
