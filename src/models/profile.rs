//! Profiles: what a user shows. The database makes one for every user.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::names::fold;
use super::picture::Picture;
use super::{Viewer, columns};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{pictures, profiles, users};

/// A row of `profiles`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(primary_key(user_id), check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Profile {
    pub user_id: i64,
    pub display_name: String,
    pub bio: Option<String>,
    pub occupation: Option<String>,
    pub phone: Option<String>,
    pub avatar_key: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A profile with what its representation needs: one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullProfile {
    /// The row.
    pub profile: Profile,
    /// Whose.
    pub username: String,
    /// The uploaded avatar, if there is one.
    pub avatar: Option<Picture>,
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

/// What may change; `None` keeps, `Some(None)` clears.
#[derive(AsChangeset, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = profiles)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct ProfileChanges {
    pub display_name: Option<String>,
    pub bio: Option<Option<String>>,
    pub occupation: Option<Option<String>>,
    pub phone: Option<Option<String>>,
}

type FullColumns = (
    diesel::dsl::AsSelect<Profile, diesel::pg::Pg>,
    users::username,
    diesel::dsl::AsSelect<Option<Picture>, diesel::pg::Pg>,
);

fn full_columns() -> FullColumns {
    (Profile::as_select(), users::username, Option::<Picture>::as_select())
}

impl From<(Profile, String, Option<Picture>)> for FullProfile {
    fn from((profile, username, avatar): (Profile, String, Option<Picture>)) -> Self {
        Self { profile, username, avatar }
    }
}

impl Profile {
    /// By username in any case, those of inactive users for staff only.
    pub fn find(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<FullProfile> {
        profiles::table
            .inner_join(users::table)
            .left_join(pictures::table)
            .filter(users::username_key.eq(fold(username)))
            .filter(users::is_active.or(viewer.is_staff().into_sql::<Bool>()))
            .select(full_columns())
            .first(conn)
    }

    /// The same under a lock of the profile's row, for a change.
    pub fn lock(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<FullProfile> {
        // FOR UPDATE cannot reach the optional side of the outer join, so the lock comes first.
        let user_id: i64 =
            users::table.filter(users::username_key.eq(fold(username))).select(users::id).first(conn)?;
        profiles::table.find(user_id).select(profiles::user_id).for_update().first::<i64>(conn)?;
        Self::find(conn, username, viewer)
    }

    /// Those of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullProfile>> {
        selection.slice::<(Self, String, Option<Picture>), _>(conn, |conn, rows| {
            profiles::table
                .inner_join(users::table)
                .left_join(pictures::table)
                .select(((columns::<Self>(), users::username, columns::<Option<Picture>>()), rows.place()))
                .filter(rows.are_these())
                .order(rows.order())
                .load(conn)
        })
    }

    /// Change the row; the version moves, unless nothing was asked for.
    pub fn update(&self, conn: &mut PgConnection, changes: &ProfileChanges) -> QueryResult<()> {
        if *changes == ProfileChanges::default() {
            return Ok(());
        }
        diesel::update(self).set(changes).execute(conn).map(drop)
    }

    /// Show another picture, or none. The one before is forgotten, and its files are removed after the commit.
    pub fn set_avatar(&self, conn: &mut PgConnection, key: Option<&str>) -> QueryResult<()> {
        diesel::update(self).set(profiles::avatar_key.eq(key)).execute(conn).map(drop)
    }
}
