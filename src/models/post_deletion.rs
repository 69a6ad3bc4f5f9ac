//! Deletes posts with what belongs to them, and counts the rows.
//!
//! Comments are deleted explicitly, before the cascade would delete them: only the statement that deletes them knows their
//! number. All statements lock rows in the order of their ids. Otherwise one request that deletes comments by post and another
//! that deletes them by author could deadlock.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::post::Post;
use super::post_label;
use super::resources::POST_DELETABLE;
use crate::lookups::fragment::Fragment;
use crate::lookups::selection::Selection;
use crate::schema::{comments, posts};

/// The number of rows of each type that a deletion removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DeletionCounts {
    pub posts: usize,
    pub comments: usize,
    pub post_labels: i64,
}

impl Post {
    /// Delete the locked row. The deletion cascades to what belongs to it, including the cover.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<DeletionCounts> {
        let comments = self.delete_comments(conn)?;
        // No other request changes the labels of a locked post.
        let post_labels = post_label::count_of_post(conn, self.id)?;
        let posts = diesel::delete(self).execute(conn)?;
        Ok(DeletionCounts { posts, comments, post_labels })
    }

    /// Delete every comment on the locked post.
    pub fn delete_comments(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        let on_post = comments::table.filter(comments::post_id.eq(self.id)).order(comments::id);
        let ids = on_post.select(comments::id).for_update().load(conn)?;
        delete_locked(conn, &ids)
    }

    /// Delete every post of a user, all of them locked, and every comment that the user wrote on any post.
    pub fn delete_all_by(conn: &mut PgConnection, writer_id: i64) -> QueryResult<DeletionCounts> {
        let comments = delete_comments_by_and_to(conn, writer_id)?;
        let post_labels = post_label::count_of_writer(conn, writer_id)?;
        let posts = diesel::delete(posts::table.filter(posts::writer_id.eq(writer_id))).execute(conn)?;
        Ok(DeletionCounts { posts, comments, post_labels })
    }

    /// Delete every post of a selection that its reader may delete, with what belongs to them, in one statement.
    pub fn delete_selected(conn: &mut PgConnection, selection: &Selection) -> QueryResult<DeletionCounts> {
        let mut sql = Fragment::default();
        sql.word("WITH doomed AS MATERIALIZED (");
        selection.ids(&mut sql, &POST_DELETABLE);
        sql.word(
            " ORDER BY posts.id FOR UPDATE), \
             said AS MATERIALIZED (SELECT id FROM comments WHERE post_id IN (SELECT id FROM doomed) \
                                   ORDER BY id FOR UPDATE), \
             unsaid AS (DELETE FROM comments WHERE id IN (SELECT id FROM said) RETURNING id), \
             gone AS (DELETE FROM posts WHERE id IN (SELECT id FROM doomed) RETURNING id) \
             SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM unsaid), \
                    (SELECT count(*) FROM post_labels WHERE post_id IN (SELECT id FROM doomed))",
        );
        let query = sql.unprepared::<(BigInt, BigInt, BigInt)>();
        let (posts, comments, post_labels): (i64, i64, i64) = query.get_result(conn)?;
        // A count is never negative.
        let rows = |number| usize::try_from(number).unwrap_or_default();
        Ok(DeletionCounts { posts: rows(posts), comments: rows(comments), post_labels })
    }
}

/// Delete every comment that a user wrote, and every comment on the user's posts.
fn delete_comments_by_and_to(conn: &mut PgConnection, user_id: i64) -> QueryResult<usize> {
    // Two queries, each by its own index. A query with OR would use neither.
    let written = comments::table.filter(comments::user_id.eq(user_id)).select(comments::id);
    let received =
        comments::table.inner_join(posts::table).filter(posts::writer_id.eq(user_id)).select(comments::id);
    let mut ids: Vec<i64> = written.load(conn)?;
    ids.extend(received.load::<i64>(conn)?);
    let these = comments::table.filter(comments::id.eq_any(ids)).order(comments::id);
    let ids = these.select(comments::id).for_update().load(conn)?;
    delete_locked(conn, &ids)
}

fn delete_locked(conn: &mut PgConnection, ids: &[i64]) -> QueryResult<usize> {
    diesel::delete(comments::table.filter(comments::id.eq_any(ids))).execute(conn)
}
