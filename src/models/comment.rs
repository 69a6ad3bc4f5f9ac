//! Comments: what users say about posts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::post::Post;
use super::profile::Person;
use super::{Viewer, columns};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{comments, posts, profiles, users};

/// A row of `comments`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Comment {
    pub id: i64,
    pub post_id: Option<i64>,
    pub user_id: i64,
    pub alias: String,
    pub content: String,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A comment with everything that its representation needs, read by one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullComment {
    /// The row.
    pub comment: Comment,
    /// The user who wrote it.
    pub user: Person,
    /// The post that it is about, unless it is detached.
    pub post: Option<Post>,
}

/// The values for a new comment.
#[derive(Clone, Debug)]
pub struct NewComment {
    /// The name under which the author appears, 1 to 128 characters; `None` uses the author's current display name.
    pub alias: Option<String>,
    /// 1 to 10,000 characters.
    pub content: String,
}

/// The columns that a request may change. `None` keeps a value.
#[derive(AsChangeset, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = comments)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct CommentChanges {
    pub post_id: Option<Option<i64>>,
    pub alias: Option<String>,
    pub content: Option<String>,
}

/// The single statement that reads comments. It is a macro for the same reason as that of [`super::post`].
macro_rules! full_comments {
    () => {
        full_comments!(@ full_comments!(%))
    };
    // Adds the position of each comment in a list.
    ($place:expr) => {
        full_comments!(@ (full_comments!(%), $place))
    };
    (@ $columns:expr) => {
        comments::table
            .inner_join(users::table.inner_join(profiles::table))
            .left_join(posts::table)
            .select($columns)
    };
    (%) => {
        (
            columns::<Comment>(),
            (users::username, profiles::display_name, profiles::avatar_key),
            columns::<Option<Post>>(),
        )
    };
}

type FullRow = (Comment, (String, String, Option<String>), Option<Post>);

impl From<FullRow> for FullComment {
    fn from((comment, (username, display_name, avatar_key), post): FullRow) -> Self {
        Self { comment, user: Person { username, display_name, avatar_key }, post }
    }
}

impl FullComment {
    /// Whether the viewer may see that the comment exists: the author, staff, and every viewer who may see its post.
    pub fn is_visible_to(&self, viewer: Viewer) -> bool {
        self.can_edit(viewer) || self.post.as_ref().is_some_and(|post| post.is_visible_to(viewer))
    }

    /// Whether the viewer may change the comment: the author and staff may.
    pub fn can_edit(&self, viewer: Viewer) -> bool {
        viewer.is_staff() || viewer.id() == Some(self.comment.user_id)
    }

    /// Whether the viewer may detach the comment from its post: the author, staff and the post's writer may.
    pub fn can_moderate(&self, viewer: Viewer) -> bool {
        self.can_edit(viewer) || self.post.as_ref().is_some_and(|post| post.can_manage(viewer))
    }
}

impl Comment {
    /// Find a comment by its id, if the viewer may see it.
    pub fn find(conn: &mut PgConnection, id: i64, viewer: Viewer) -> QueryResult<FullComment> {
        let full = Self::read(conn, id)?;
        if full.is_visible_to(viewer) { Ok(full) } else { Err(diesel::NotFound) }
    }

    /// Find a comment by its id, regardless of the viewer.
    pub fn read(conn: &mut PgConnection, id: i64) -> QueryResult<FullComment> {
        full_comments!().filter(comments::id.eq(id)).first(conn)
    }

    /// Find a comment as [`Comment::find`] does, and lock its row for a change. If the change is to refer to a post, lock the
    /// post first.
    pub fn lock(conn: &mut PgConnection, id: i64, viewer: Viewer) -> QueryResult<FullComment> {
        comments::table.find(id).select(comments::id).for_update().first::<i64>(conn)?;
        Self::find(conn, id, viewer)
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullComment>> {
        selection.slice::<FullRow, _>(conn, |conn, rows| {
            full_comments!(rows.place()).filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Update the row, which changes its version, unless no change was requested.
    pub fn update(&self, conn: &mut PgConnection, changes: &CommentChanges) -> QueryResult<()> {
        if *changes == CommentChanges::default() {
            return Ok(());
        }
        diesel::update(self).set(changes).execute(conn).map(drop)
    }

    /// Delete the row.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(self).execute(conn).map(drop)
    }
}

impl NewComment {
    /// Insert the comment, and return its id. Violates `comments_user_id_fkey` if the author no longer exists. The caller must
    /// hold the post.
    pub fn insert(&self, conn: &mut PgConnection, user_id: i64, post_id: Option<i64>) -> QueryResult<i64> {
        let alias = match &self.alias {
            Some(alias) => alias.clone(),
            None => profiles::table.find(user_id).select(profiles::display_name).first(conn)?,
        };
        diesel::insert_into(comments::table)
            .values((
                comments::post_id.eq(post_id),
                comments::user_id.eq(user_id),
                comments::alias.eq(alias),
                comments::content.eq(&self.content),
            ))
            .returning(comments::id)
            .get_result(conn)
    }
}
