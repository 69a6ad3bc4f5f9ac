//! `plaza check`.

use std::process::ExitCode;

use diesel::prelude::*;

use super::Result;
use super::database::Database;
use crate::auth::keys::Keys;
use crate::auth::secret::Secret;
use crate::config::Config;
use crate::db::{Db, migrations};
use crate::media::store::Store;

/// Oldest and newest PostgreSQL that Plaza knows, as `server_version_num` counts.
const VERSIONS: std::ops::Range<i32> = 150_000..190_000;

/// Check settings, database and store: a line each, with what is wrong and how to mend it. Ends with 1 if anything is.
pub fn run(config: &Config) -> Result<ExitCode> {
    let mut report = Report::default();
    report.line(
        "secret key",
        Secret::load(config.secret_key()?, &config.data_dir).map(|_| "long enough".to_owned()),
    );
    report.line("public URL", public_url(config));
    match Database::for_command(config) {
        Ok(database) => {
            report.line("database", version(&database));
            report.line("migrations", pending(&database));
            report.line("signing keys", keys(config, &database));
            database.stop()?;
        }
        Err(error) => report.line("database", Err(error)),
    }
    report.line("store", store(config));
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn line<E: ToString>(&mut self, what: &str, result: Result<String, E>) {
        match result {
            Ok(detail) => println!("ok      {what}: {detail}"),
            Err(error) => {
                self.failures += 1;
                println!("FAILED  {what}: {}", error.to_string());
            }
        }
    }
}

fn public_url(config: &Config) -> Result<String> {
    let is_local = matches!(config.public_url.host_str(), Some("127.0.0.1" | "localhost"));
    if is_local && !config.listen.ip().is_loopback() {
        let problem = "it is local although PLAZA_LISTEN is not, so clients elsewhere cannot follow the URLs";
        return Err(format!(
            "{}: {problem}. Set PLAZA_PUBLIC_URL to how clients reach this service",
            config.public_url
        )
        .into());
    }
    Ok(config.public_url.to_string())
}

fn version(database: &Database) -> Result<String> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        number: i32,
    }
    let mut conn = database.connect()?;
    let Version { number } =
        diesel::sql_query("SELECT current_setting('server_version_num')::integer AS number")
            .get_result(&mut conn)?;
    let major = number / 10_000;
    if VERSIONS.contains(&number) {
        Ok(format!("PostgreSQL {major}"))
    } else {
        Err(format!("PostgreSQL {major}: Plaza needs 15 to 18. Move the data to one of these with pg_dump")
            .into())
    }
}

fn pending(database: &Database) -> Result<String> {
    let pending =
        migrations::status(&mut database.connect()?)?.iter().filter(|status| !status.applied).count();
    match pending {
        0 => Ok("all applied".into()),
        pending => Err(format!("{pending} are pending. Run `plaza migrate`").into()),
    }
}

fn keys(config: &Config, database: &Database) -> Result<String> {
    let secret = Secret::load(config.secret_key()?, &config.data_dir)?;
    let db = Db::new(database.url(), 1, config.statement_timeout);
    let keys = db
        .transaction_blocking(|conn| Keys::load_or_make(conn, &secret))
        .map_err(|error| error.to_string())?;
    Ok(format!("the secret key opens them; {} signs", keys.signing().0))
}

fn store(config: &Config) -> Result<String> {
    let store = Store::open(&config.store)?;
    actix_web::rt::System::new()
        .block_on(store.probe())
        .map_err(|error| format!("{error}. Is PLAZA_STORE right, and may this user write there?"))?;
    Ok("a file was written, read and removed".into())
}
