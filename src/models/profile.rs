//! Profiles: what a user shows. The database creates one for every user.

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

/// A profile with everything that its representation needs, read by one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullProfile {
    /// The row.
    pub profile: Profile,
    /// The username of its user.
    pub username: String,
    /// The uploaded avatar, if there is one.
    pub avatar: Option<Picture>,
}

/// A user whom a resource mentions, with as much as a `UserRef` shows.
#[derive(Clone, Debug, Queryable)]
pub struct Person {
    /// The username.
    pub username: String,
    /// The name that is displayed for the user.
    pub display_name: String,
    /// The key of the uploaded avatar, if there is one.
    pub avatar_key: Option<String>,
}

/// The columns that a request may change. `None` keeps a value, `Some(None)` clears it.
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
    /// Find a profile by username, whatever its case. Only staff find the profiles of inactive users.
    pub fn find(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<FullProfile> {
        profiles::table
            .inner_join(users::table)
            .left_join(pictures::table)
            .filter(users::username_key.eq(fold(username)))
            .filter(users::is_active.or(viewer.is_staff().into_sql::<Bool>()))
            .select(full_columns())
            .first(conn)
    }

    /// Find a profile as [`Profile::find`] does, and lock its row for a change.
    pub fn lock(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<FullProfile> {
        // FOR UPDATE cannot be applied to the nullable side of an outer join, so the row is locked first.
        let user_id: i64 =
            users::table.filter(users::username_key.eq(fold(username))).select(users::id).first(conn)?;
        profiles::table.find(user_id).select(profiles::user_id).for_update().first::<i64>(conn)?;
        Self::find(conn, username, viewer)
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullProfile>> {
        selection.slice::<(Self, String, Option<Picture>), _>(conn, |conn, rows| {
            profiles::table
                .inner_join(users::table)
                .left_join(pictures::table)
                .select(((columns::<Self>(), users::username, columns::<Option<Picture>>()), rows.place()))
                .filter(rows.id_filter())
                .order(rows.order())
                .load(conn)
        })
    }

    /// Update the row, which changes its version, unless no change was requested.
    pub fn update(&self, conn: &mut PgConnection, changes: &ProfileChanges) -> QueryResult<()> {
        if *changes == ProfileChanges::default() {
            return Ok(());
        }
        diesel::update(self).set(changes).execute(conn).map(drop)
    }

    /// Set another avatar, or none. The database deletes the row of the previous picture, and its files are removed after the
    /// commit.
    pub fn set_avatar(&self, conn: &mut PgConnection, key: Option<&str>) -> QueryResult<()> {
        diesel::update(self).set(profiles::avatar_key.eq(key)).execute(conn).map(drop)
    }
}
