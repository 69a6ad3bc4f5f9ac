//! Posts, with the users that they name.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::names::{Slug, fold};
use super::picture::Picture;
use super::post_label::{LabelRow, LabelsOfPost, PostLabel};
use super::profile::Person;
use super::resources::POST_CHANGEABLE;
use super::{Viewer, columns, computed, post_slug};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{pictures, post_labels, posts, profiles, users};

/// Characters of the content that a list shows.
pub const EXCERPT: i32 = 300;

#[diesel::declare_sql_function]
extern "SQL" {
    /// Returns the first characters of a text.
    fn left(text: diesel::sql_types::Text, characters: diesel::sql_types::Integer)
    -> diesel::sql_types::Text;
}

diesel::alias! {
    const WRITER: Alias<WriterAlias> = users as writer;
    const WRITER_PROFILE: Alias<WriterProfileAlias> = profiles as writer_profile;
    const EDITOR: Alias<EditorAlias> = users as editor;
    const EDITOR_PROFILE: Alias<EditorProfileAlias> = profiles as editor_profile;
}

/// A row of `posts` without its content, which only readers need.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Post {
    pub id: i64,
    pub slug: String,
    pub title: String,
    pub category: String,
    pub rating: i16,
    pub rank: i16,
    pub published: bool,
    pub published_at: Option<DateTime<Utc>>,
    pub writer_id: i64,
    pub editor_id: Option<i64>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub cover_key: Option<String>,
}

/// A post with everything that its representation needs, read by one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullPost {
    /// The row.
    pub post: Post,
    /// The whole content, or as much of it as was requested.
    pub content: String,
    /// The user who wrote it.
    pub writer: Person,
    /// The second user who may change it.
    pub editor: Option<Person>,
    /// The uploaded cover, if there is one.
    pub cover: Option<Picture>,
    /// The labels of the post, ordered by name.
    pub labels: Vec<PostLabel>,
    /// The number of comments on the post.
    pub comment_count: i64,
}

/// The values for a new post.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// 1 to 256 characters.
    pub title: String,
    /// The requested slug; `None` derives one from the title.
    pub slug: Option<Slug>,
    /// At most 200,000 characters.
    pub content: String,
    /// One of the values of the categories.
    pub category: &'static str,
    /// 1 to 5.
    pub rating: i16,
    /// 1 to 5.
    pub rank: i16,
    /// Whether every client may read it.
    pub published: bool,
}

/// The columns that a request may change. `None` keeps a value.
#[derive(AsChangeset, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = posts)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct PostChanges {
    pub title: Option<String>,
    pub slug: Option<String>,
    pub content: Option<String>,
    pub category: Option<&'static str>,
    pub rating: Option<i16>,
    pub rank: Option<i16>,
    pub published: Option<bool>,
    pub editor_id: Option<Option<i64>>,
}

/// A requested change of the slug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlugChange {
    /// Use exactly this slug.
    Set(Slug),
    /// Derive the slug from the title.
    Remake,
}

impl From<Option<Slug>> for SlugChange {
    /// `None` derives the slug from the title.
    fn from(slug: Option<Slug>) -> Self {
        slug.map_or(Self::Remake, Self::Set)
    }
}

computed!(
    /// The number of comments on a post, in a query over `posts`.
    CommentCount,
    posts::id,
    BigInt,
    "(SELECT count(*) FROM comments WHERE comments.post_id = posts.id)"
);

/// The single statement that reads posts, with all of their content or a part of it. This is a macro because the type of a query
/// over four aliased tables cannot be written down, and diesel's `auto_type` does not know aliases.
macro_rules! full_posts {
    ($content:expr) => {
        full_posts!(@ full_posts!(% $content))
    };
    // Adds the position of each post in a list.
    ($content:expr, $place:expr) => {
        full_posts!(@ (full_posts!(% $content), $place))
    };
    (@ $columns:expr) => {
        posts::table
            .inner_join(WRITER.on(WRITER.field(users::id).eq(posts::writer_id)))
            .inner_join(WRITER_PROFILE.on(WRITER_PROFILE.field(profiles::user_id).eq(posts::writer_id)))
            .left_join(EDITOR.on(EDITOR.field(users::id).nullable().eq(posts::editor_id)))
            .left_join(
                EDITOR_PROFILE.on(EDITOR_PROFILE.field(profiles::user_id).nullable().eq(posts::editor_id)),
            )
            .left_join(pictures::table)
            .select($columns)
    };
    (% $content:expr) => {
        (
            columns::<Post>(),
            $content,
            WRITER.fields((users::username,)),
            WRITER_PROFILE.fields((profiles::display_name, profiles::avatar_key)),
            EDITOR.fields((users::username,)).nullable(),
            EDITOR_PROFILE.fields((profiles::display_name, profiles::avatar_key)).nullable(),
            columns::<Option<Picture>>(),
            LabelsOfPost,
            CommentCount,
        )
    };
}

type Names = (String,);
type Looks = (String, Option<String>);
type FullRow =
    (Post, String, Names, Looks, Option<Names>, Option<Looks>, Option<Picture>, Vec<LabelRow>, i64);

impl From<FullRow> for FullPost {
    fn from(row: FullRow) -> Self {
        let (post, content, writer, writer_looks, editor, editor_looks, cover, labels, comment_count) = row;
        let person = |(username,): Names, (display_name, avatar_key): Looks| Person {
            username,
            display_name,
            avatar_key,
        };
        Self {
            post,
            content,
            writer: person(writer, writer_looks),
            editor: editor.zip(editor_looks).map(|(names, looks)| person(names, looks)),
            cover,
            labels: labels.into_iter().map(PostLabel::from).collect(),
            comment_count,
        }
    }
}

impl Post {
    /// Find a post by its slug. Only the writer, the editor and staff find a draft.
    pub fn find(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<FullPost> {
        let full: FullPost =
            full_posts!(posts::content).filter(posts::slug.eq(slug)).first::<FullRow>(conn)?.into();
        if full.post.is_visible_to(viewer) { Ok(full) } else { Err(diesel::NotFound) }
    }

    /// Find the row alone. Drafts are treated as in [`Post::find`].
    pub fn find_row(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<Self> {
        let row = posts::table.filter(posts::slug.eq(slug)).select(Self::as_select());
        row.first::<Self>(conn)?.shown_to(viewer)
    }

    /// Find the row and lock it for a change. Drafts are treated as in [`Post::find`].
    pub fn lock(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<Self> {
        let row = posts::table.filter(posts::slug.eq(slug)).select(Self::as_select());
        row.for_update().first::<Self>(conn)?.shown_to(viewer)
    }

    /// Find the row for a caller that refers to it, and keep it from being deleted until the transaction ends. Drafts are treated
    /// as in [`Post::find`].
    pub fn lock_key_share(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<Self> {
        let row = posts::table.filter(posts::slug.eq(slug)).select(Self::as_select());
        row.for_key_share().first::<Self>(conn)?.shown_to(viewer)
    }

    fn shown_to(self, viewer: Viewer) -> QueryResult<Self> {
        if self.is_visible_to(viewer) { Ok(self) } else { Err(diesel::NotFound) }
    }

    /// Return the current slug of a post that once had the slug `former`, if the viewer may see the post.
    pub fn renamed(conn: &mut PgConnection, former: &str, viewer: Viewer) -> QueryResult<String> {
        let slug = post_slug::current(conn, former)?;
        let post = Self::find_row(conn, &slug, viewer)?;
        if post.slug == former { Err(diesel::NotFound) } else { Ok(post.slug) }
    }

    /// Return a page of a selection, with the first [`EXCERPT`] characters of each content.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullPost>> {
        selection.slice::<FullRow, _>(conn, |conn, rows| {
            let query = full_posts!(left(posts::content, EXCERPT), rows.place());
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Return a page of a selection, with the whole content of each post.
    pub fn page_in_full(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullPost>> {
        selection.slice::<FullRow, _>(conn, |conn, rows| {
            let query = full_posts!(posts::content, rows.place());
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Whether the viewer may see that the post exists.
    pub fn is_visible_to(&self, viewer: Viewer) -> bool {
        self.published || self.can_change(viewer)
    }

    /// Whether the viewer may change the post: the writer, the editor and staff may.
    pub fn can_change(&self, viewer: Viewer) -> bool {
        self.can_manage(viewer) || (viewer.id().is_some() && self.editor_id == viewer.id())
    }

    /// Whether the viewer has every right to the post: the writer and staff do.
    pub fn can_manage(&self, viewer: Viewer) -> bool {
        viewer.is_staff() || viewer.id() == Some(self.writer_id)
    }

    /// Update the row, which changes its version, unless no change was requested. Return the slug, or `Ok(None)` if the requested
    /// slug is or was another post's.
    pub fn update(
        &self,
        conn: &mut PgConnection,
        mut changes: PostChanges,
        slug: Option<&SlugChange>,
    ) -> QueryResult<Option<String>> {
        match slug {
            Some(SlugChange::Set(slug)) => {
                if !post_slug::take(conn, slug.as_str(), self.id)? {
                    return Ok(None);
                }
                changes.slug = Some(slug.as_str().to_owned());
            }
            Some(SlugChange::Remake) => {
                let wanted = Slug::from_title(changes.title.as_ref().unwrap_or(&self.title));
                changes.slug = Some(post_slug::reserve(conn, &wanted, self.id)?);
            }
            None => {}
        }
        if changes == PostChanges::default() {
            return Ok(Some(self.slug.clone()));
        }
        diesel::update(self).set(&changes).returning(posts::slug).get_result(conn).map(Some)
    }

    /// Set another cover, or none. The database deletes the row of the previous cover, and its files are removed after the
    /// commit.
    pub fn set_cover(conn: &mut PgConnection, id: i64, key: Option<&str>) -> QueryResult<()> {
        diesel::update(posts::table.find(id)).set(posts::cover_key.eq(key)).execute(conn).map(drop)
    }

    /// Apply the changes to every post of a selection that its reader may change, in one statement. Return the number of posts.
    pub fn update_all(
        conn: &mut PgConnection,
        selection: &Selection,
        changes: &PostChanges,
    ) -> QueryResult<usize> {
        if *changes == PostChanges::default() {
            return Ok(0);
        }
        let these = posts::table.filter(selection.locked(&POST_CHANGEABLE));
        diesel::update(these).set(changes).execute(conn)
    }

    /// Lock every post that names a user as writer or editor, in the order of the ids. This must precede the lock of the user's
    /// row.
    pub fn lock_all_of(conn: &mut PgConnection, username: &str) -> QueryResult<()> {
        let user = users::table.filter(users::username_key.eq(fold(username))).select(users::id);
        let Some(id) = user.first::<i64>(conn).optional()? else { return Ok(()) };
        posts::table
            .filter(posts::writer_id.eq(id).or(posts::editor_id.is_not_distinct_from(id)))
            .order(posts::id)
            .select(posts::id)
            .for_update()
            .load::<i64>(conn)
            .map(drop)
    }

    /// Return the posts with these slugs.
    pub fn by_slugs(conn: &mut PgConnection, slugs: &[&str]) -> QueryResult<Vec<Self>> {
        posts::table.filter(posts::slug.eq_any(slugs)).select(Self::as_select()).load(conn)
    }

    /// Lock the posts with these ids, in the order of the ids.
    pub fn lock_all(conn: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<Self>> {
        posts::table
            .filter(posts::id.eq_any(ids))
            .order(posts::id)
            .select(Self::as_select())
            .for_update()
            .load(conn)
    }

    /// Return the ids of the posts that have a label and that the viewer may change.
    pub fn ids_with_label(conn: &mut PgConnection, label_id: i64, viewer: Viewer) -> QueryResult<Vec<i64>> {
        let ids_with_label = post_labels::table
            .inner_join(posts::table)
            .filter(post_labels::label_id.eq(label_id))
            .select(post_labels::post_id)
            .into_boxed();
        match viewer {
            Viewer::Anonymous => Ok(Vec::new()),
            Viewer::Staff(_) => ids_with_label.load(conn),
            Viewer::Member(id) => {
                let is_changeable = posts::writer_id.eq(id).or(posts::editor_id.is_not_distinct_from(id));
                ids_with_label.filter(is_changeable).load(conn)
            }
        }
    }
}

impl NewPost {
    /// Insert the post, and return its id and slug, or `Ok(None)` if the requested slug is or was another post's.
    pub fn insert(
        &self,
        conn: &mut PgConnection,
        writer_id: i64,
        editor_id: Option<i64>,
        cover_key: Option<&str>,
    ) -> QueryResult<Option<(i64, String)>> {
        let id = post_slug::next_post_id(conn)?;
        let slug = match &self.slug {
            Some(slug) if post_slug::take(conn, slug.as_str(), id)? => slug.as_str().to_owned(),
            Some(_) => return Ok(None),
            None => post_slug::reserve(conn, &Slug::from_title(&self.title), id)?,
        };
        diesel::insert_into(posts::table)
            .values((
                posts::id.eq(id),
                posts::slug.eq(&slug),
                posts::title.eq(&self.title),
                posts::content.eq(&self.content),
                posts::category.eq(self.category),
                posts::rating.eq(self.rating),
                posts::rank.eq(self.rank),
                posts::published.eq(self.published),
                posts::writer_id.eq(writer_id),
                posts::editor_id.eq(editor_id),
                posts::cover_key.eq(cover_key),
            ))
            .execute(conn)?;
        Ok(Some((id, slug)))
    }
}
