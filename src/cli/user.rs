//! `plaza user create`.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Result;
use super::database::Database;
use crate::api::users::{self, Registration};
use crate::auth::passwords::Passwords;
use crate::config::Config;
use crate::db::Db;

/// Manage users.
#[derive(Args)]
pub struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a user, with the same rules as a registration
    Create(Create),
}

#[derive(Args)]
struct Create {
    /// Username
    #[arg(long)]
    username: String,
    /// E-mail address
    #[arg(long)]
    email: String,
    /// Make the user a staff member, who may administer everything
    #[arg(long)]
    staff: bool,
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl User {
    /// Create the user, and print the username.
    pub fn run(self, config: Config) -> Result<ExitCode> {
        let Action::Create(create) = self.action;
        let password = create.password()?;
        let registration =
            Registration::new(create.username, create.email, password).map_err(|error| explain(&error))?;
        let database = Database::migrated(&config)?;
        let db = Db::new(database.url(), 1, config.statement_timeout);
        let user = actix_web::rt::System::new().block_on(async {
            let passwords = Passwords::start(1, config.argon2())?;
            let new = registration.prepare(&db, &passwords, create.staff).await?;
            db.transaction(move |conn| users::insert(conn, &new)).await
        });
        drop(db);
        database.stop()?;
        let user = user.map_err(|error| explain(&error))?;
        let role = if user.is_staff { "staff member" } else { "user" };
        println!("Created the {role} {}.", user.username);
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    fn password(&self) -> Result<String> {
        if self.password_stdin {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !std::io::stdin().is_terminal() {
            return Err("cannot ask for the password without a terminal: use --password-stdin".into());
        }
        let password = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Repeat the password: ")? != password {
            return Err("the passwords do not match".into());
        }
        Ok(password)
    }
}

/// Format an error, with each violation on a separate line.
fn explain(error: &crate::error::Error) -> String {
    match error {
        crate::error::Error::Refused(refusal) if refusal.violations.len() > 1 => refusal
            .violations
            .iter()
            .map(|violation| violation.detail.as_ref())
            .collect::<Vec<_>>()
            .join("\n       "),
        error => error.to_string(),
    }
}
