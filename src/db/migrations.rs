//! Migrations, embedded in the program. They are applied under an advisory lock, so that many nodes may start concurrently.

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The error of a migration.
pub type MigrationError = Box<dyn std::error::Error + Send + Sync>;

/// One migration, and whether the database has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// Version and name, such as `00000000000001_users`.
    pub name: String,
    /// Whether the migration is applied.
    pub applied: bool,
}

/// Return every migration of the program, in order.
pub fn status(conn: &mut PgConnection) -> Result<Vec<Status>, MigrationError> {
    let applied = conn.applied_migrations()?;
    let mut all: Vec<Box<dyn Migration<Pg>>> = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    all.sort_by_key(|migration| migration.name().version().as_owned());
    Ok(all
        .iter()
        .map(|migration| Status {
            name: migration.name().to_string(),
            applied: applied.contains(&migration.name().version().as_owned()),
        })
        .collect())
}

/// Apply the pending migrations, and return their names. If another node is doing this too, wait for it.
pub fn up(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    locked(conn, |conn| {
        let pending =
            status(conn)?.into_iter().filter(|status| !status.applied).map(|status| status.name).collect();
        conn.run_pending_migrations(MIGRATIONS)?;
        Ok(pending)
    })
}

/// Revert the last migration, and return its name; `None` if there is none left.
pub fn down(conn: &mut PgConnection) -> Result<Option<String>, MigrationError> {
    locked(conn, |conn| {
        let last = status(conn)?.into_iter().rfind(|status| status.applied).map(|status| status.name);
        if last.is_some() {
            conn.revert_last_migration(MIGRATIONS)?;
        }
        Ok(last)
    })
}

/// Run `work` under an advisory lock. The lock's key contains the schema's name: schemas of one database migrate independently.
fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    // A migration may take longer than any request.
    conn.batch_execute("SET statement_timeout = 0")?;
    let key = "hashtextextended('plaza migrations ' || current_schema(), 0)";
    diesel::sql_query(format!("SELECT pg_advisory_lock({key})")).execute(conn)?;
    let result = work(conn);
    diesel::sql_query(format!("SELECT pg_advisory_unlock({key})")).execute(conn)?;
    result
}
