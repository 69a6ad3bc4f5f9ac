//! `plaza migrate [up|down|status]`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Result;
use super::database::Database;
use crate::config::Config;
use crate::db::migrations;

/// Bring the database's tables up to date, or revert the last migration.
#[derive(Args)]
pub struct Migrate {
    /// The action to take
    #[arg(value_enum, default_value = "up")]
    action: Action,
    /// Do not ask for confirmation before `down`
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Apply the pending migrations
    Up,
    /// Revert the last migration, and lose what it added
    Down,
    /// List the migrations, and whether each is applied
    Status,
}

impl Migrate {
    /// Ask for confirmation at a terminal, because what the last migration added is lost.
    fn is_sure(&self) -> Result<bool> {
        if self.yes || !std::io::stdin().is_terminal() {
            return Ok(true);
        }
        print!("This drops what the last migration added, including data. Continue? [y/N] ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Run the action, and print what was done.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::for_command(config)?;
        let mut conn = database.connect()?;
        match self.action {
            Action::Up => {
                let applied = migrations::up(&mut conn)?;
                if applied.is_empty() {
                    println!("Nothing to apply: the database is up to date.");
                }
                for name in &applied {
                    println!("applied {name}");
                }
            }
            Action::Down if self.is_sure()? => match migrations::down(&mut conn)? {
                Some(name) => println!("reverted {name}"),
                None => println!("Nothing to revert: no migration is applied."),
            },
            Action::Down => println!("Nothing was reverted."),
            Action::Status => {
                for status in migrations::status(&mut conn)? {
                    println!("[{}] {}", if status.applied { 'x' } else { ' ' }, status.name);
                }
            }
        }
        drop(conn);
        database.stop()?;
        Ok(ExitCode::SUCCESS)
    }
}
