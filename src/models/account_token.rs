//! Account tokens, from which the links in mails are made.

use chrono::TimeDelta;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Interval, Timestamptz};
use serde::{Deserialize, Serialize};

use super::delete_some;
use super::names::Email;
use super::user::User;
use crate::schema::{account_tokens, users};

/// The purpose for which a token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPurpose {
    /// Shows that mail to an address reaches the user.
    ConfirmAddress,
    /// Lets the user set a password without the current one.
    ResetPassword,
}

impl TokenPurpose {
    /// Return the name that the table uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfirmAddress => "confirm_address",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// A row of `account_tokens` that has not expired, with its user, who is active.
#[derive(Clone, Debug, Queryable)]
pub struct AccountToken {
    /// The value from which the token is derived.
    pub id: i64,
    /// The address to which the mail is sent.
    pub email: String,
    /// The key by which the address is looked up.
    pub email_key: String,
    /// The user to whom the token belongs.
    pub user: User,
}

/// The values for a new token.
#[derive(Debug)]
pub struct NewAccountToken<'a> {
    /// Random, so that no token is ever issued twice.
    pub id: i64,
    /// The user to whom the token belongs.
    pub user_id: i64,
    /// The purpose for which it is valid.
    pub purpose: TokenPurpose,
    /// The address to which the mail is sent.
    pub email: &'a Email,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8],
    /// How long it is valid.
    pub lifetime: TimeDelta,
}

impl NewAccountToken<'_> {
    /// Insert the row.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(account_tokens::table)
            .values((
                account_tokens::id.eq(self.id),
                account_tokens::user_id.eq(self.user_id),
                account_tokens::purpose.eq(self.purpose.as_str()),
                account_tokens::email.eq(self.email.as_str()),
                account_tokens::email_key.eq(self.email.key()),
                account_tokens::token_hash.eq(self.token_hash),
                account_tokens::expires_at
                    .eq(diesel::dsl::sql::<Timestamptz>("now() + ").bind::<Interval, _>(self.lifetime)),
            ))
            .execute(conn)
            .map(drop)
    }
}

impl AccountToken {
    /// Find a token by its id and purpose, unless it has expired or its user is inactive.
    pub fn find(conn: &mut PgConnection, id: i64, purpose: TokenPurpose) -> QueryResult<Option<Self>> {
        account_tokens::table
            .inner_join(users::table)
            .filter(account_tokens::id.eq(id).and(account_tokens::purpose.eq(purpose.as_str())))
            .filter(account_tokens::expires_at.gt(now).and(users::is_active))
            .select((account_tokens::id, account_tokens::email, account_tokens::email_key, User::as_select()))
            .first(conn)
            .optional()
    }

    /// Return the addresses that a user has requested and not confirmed.
    pub fn pending_emails(conn: &mut PgConnection, user: &User) -> QueryResult<Vec<String>> {
        account_tokens::table
            .filter(account_tokens::user_id.eq(user.id).and(account_tokens::email_key.ne(&user.email_key)))
            .filter(account_tokens::expires_at.gt(now))
            .select(account_tokens::email)
            .distinct()
            .load(conn)
    }

    /// Use up the token. Return whether it still existed with this hash. Of concurrent attempts, one succeeds.
    pub fn spend(&self, conn: &mut PgConnection, token_hash: &[u8]) -> QueryResult<bool> {
        let unspent = account_tokens::table
            .find(self.id)
            .filter(account_tokens::token_hash.eq(token_hash).and(account_tokens::expires_at.gt(now)));
        Ok(diesel::delete(unspent).execute(conn)? > 0)
    }

    /// Void the user's requests for another address.
    pub fn void_wishes(conn: &mut PgConnection, user: &User) -> QueryResult<()> {
        let wishes = account_tokens::table
            .filter(account_tokens::user_id.eq(user.id).and(account_tokens::email_key.ne(&user.email_key)));
        diesel::delete(wishes).execute(conn).map(drop)
    }

    /// Delete up to `most` expired tokens, and return their number.
    pub fn purge(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        delete_some!(conn, "account_tokens", "expires_at <= now()", most)
    }
}
