//! The payloads of jobs, one type for each kind.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::account_token::TokenPurpose;
use super::job::{JobKind, Payload};
use super::user::User;

/// Mail a token to the user who has an address, if there is one.
#[derive(Debug, Deserialize, Serialize)]
pub struct SendTokenIfKnown {
    /// What the token is for.
    pub purpose: TokenPurpose,
    /// The address, as the client wrote it.
    pub email: String,
}

/// Mail the token of a row of `account_tokens`.
#[derive(Debug, Deserialize, Serialize)]
pub struct SendToken {
    /// What the token is for.
    pub purpose: TokenPurpose,
    /// The id of the row.
    pub token: i64,
}

/// Mail a notice to a user.
#[derive(Debug, Deserialize, Serialize)]
pub struct SendAccountNotice {
    /// What the user is notified of.
    pub what: AccountNotice,
    /// The address.
    pub to: String,
    /// The user's name.
    pub username: String,
}

/// What a user is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountNotice {
    /// A new address was requested. It takes effect once it is confirmed.
    AddressChangeRequested,
    /// A new address has taken effect.
    AddressChanged,
    /// The password was changed.
    PasswordChanged,
}

impl AccountNotice {
    /// Notify `user` at the address in the row, once the transaction is committed.
    pub fn send(self, conn: &mut PgConnection, user: &User) -> QueryResult<()> {
        let (to, username) = (user.email.clone(), user.username.clone());
        SendAccountNotice { what: self, to, username }.enqueue(conn, Some(user.id))
    }
}

/// Make a digest of new posts for each administrator.
#[derive(Debug, Deserialize, Serialize)]
pub struct DigestPosts {
    /// The ids of the events of the posts.
    pub events: Vec<i64>,
}

/// Mail a digest of new posts to an administrator.
#[derive(Debug, Deserialize, Serialize)]
pub struct SendDigest {
    /// The administrator's address.
    pub to: String,
    /// The ids of the events of the posts.
    pub events: Vec<i64>,
}

/// Make one attempt at a delivery to a webhook.
#[derive(Debug, Deserialize, Serialize)]
pub struct CallWebhook {
    /// The id of the delivery.
    pub delivery: i64,
}

/// Remove files from the store.
#[derive(Debug, Deserialize, Serialize)]
pub struct RemoveFiles {
    /// The keys of the files.
    pub keys: Vec<String>,
    /// Whether the files were publicly available, so that clients or caches may have kept copies.
    #[serde(default)]
    pub were_public: bool,
}

macro_rules! payloads {
    ($($name:ident),* $(,)?) => {
        $(impl Payload for $name {
            const KIND: JobKind = JobKind::$name;
        })*
    };
}

payloads! {
    SendTokenIfKnown,
    SendToken,
    SendAccountNotice,
    DigestPosts,
    SendDigest,
    CallWebhook,
    RemoveFiles,
}
