//! Numeric suffixes that make a slug unique.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::names::Slug;

/// The largest suffix that is tried in sequence.
const FEW: i64 = 32;

/// A table of slugs and their owners.
#[derive(Clone, Copy, Debug)]
pub struct Slugs {
    /// The table. Its column for the slug is `slug`.
    pub table: &'static str,
    /// The column that holds the id of a slug's owner.
    pub owner: &'static str,
    /// Maximum number of characters of a slug.
    pub max: usize,
}

#[derive(QueryableByName)]
struct SlugUse {
    #[diesel(sql_type = Bool)]
    is_taken: bool,
}

impl Slugs {
    /// Return the first of `wanted-2`, `wanted-3`, … that no owner but `id` has. If many are taken, return one whose predecessor
    /// is taken instead, found by doubling and bisection, so that the time does not grow in proportion to their number. `wanted`
    /// is cut if the suffix needs room.
    pub fn first_free(self, conn: &mut PgConnection, id: i64, wanted: &Slug) -> QueryResult<String> {
        let mut taken = 1;
        while taken < FEW {
            if !self.is_taken(conn, id, &self.numbered(wanted, taken + 1))? {
                return Ok(self.numbered(wanted, taken + 1));
            }
            taken += 1;
        }
        let mut free = 2 * taken;
        while self.is_taken(conn, id, &self.numbered(wanted, free))? {
            (taken, free) = (free, 2 * free);
        }
        while free - taken > 1 {
            let middle = taken.midpoint(free);
            if self.is_taken(conn, id, &self.numbered(wanted, middle))? {
                taken = middle;
            } else {
                free = middle;
            }
        }
        Ok(self.numbered(wanted, free))
    }

    /// Whether an owner other than `id` has this slug.
    pub fn is_taken(self, conn: &mut PgConnection, id: i64, slug: &str) -> QueryResult<bool> {
        let Self { table, owner, .. } = self;
        let query =
            format!("SELECT EXISTS (SELECT FROM {table} WHERE slug = $1 AND {owner} <> $2) AS is_taken");
        let query = diesel::sql_query(query).bind::<Text, _>(slug).bind::<BigInt, _>(id);
        Ok(query.get_result::<SlugUse>(conn)?.is_taken)
    }

    fn numbered(self, wanted: &Slug, number: i64) -> String {
        let number = format!("-{number}");
        // Slugs are ASCII, so a character is a byte.
        let stem: String = wanted.as_str().chars().take(self.max - number.len()).collect();
        stem + &number
    }
}
