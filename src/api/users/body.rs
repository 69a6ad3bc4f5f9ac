//! The bodies of requests about users, and their validation. The resulting values cannot be invalid.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::input::{Check, Member};
use crate::auth::password_rules;
use crate::auth::passwords::Passwords;
use crate::db::Db;
use crate::error::{Code, Error, Result, Violation};
use crate::models::names::{EMAIL_MAX, Email, USERNAME_MAX, Username};
use crate::models::user::{Clash, NewUser, UserChanges};

/// The registration of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Unicode letters, digits and `@ . + - _`; not only dots, and not `me`.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 150, examples("ana"))]
    username: Member<String>,
    /// E-mail address that can receive mail.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, examples("ana@example.org"))]
    email: Member<String>,
    /// Not only digits, not a common password, and not similar to the username or the address. White space is significant.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 256)]
    password: Member<String>,
}

/// A valid registration. Its password is not hashed yet.
pub struct Registration {
    /// The username.
    pub username: Username,
    /// The e-mail address.
    pub email: Email,
    /// The password in clear text.
    pub password: String,
}

impl CreateUser {
    pub(super) fn validate(self) -> Result<Registration> {
        let mut check = Check::default();
        let username = check.required("username", self.username);
        let email = check.required("email", self.email);
        let password = check.required("password", self.password);
        Registration::check(check, username, email, password)
    }
}

impl Registration {
    /// Validate a registration that does not come over HTTP, but from the command line.
    pub fn new(username: String, email: String, password: String) -> Result<Self> {
        Self::check(Check::default(), Some(username), Some(email), Some(password))
    }

    fn check(
        mut check: Check,
        username: Option<String>,
        email: Option<String>,
        password: Option<String>,
    ) -> Result<Self> {
        let parsed_username = username.as_deref().and_then(|text| parse_username(&mut check, text));
        let parsed_email = email.as_deref().and_then(|text| parse_email(&mut check, text));
        if let Some(password) = &password {
            check.characters("password", password);
            // Compare only with a valid username and address: a comparison with a megabyte of text takes seconds.
            check.faults(password_rules::judge(
                password,
                parsed_username.as_ref().map_or("", Username::as_str),
                parsed_email.as_ref().map_or("", Email::as_str),
                "/password",
            ));
        }
        check.finish(|| Some(Self { username: parsed_username?, email: parsed_email?, password: password? }))
    }

    /// Hash the password. 409 if the name or the address is already taken, which is checked first because that is cheap.
    pub async fn prepare(self, db: &Db, passwords: &Passwords, is_staff: bool) -> Result<NewUser> {
        let (username, email) = (self.username.clone(), self.email.clone());
        match db.run(move |conn| Ok(NewUser::clash(conn, &username, &email)?)).await? {
            Some(Clash::Username) => {
                Err(Error::refused(Code::UsernameTaken, Code::UsernameTaken.entry().meaning))
            }
            Some(Clash::Email) => Err(Error::refused(Code::EmailTaken, Code::EmailTaken.entry().meaning)),
            None => Ok(NewUser {
                password_hash: passwords.hash(self.password).await?,
                username: self.username,
                email: self.email,
                is_staff,
            }),
        }
    }
}

fn parse_username(check: &mut Check, text: &str) -> Option<Username> {
    let text = check.text("username", text, 1, USERNAME_MAX);
    let parsed = Username::parse(&text);
    if parsed.is_none() && !text.is_empty() {
        check.fault(Violation::body(
            "/username",
            "invalid_username",
            "A username may contain only letters, digits and @ . + - _. It must not be `me`, nor dots alone.",
        ));
    }
    parsed
}

/// Parse the field `email`, or note a fault.
pub fn parse_email(check: &mut Check, text: &str) -> Option<Email> {
    let text = check.text("email", text, 1, EMAIL_MAX);
    let parsed = Email::parse(&text);
    if parsed.is_none() && !text.is_empty() {
        check.fault(Violation::body("/email", "invalid_email", "`email` must be an e-mail address."));
    }
    parsed
}

/// Changes to a user. Fields that are left out keep their values.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// New e-mail address. Your own takes effect once it is confirmed with the mail that is sent to it; one that staff set for
    /// another user takes effect immediately.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = "email", max_length = 254)]
    email: Member<String>,
    /// Required to change your own address.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = Password)]
    current_password: Member<String>,
    /// Staff only: whether the user may log in.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    is_active: Member<bool>,
    /// Staff only: whether the user is a staff member, who may administer everything.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    is_staff: Member<bool>,
}

impl UpdateUser {
    pub(super) fn is_administration(&self) -> bool {
        self.is_active != Member::Absent || self.is_staff != Member::Absent
    }

    /// Validate the changes, to the caller or to another user. `present_email` is the current address of that user.
    pub(super) fn validate(self, of_oneself: bool, present_email: &str) -> Result<Change> {
        let mut check = Check::default();
        let email = check.optional("email", self.email);
        let email = email.and_then(|text| parse_email(&mut check, &text));
        let password = match (of_oneself && email.is_some(), self.current_password) {
            (true, password) => check.required("current_password", password),
            (false, _) => None,
        };
        let mut row = UserChanges {
            is_active: check.optional("is_active", self.is_active),
            is_staff: check.optional("is_staff", self.is_staff),
            ..UserChanges::default()
        };
        let email = email.filter(|email| email.as_str() != present_email);
        let (wanted_email, new_email) = if of_oneself { (email, None) } else { (None, email) };
        if let Some(email) = &new_email {
            row.set_email(email);
        }
        check.finish(|| Some(Change { row, wanted_email, new_email, password }))
    }
}

/// Valid changes to a user.
pub(super) struct Change {
    /// The changes that take effect immediately.
    pub row: UserChanges,
    /// The address that users request for themselves, which takes effect once it is confirmed.
    pub wanted_email: Option<Email>,
    /// The new address in `row`, if staff change it.
    pub new_email: Option<Email>,
    /// The user's password, which must be right if users request an address for themselves.
    pub password: Option<String>,
}
