//! Users: the accounts that can log in.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Viewer;
use super::names::{Email, Username, fold};
use super::session::Session;
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{account_tokens, login_names, users};

/// A row of `users`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct User {
    pub id: i64,
    pub username: String,
    pub username_key: String,
    pub email: String,
    pub email_key: String,
    pub email_verified_at: Option<DateTime<Utc>>,
    pub password_hash: String,
    pub is_active: bool,
    pub is_staff: bool,
    pub last_login: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// The values for a new user. The database creates the profile.
#[derive(Debug)]
pub struct NewUser {
    /// Unique regardless of case.
    pub username: Username,
    /// Unique regardless of case.
    pub email: Email,
    /// PHC string of Argon2id.
    pub password_hash: String,
    /// Whether the user may administer everything.
    pub is_staff: bool,
}

/// The columns that a request may change. `None` keeps a value.
#[derive(AsChangeset, Debug, Default)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct UserChanges {
    pub email: Option<String>,
    pub email_key: Option<String>,
    pub email_verified_at: Option<Option<DateTime<Utc>>>,
    pub is_active: Option<bool>,
    pub is_staff: Option<bool>,
}

impl UserChanges {
    /// Set another address, which is not confirmed yet.
    pub fn set_email(&mut self, email: &Email) {
        self.email = Some(email.as_str().to_owned());
        self.email_key = Some(email.key().to_owned());
        self.email_verified_at = Some(None);
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.email.is_none() && self.is_active.is_none() && self.is_staff.is_none()
    }
}

impl NewUser {
    /// Insert the user. Violates `users_username_key_key` or `users_email_key_key` if another user has the name or the address.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<User> {
        diesel::insert_into(users::table)
            .values((
                users::username.eq(self.username.as_str()),
                users::username_key.eq(self.username.key()),
                users::email.eq(self.email.as_str()),
                users::email_key.eq(self.email.key()),
                users::password_hash.eq(&self.password_hash),
                users::is_staff.eq(self.is_staff),
            ))
            .returning(User::as_returning())
            .get_result(conn)
    }

    /// Return which of the two unique keys is already taken. This is a hint that avoids hashing a password in vain: only the
    /// insert itself decides.
    pub fn clash(conn: &mut PgConnection, username: &Username, email: &Email) -> QueryResult<Option<Clash>> {
        let keys: Vec<String> = login_names::table
            .filter(login_names::key.eq_any([username.key(), email.key()]))
            .select(login_names::key)
            .load(conn)?;
        Ok(match keys.as_slice() {
            [] => None,
            keys if keys.iter().any(|key| key == username.key()) => Some(Clash::Username),
            _ => Some(Clash::Email),
        })
    }
}

/// The value that a new user shares with an existing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The username.
    Username,
    /// The e-mail address.
    Email,
}

impl User {
    /// Find a user by username, whatever its case. Only staff find inactive users.
    pub fn find(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<Self> {
        // Not boxed, so that diesel finds the prepared statement without writing the SQL again.
        users::table
            .filter(users::username_key.eq(fold(username)))
            .filter(users::is_active.or(viewer.is_staff().into_sql::<Bool>()))
            .select(Self::as_select())
            .first(conn)
    }

    /// Find a user as [`User::find`] does, and lock the row for a change.
    pub fn lock(conn: &mut PgConnection, username: &str, viewer: Viewer) -> QueryResult<Self> {
        let user: Self = users::table
            .filter(users::username_key.eq(fold(username)))
            .select(Self::as_select())
            .for_update()
            .first(conn)?;
        if user.is_active || viewer.is_staff() { Ok(user) } else { Err(diesel::NotFound) }
    }

    /// Return the users who can log in with this username or e-mail address, whatever its case, active or not. There are two if
    /// the username of one looks like the address of the other.
    pub fn by_login(conn: &mut PgConnection, login: &str) -> QueryResult<Vec<Self>> {
        let key = fold(login);
        users::table
            .filter(users::username_key.eq(&key).or(users::email_key.eq(&key)))
            .order(users::username_key.eq(&key).desc())
            .select(Self::as_select())
            .load(conn)
    }

    /// Whether the user still exists, is active, and has the same password and the same address. No other transaction can change
    /// that until this one ends. Call this before you act on what was read earlier, for example after a password was found to be
    /// right.
    pub fn lock_as_read(&self, conn: &mut PgConnection) -> QueryResult<bool> {
        let found: Option<i64> = users::table
            .find(self.id)
            .filter(users::is_active.and(users::password_hash.eq(&self.password_hash)))
            .filter(users::email_key.eq(&self.email_key))
            .select(users::id)
            .for_no_key_update()
            .first(conn)
            .optional()?;
        Ok(found.is_some())
    }

    /// Whether another user logs in with this address, whatever its case.
    pub fn is_email_taken(&self, conn: &mut PgConnection, email: &Email) -> QueryResult<bool> {
        let other =
            login_names::table.filter(login_names::key.eq(email.key()).and(login_names::user_id.ne(self.id)));
        diesel::select(diesel::dsl::exists(other)).get_result(conn)
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<Self>> {
        selection.slice::<Self, _>(conn, |conn, rows| {
            let query = users::table.select((Self::as_select(), rows.place()));
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Update the row, which changes its version, unless no change was requested.
    pub fn update(&self, conn: &mut PgConnection, changes: &UserChanges) -> QueryResult<Self> {
        if changes.is_empty() {
            return Ok(self.clone());
        }
        diesel::update(self).set(changes).returning(Self::as_returning()).get_result(conn)
    }

    /// Find the active user with this e-mail address, whatever its case, and lock the row so that this remains true until the
    /// transaction ends.
    pub fn lock_by_email(conn: &mut PgConnection, email: &Email) -> QueryResult<Option<Self>> {
        users::table
            .filter(users::email_key.eq(email.key()).and(users::is_active))
            .select(Self::as_select())
            .for_no_key_update()
            .first(conn)
            .optional()
    }

    /// Void the tokens of all mails to the user, because the password or the address has changed.
    pub fn void_tokens(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(account_tokens::table.filter(account_tokens::user_id.eq(self.id)))
            .execute(conn)
            .map(drop)
    }

    /// Set another password, whose hash is given. This voids the tokens of all mails to the user and ends every session but
    /// `kept`. Return `false` if the password was changed in the meantime, or the user no longer exists or is inactive.
    pub fn set_password(&self, conn: &mut PgConnection, hash: &str, kept: Option<i64>) -> QueryResult<bool> {
        let is_set = self.replace_hash(conn, hash)?;
        if is_set {
            self.void_tokens(conn)?;
            Session::end_all(conn, self.id, kept)?;
        }
        Ok(is_set)
    }

    /// Store another hash of the same password. Return `false` as [`User::set_password`] does.
    pub fn replace_hash(&self, conn: &mut PgConnection, hash: &str) -> QueryResult<bool> {
        let unchanged = users::table
            .find(self.id)
            .filter(users::is_active.and(users::password_hash.eq(&self.password_hash)));
        Ok(diesel::update(unchanged).set(users::password_hash.eq(hash)).execute(conn)? > 0)
    }

    /// Set an address at which mail has been shown to reach the user. If it differs from the previous address, the tokens of all
    /// mails are void. Violates `users_email_key_key` if another user has the address by now.
    pub fn confirm_email(&self, conn: &mut PgConnection, email: &str, email_key: &str) -> QueryResult<()> {
        diesel::update(self)
            .set((
                users::email.eq(email),
                users::email_key.eq(email_key),
                users::email_verified_at.eq(diesel::dsl::now),
            ))
            .execute(conn)?;
        if email_key != self.email_key {
            self.void_tokens(conn)?;
        }
        Ok(())
    }

    /// Record a login.
    pub fn touch_login(conn: &mut PgConnection, id: i64) -> QueryResult<()> {
        diesel::update(users::table.find(id)).set(users::last_login.eq(diesel::dsl::now)).execute(conn)?;
        Ok(())
    }

    /// Keep other transactions from changing who may administer until this one ends. Call this before any other row is locked.
    /// The rows are locked in one order, so that two administrators who step down concurrently wait for each other instead of
    /// deadlocking.
    pub fn lock_staff(conn: &mut PgConnection) -> QueryResult<Vec<i64>> {
        users::table
            .filter(users::is_staff.and(users::is_active))
            .order(users::id)
            .select(users::id)
            .for_no_key_update()
            .load(conn)
    }

    /// Delete the row. The deletion cascades to the rows that depend on it.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<()> {
        diesel::delete(self).execute(conn).map(drop)
    }
}
