//! Tables: one file per table, with its rows, its values and its queries.
//!
//! Nothing here knows of HTTP. Every function takes `&mut PgConnection` first and gives diesel's `QueryResult` back; the
//! caller owns the transaction.

pub mod account_token;
pub mod choices;
pub mod idempotency_key;
pub mod job;
pub mod names;
pub mod picture;
pub mod post;
pub mod post_slug;
pub mod profile;
pub mod session;
pub mod signing_key;
pub mod throttle;
pub mod user;

/// Who looks: decides which rows a query may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Without a token.
    Anonymous,
    /// The user of this id.
    Member(i64),
    /// A user who may administer everything, of this id.
    Staff(i64),
}

impl Viewer {
    /// The user's id, unless anonymous.
    pub fn id(self) -> Option<i64> {
        match self {
            Self::Anonymous => None,
            Self::Member(id) | Self::Staff(id) => Some(id),
        }
    }

    /// Whether everything may be seen.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Staff(_))
    }
}
