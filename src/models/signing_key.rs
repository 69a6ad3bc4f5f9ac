//! The keys that sign access tokens. The private halves are sealed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::schema::signing_keys;

/// A row of `signing_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys, check_for_backend(diesel::pg::Pg))]
pub struct SigningKey {
    /// Identifies the key in the header of a token.
    pub kid: String,
    /// 32 bytes of Ed25519.
    pub public_key: Vec<u8>,
    /// Nonce, PKCS#8 and tag under AES-256-GCM.
    pub sealed_private_key: Vec<u8>,
    /// When the key was created and published.
    pub created_at: DateTime<Utc>,
    /// The time from which the key may sign. Of the keys that have reached it, the newest signs.
    pub signs_from: DateTime<Utc>,
}

impl SigningKey {
    /// Return all keys. The key that starts to sign last comes first.
    pub fn all(conn: &mut PgConnection) -> QueryResult<Vec<Self>> {
        signing_keys::table
            .order((signing_keys::signs_from.desc(), signing_keys::kid))
            .select(Self::as_select())
            .load(conn)
    }

    /// Insert a key. The caller holds [`SigningKey::lock_all`].
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::insert_into(signing_keys::table).values(self).execute(conn).map(drop)
    }

    /// Delete the keys with these ids.
    pub fn delete(conn: &mut PgConnection, kids: &[String]) -> QueryResult<usize> {
        diesel::delete(signing_keys::table.filter(signing_keys::kid.eq_any(kids))).execute(conn)
    }

    /// Keep other transactions from adding keys until this one ends, so that nodes that start together agree on one key.
    pub fn lock_all(conn: &mut PgConnection) -> QueryResult<()> {
        diesel::sql_query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").execute(conn).map(drop)
    }
}
