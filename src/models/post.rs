//! Posts, with the people that they name.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::names::{Slug, fold};
use super::picture::Picture;
use super::{Viewer, post_slug};
use crate::lookups::page::{Keyset, Slice};
use crate::schema::{pictures, posts, profiles, users};

diesel::alias! {
    const WRITER: Alias<WriterAlias> = users as writer;
    const WRITER_PROFILE: Alias<WriterProfileAlias> = profiles as writer_profile;
    const EDITOR: Alias<EditorAlias> = users as editor;
    const EDITOR_PROFILE: Alias<EditorProfileAlias> = profiles as editor_profile;
}

/// A row of `posts`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Post {
    pub id: i64,
    pub slug: String,
    pub title: String,
    pub content: String,
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

/// Somebody whom a resource mentions: as much as a `UserRef` shows.
#[derive(Clone, Debug, Queryable)]
pub struct Person {
    /// The user's name.
    pub username: String,
    /// What the user is called.
    pub display_name: String,
    /// The key of the uploaded avatar, if there is one.
    pub avatar_key: Option<String>,
}

/// A post with what its representation needs: one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullPost {
    /// The row.
    pub post: Post,
    /// Who wrote it.
    pub writer: Person,
    /// Who may change it too.
    pub editor: Option<Person>,
    /// The uploaded cover, if there is one.
    pub cover: Option<Picture>,
}

/// What it takes to write a post.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// 1 to 256 characters.
    pub title: String,
    /// As wished; `None` has one made from the title.
    pub slug: Option<Slug>,
    /// At most 200,000 characters.
    pub content: String,
    /// One of the categories' values.
    pub category: &'static str,
    /// 1 to 5.
    pub rating: i16,
    /// 1 to 5.
    pub rank: i16,
    /// Whether all may read it.
    pub published: bool,
}

/// What may change; `None` keeps.
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

/// What a change of the slug asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlugChange {
    /// Exactly this one.
    Set(Slug),
    /// One that is made from the title.
    Remake,
}

/// The one statement that reads posts. A macro, because the type of a query over four aliased tables cannot be written
/// down, and diesel's `auto_type` does not know aliases.
macro_rules! full_posts {
    () => {
        posts::table
            .inner_join(WRITER.on(WRITER.field(users::id).eq(posts::writer_id)))
            .inner_join(WRITER_PROFILE.on(WRITER_PROFILE.field(profiles::user_id).eq(posts::writer_id)))
            .left_join(EDITOR.on(EDITOR.field(users::id).nullable().eq(posts::editor_id)))
            .left_join(
                EDITOR_PROFILE.on(EDITOR_PROFILE.field(profiles::user_id).nullable().eq(posts::editor_id)),
            )
            .left_join(pictures::table)
            .select((
                Post::as_select(),
                WRITER.fields((users::username,)),
                WRITER_PROFILE.fields((profiles::display_name, profiles::avatar_key)),
                EDITOR.fields((users::username,)).nullable(),
                EDITOR_PROFILE.fields((profiles::display_name, profiles::avatar_key)).nullable(),
                Option::<Picture>::as_select(),
            ))
    };
}

type Names = (String,);
type Looks = (String, Option<String>);
type FullRow = (Post, Names, Looks, Option<Names>, Option<Looks>, Option<Picture>);

impl From<FullRow> for FullPost {
    fn from((post, writer, writer_looks, editor, editor_looks, cover): FullRow) -> Self {
        let person = |(username,): Names, (display_name, avatar_key): Looks| Person {
            username,
            display_name,
            avatar_key,
        };
        Self {
            post,
            writer: person(writer, writer_looks),
            editor: editor.zip(editor_looks).map(|(names, looks)| person(names, looks)),
            cover,
        }
    }
}

impl Post {
    /// By slug. Drafts only for their writer, editor and staff.
    pub fn find(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<FullPost> {
        let full: FullPost = full_posts!().filter(posts::slug.eq(slug)).first::<FullRow>(conn)?.into();
        if full.post.is_visible_to(viewer) { Ok(full) } else { Err(diesel::NotFound) }
    }

    /// The bare row under a lock, for a change. Drafts as in [`Post::find`].
    pub fn lock(conn: &mut PgConnection, slug: &str, viewer: Viewer) -> QueryResult<Self> {
        let post: Self =
            posts::table.filter(posts::slug.eq(slug)).select(Self::as_select()).for_update().first(conn)?;
        if post.is_visible_to(viewer) { Ok(post) } else { Err(diesel::NotFound) }
    }

    /// The present slug of a post that was once called `former`, if the viewer may see it.
    pub fn renamed(conn: &mut PgConnection, former: &str, viewer: Viewer) -> QueryResult<String> {
        let slug = post_slug::current(conn, former)?;
        let post: Self = posts::table.filter(posts::slug.eq(&slug)).select(Self::as_select()).first(conn)?;
        if slug != former && post.is_visible_to(viewer) { Ok(slug) } else { Err(diesel::NotFound) }
    }

    /// A page, the newest first.
    pub fn page(
        conn: &mut PgConnection,
        viewer: Viewer,
        keyset: &Keyset<DateTime<Utc>>,
    ) -> QueryResult<Slice<FullPost>> {
        let mut query = full_posts!().into_boxed();
        query = match viewer {
            Viewer::Staff(_) => query,
            Viewer::Anonymous => query.filter(posts::published),
            Viewer::Member(id) => query.filter(
                posts::published.or(posts::writer_id.eq(id)).or(posts::editor_id.is_not_distinct_from(id)),
            ),
        };
        // The plain comparison of the first column is implied, and is what lets the index begin at the right place.
        if let Some((at, id)) = keyset.from {
            query = if keyset.backward {
                query.filter(posts::created_at.ge(at)).filter(posts::created_at.gt(at).or(posts::id.gt(id)))
            } else {
                query.filter(posts::created_at.le(at)).filter(posts::created_at.lt(at).or(posts::id.lt(id)))
            };
        }
        query = if keyset.backward {
            query.order((posts::created_at.asc(), posts::id.asc()))
        } else {
            query.order((posts::created_at.desc(), posts::id.desc()))
        };
        let rows: Vec<FullRow> = keyset.limit(query).load(conn)?;
        Ok(keyset.slice(rows.into_iter().map(FullPost::from).collect()))
    }

    /// Everything that a user has written, drafts included, the newest first.
    pub fn written_by(
        conn: &mut PgConnection,
        user_id: i64,
        keyset: &Keyset<DateTime<Utc>>,
    ) -> QueryResult<Slice<FullPost>> {
        let mut query = full_posts!().filter(posts::writer_id.eq(user_id)).into_boxed();
        if let Some((at, id)) = keyset.from {
            query =
                query.filter(posts::created_at.le(at)).filter(posts::created_at.lt(at).or(posts::id.lt(id)));
        }
        query = query.order((posts::created_at.desc(), posts::id.desc()));
        let rows: Vec<FullRow> = keyset.limit(query).load(conn)?;
        Ok(keyset.slice(rows.into_iter().map(FullPost::from).collect()))
    }

    /// Whether the viewer may know of it.
    pub fn is_visible_to(&self, viewer: Viewer) -> bool {
        self.published || self.is_changed_by(viewer)
    }

    /// Whether the viewer may change it: writer, editor, staff.
    pub fn is_changed_by(&self, viewer: Viewer) -> bool {
        self.is_owned_by(viewer) || (viewer.id().is_some() && self.editor_id == viewer.id())
    }

    /// Whether the viewer may do everything with it: writer, staff.
    pub fn is_owned_by(&self, viewer: Viewer) -> bool {
        viewer.is_staff() || viewer.id() == Some(self.writer_id)
    }

    /// Change the row; the version moves, unless nothing was asked for. `Ok(None)` where the wished slug is another
    /// post's, or was.
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

    /// Show another cover, or none. The one before is forgotten, and its files are removed after the commit.
    pub fn set_cover(&self, conn: &mut PgConnection, key: Option<&str>) -> QueryResult<()> {
        diesel::update(self).set(posts::cover_key.eq(key)).execute(conn).map(drop)
    }

    /// Delete the row; what hangs on it goes by cascade, the cover too.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(self).execute(conn).map(drop)
    }

    /// Lock every post that names a user as writer or editor, in one order, before the user's own row is.
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

    /// How many a user has written.
    pub fn count_by(conn: &mut PgConnection, writer_id: i64) -> QueryResult<i64> {
        posts::table.filter(posts::writer_id.eq(writer_id)).count().get_result(conn)
    }
}

impl NewPost {
    /// Write it, and tell its slug. `Ok(None)` where the wished slug is another post's, or was.
    pub fn insert(
        &self,
        conn: &mut PgConnection,
        writer_id: i64,
        editor_id: Option<i64>,
        cover_key: Option<&str>,
    ) -> QueryResult<Option<String>> {
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
        Ok(Some(slug))
    }
}
