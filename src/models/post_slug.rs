//! Slugs: every name that a post has or had. A former slug remains reserved for its post.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::names::{SLUG_MAX, Slug};
use super::numbered::Slugs;
use crate::schema::{post_slugs, posts};

/// The slugs of posts, including former ones.
const SLUGS: Slugs = Slugs { table: "post_slugs", owner: "post_id", max: SLUG_MAX };

/// Take a slug for a post that is about to be inserted: `wanted`, or the first free one of `wanted-2`, `wanted-3`, ….
///
/// An insert that conflicts with that of another transaction waits for the other to end. So concurrent creations of one title
/// queue up, and each continues with what the previous one has left.
pub fn reserve(conn: &mut PgConnection, wanted: &Slug, post_id: i64) -> QueryResult<String> {
    let mut slug = wanted.as_str().to_owned();
    while !take(conn, &slug, post_id)? {
        slug = SLUGS.first_free(conn, post_id, wanted)?;
    }
    Ok(slug)
}

/// Take exactly this slug. Return `false` if it is or was the slug of another post. A post may take its own former slug again.
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

/// Return the current slug of the post that has or had this one.
pub fn current(conn: &mut PgConnection, former: &str) -> QueryResult<String> {
    post_slugs::table
        .inner_join(posts::table)
        .filter(post_slugs::slug.eq(former))
        .select(posts::slug)
        .first(conn)
}

/// Return the id for the next post.
pub fn next_post_id(conn: &mut PgConnection) -> QueryResult<i64> {
    diesel::select(diesel::dsl::sql::<BigInt>("nextval(pg_get_serial_sequence('posts', 'id'))"))
        .get_result(conn)
}
