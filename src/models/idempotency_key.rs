//! Stored responses for clients that repeat a request with the same idempotency key.

use chrono::TimeDelta;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Interval, Text, Timestamptz};

use super::delete_some;
use crate::schema::idempotency_keys;

/// What identifies a repeated request: the caller, the route and the key.
#[derive(Clone, Debug)]
pub struct Name {
    /// The user's id; 0 if the request is anonymous.
    pub caller: i64,
    /// Method and path.
    pub route: String,
    /// The key that the client chose.
    pub key: String,
}

/// A stored response.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = idempotency_keys, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct KeptAnswer {
    pub digest: Vec<u8>,
    pub status: i16,
    pub version: Option<i64>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Name {
    /// Reserve this name until the transaction ends. Return `false` if another transaction has reserved it.
    pub fn try_lock(&self, conn: &mut PgConnection) -> QueryResult<bool> {
        #[derive(QueryableByName)]
        struct LockResult {
            #[diesel(sql_type = Bool)]
            locked: bool,
        }
        // Advisory locks belong to a database, so the schema is part of the name.
        let LockResult { locked } = diesel::sql_query(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\x01', current_schema(), $1, $2, $3), 0)) AS locked",
        )
        .bind::<BigInt, _>(self.caller)
        .bind::<Text, _>(&self.route)
        .bind::<Text, _>(&self.key)
        .get_result(conn)?;
        Ok(locked)
    }

    /// Return the response that is stored under this name, unless it has expired.
    pub fn find(&self, conn: &mut PgConnection) -> QueryResult<Option<KeptAnswer>> {
        idempotency_keys::table
            .find((self.caller, &self.route, &self.key))
            .filter(idempotency_keys::expires_at.gt(now))
            .select(KeptAnswer::as_select())
            .first(conn)
            .optional()
    }

    /// Store a response that shows data of `owner`, and of the users in `about`. It replaces an expired response under this name.
    pub fn keep(
        &self,
        conn: &mut PgConnection,
        answer: &KeptAnswer,
        owner: i64,
        about: &[i64],
        lifetime: TimeDelta,
    ) -> QueryResult<()> {
        diesel::delete(idempotency_keys::table.find((self.caller, &self.route, &self.key))).execute(conn)?;
        diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::caller.eq(self.caller),
                idempotency_keys::route.eq(&self.route),
                idempotency_keys::key.eq(&self.key),
                idempotency_keys::owner_id.eq(owner),
                idempotency_keys::about.eq(about),
                idempotency_keys::digest.eq(&answer.digest),
                idempotency_keys::status.eq(answer.status),
                idempotency_keys::version.eq(answer.version),
                idempotency_keys::location.eq(&answer.location),
                idempotency_keys::body.eq(&answer.body),
                idempotency_keys::expires_at
                    .eq(diesel::dsl::sql::<Timestamptz>("now() + ").bind::<Interval, _>(lifetime)),
            ))
            .execute(conn)
            .map(drop)
    }
}

/// Delete up to `most` expired responses, and return their number.
pub fn purge(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
    delete_some!(conn, "idempotency_keys", "expires_at <= now()", most)
}
