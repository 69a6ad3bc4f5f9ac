//! Numbers that make a slug unique.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};

use super::names::Slug;

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = Text)]
    slug: String,
}

/// The first of `wanted-2`, `wanted-3`, … that no row of `table` has but those whose column `owner` is `id`. At most `max`
/// characters, so the wanted one is cut where the number needs room.
///
/// Counts lazily: `generate_series` in a select list yields a row at a time, and `LIMIT` stops it.
pub fn first_free(
    conn: &mut PgConnection,
    table: &'static str,
    owner: &'static str,
    id: i64,
    wanted: &Slug,
    max: usize,
) -> QueryResult<String> {
    let candidate: Candidate = diesel::sql_query(format!(
        "SELECT slug FROM (
             SELECT left($1, $2 - 1 - length(n::text)) || '-' || n AS slug
             FROM (SELECT generate_series(2::bigint, 1000000000) AS n) AS numbers
         ) AS candidates
         WHERE NOT EXISTS (
             SELECT FROM {table} WHERE {table}.slug = candidates.slug COLLATE \"C\" AND {table}.{owner} <> $3
         )
         LIMIT 1"
    ))
    .bind::<Text, _>(wanted.as_str())
    .bind::<Integer, _>(i32::try_from(max).unwrap_or(i32::MAX))
    .bind::<BigInt, _>(id)
    .get_result(conn)?;
    Ok(candidate.slug)
}
