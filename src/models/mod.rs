//! The tables: one module per table, with its rows, its values and its queries.
//!
//! These modules do not depend on HTTP. Every function takes `&mut PgConnection` first and returns diesel's `QueryResult`. The
//! caller owns the transaction.

pub mod account_token;
pub mod choices;
pub mod comment;
pub mod event;
pub mod file;
pub mod idempotency_key;
pub mod job;
pub mod job_payload;
pub mod label;
pub mod names;
pub mod numbered;
pub mod picture;
pub mod post;
pub mod post_deletion;
pub mod post_label;
pub mod post_slug;
pub mod profile;
pub mod resources;
pub mod session;
pub mod signing_key;
pub mod throttle;
pub mod user;
pub mod webhook;

use diesel::Selectable;
use diesel::pg::Pg;

use crate::lookups::table::Reader;

/// The viewer of a resource, which decides which rows a query may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A caller without a token.
    Anonymous,
    /// The user with this id.
    Member(i64),
    /// The user with this id, who may administer everything.
    Staff(i64),
}

impl Viewer {
    /// Return the user's id, unless the viewer is anonymous.
    pub fn id(self) -> Option<i64> {
        match self {
            Self::Anonymous => None,
            Self::Member(id) | Self::Staff(id) => Some(id),
        }
    }

    /// Return this viewer as a reader of lists. `username` resolves `me` in a request.
    pub fn reader(self, username: &str) -> Reader {
        Reader { user: self.id().map(|id| (id, username.to_owned())), is_staff: self.is_staff() }
    }

    /// Whether the viewer may see everything.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Staff(_))
    }
}

/// The columns of a row that is a tuple within a tuple, for which diesel's `as_select` does not work.
fn columns<R: Selectable<Pg>>() -> R::SelectExpression {
    R::construct_selection()
}

/// Declares a value that SQL computes for a row of a table, such as the number of rows in another table that refer to it. It
/// serves expressions that diesel cannot write, or writes with a `LIMIT` that it binds. The type is still checked against the
/// query, and the prepared statement is reused.
macro_rules! computed {
    ($(#[$doc:meta])* $name:ident, $column:path, $kind:ty, $sql:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, diesel::query_builder::QueryId)]
        pub struct $name;

        impl diesel::Expression for $name {
            type SqlType = $kind;
        }

        impl<G> diesel::expression::ValidGrouping<G> for $name {
            type IsAggregate = diesel::expression::is_aggregate::No;
        }

        impl<Q> diesel::AppearsOnTable<Q> for $name where $column: diesel::AppearsOnTable<Q> {}

        impl<Q> diesel::SelectableExpression<Q> for $name where $column: diesel::SelectableExpression<Q> {}

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }
    };
}
pub(crate) use computed;

/// Deletes up to `$most` rows of a table that match a condition in SQL, with parameters from `$2` on, and returns their number.
/// Rows that another transaction has locked are left for the next run, so nodes that purge concurrently share the work.
macro_rules! delete_some {
    ($conn:expr, $table:literal, $condition:literal, $most:expr $(, $value:expr => $kind:ty)*) => {
        diesel::sql_query(concat!(
            "DELETE FROM ", $table, " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", $table, " WHERE ", $condition,
            " LIMIT $1 FOR UPDATE SKIP LOCKED))"
        ))
        .bind::<diesel::sql_types::BigInt, _>($most)
        $(.bind::<$kind, _>($value))*
        .execute($conn)
    };
}
pub(crate) use delete_some;
