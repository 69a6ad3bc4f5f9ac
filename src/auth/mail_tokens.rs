//! The tokens in the links of mails. They confirm an address, or let a user set a password.

use chrono::TimeDelta;
use diesel::PgConnection;

use super::secret::Secret;
use super::tokens::{OpaqueTokens, Ticket, hash, random_id};
use crate::error::{Code, Error, Result};
use crate::models::account_token::{AccountToken, NewAccountToken, TokenPurpose};
use crate::models::job::Payload;
use crate::models::job_payload::{SendToken, SendTokenIfKnown};
use crate::models::names::Email;

/// How long the tokens of mails are valid.
#[derive(Clone, Copy, Debug)]
pub struct MailTokenLifetimes {
    /// Tokens that confirm an address.
    pub confirmation: TimeDelta,
    /// Tokens that set a password.
    pub reset: TimeDelta,
}

/// Makes and opens the tokens of mails.
#[derive(Clone)]
pub struct MailTokens {
    tokens: OpaqueTokens,
    lifetimes: MailTokenLifetimes,
}

impl MailTokens {
    /// Derive the key for these tokens. It is used for nothing else, and is the same on every node.
    pub fn new(secret: &Secret, lifetimes: MailTokenLifetimes) -> Self {
        Self { tokens: OpaqueTokens::new(secret, "account tokens"), lifetimes }
    }

    /// How long a token is valid.
    pub fn lifetime(&self, purpose: TokenPurpose) -> TimeDelta {
        match purpose {
            TokenPurpose::ConfirmAddress => self.lifetimes.confirmation,
            TokenPurpose::ResetPassword => self.lifetimes.reset,
        }
    }

    /// Have a mail with a token sent to `email` once the transaction is committed. The job knows only the row, and does nothing if
    /// the row is void by then.
    pub fn send(
        &self,
        conn: &mut PgConnection,
        user_id: i64,
        purpose: TokenPurpose,
        email: &Email,
    ) -> Result<()> {
        let id = random_id()?;
        let token_hash = &hash(&self.token(id, purpose)?);
        let lifetime = self.lifetime(purpose);
        NewAccountToken { id, user_id, purpose, email, token_hash, lifetime }.insert(conn)?;
        Ok(SendToken { purpose, token: id }.enqueue(conn, Some(user_id))?)
    }

    /// Have a mail sent to the user who has this address, if there is one. It takes equally long if there is none, because only the
    /// job looks for the user.
    pub fn send_token_if_known(conn: &mut PgConnection, purpose: TokenPurpose, email: &Email) -> Result<()> {
        Ok(SendTokenIfKnown { purpose, email: email.as_str().to_owned() }.enqueue(conn, None)?)
    }

    /// Return the token of a row. It is never stored.
    pub fn token(&self, id: i64, purpose: TokenPurpose) -> Result<String> {
        self.tokens.seal(Ticket { id, generation: mark(purpose) })
    }

    /// Return the row and the user of a token. 422 `token_invalid` if the token was used, has expired, is void or was not made by
    /// this service.
    pub fn find(&self, conn: &mut PgConnection, token: &str, purpose: TokenPurpose) -> Result<AccountToken> {
        let ticket = self.tokens.open(token).filter(|ticket| ticket.generation == mark(purpose));
        let ticket = ticket.ok_or_else(invalid)?;
        AccountToken::find(conn, ticket.id, purpose)?.ok_or_else(invalid)
    }

    /// Use a token up. 422 `token_invalid` if another request was faster.
    pub fn spend(&self, conn: &mut PgConnection, found: &AccountToken, token: &str) -> Result<()> {
        if found.spend(conn, &hash(token))? { Ok(()) } else { Err(invalid()) }
    }
}

/// Return the number that distinguishes the tokens of this purpose from those of the other.
fn mark(purpose: TokenPurpose) -> i64 {
    match purpose {
        TokenPurpose::ConfirmAddress => 0,
        TokenPurpose::ResetPassword => 1,
    }
}

/// 422 for a token that was used, has expired, is void or was not made by this service.
pub fn invalid() -> Error {
    Error::refused(Code::TokenInvalid, Code::TokenInvalid.entry().meaning)
}
