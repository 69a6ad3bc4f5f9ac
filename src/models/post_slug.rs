//! Slugs: every name that a post has or had. A former one stays its post's.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::names::{SLUG_MAX, Slug};
use super::numbered::Slugs;
use crate::schema::{post_slugs, posts};

/// Those of posts, former ones too.
const SLUGS: Slugs = Slugs { table: "post_slugs", owner: "post_id", max: SLUG_MAX };

/// Take a slug for a post that is about to be written: `wanted`, or the first free of `wanted-2`, `wanted-3`, ….
///
/// An insert that meets another transaction's waits for it to end, so parallel creates of one title line up and each goes
/// on with what the one before has left.
pub fn reserve(conn: &mut PgConnection, wanted: &Slug, post_id: i64) -> QueryResult<String> {
    let mut slug = wanted.as_str().to_owned();
    while !take(conn, &slug, post_id)? {
        slug = SLUGS.first_free(conn, post_id, wanted)?;
    }
    Ok(slug)
}

/// Take exactly this slug; `false` if it is or was another post's. One that the post had before is its own.
pub fn take(conn: &mut PgConnection, slug: &str, post_id: i64) -> QueryResult<bool> {
    let taken = diesel::insert_into(post_slugs::table)
        .values((post_slugs::slug.eq(slug), post_slugs::post_id.eq(post_id)))
        .on_conflict_do_nothing()
        .execute(conn)?;
    if taken == 1 {
        return Ok(true);
    }
    let owner: Option<i64> =
        post_slugs::table.find(slug).select(post_slugs::post_id).first(conn).optional()?;
    Ok(owner == Some(post_id))
}

/// The present slug of the post that once had this one.
pub fn current(conn: &mut PgConnection, former: &str) -> QueryResult<String> {
    post_slugs::table
        .inner_join(posts::table)
        .filter(post_slugs::slug.eq(former))
        .select(posts::slug)
        .first(conn)
}

/// The id that the next post will have.
pub fn next_post_id(conn: &mut PgConnection) -> QueryResult<i64> {
    diesel::select(diesel::dsl::sql::<BigInt>("nextval(pg_get_serial_sequence('posts', 'id'))"))
        .get_result(conn)
}
