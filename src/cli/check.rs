//! `plaza check`.

use std::process::ExitCode;

use chrono::Utc;
use diesel::prelude::*;
use prometheus_client::metrics::counter::Counter;

use super::Result;
use super::database::Database;
use crate::app::mail_settings;
use crate::auth::keys::Ring;
use crate::auth::secret::Secret;
use crate::config::Config;
use crate::db::{Db, migrations};
use crate::events::mail::Mailer;
use crate::media::store::Store;
use crate::media::variants::PictureKind;

/// The versions of PostgreSQL that Plaza supports, in the form of `server_version_num`.
const VERSIONS: std::ops::Range<i32> = 150_000..190_000;

/// Check settings, database, store and mail, and print a line for each, with what is wrong and how to fix it. Exits with 1 if
/// anything is wrong. It changes nothing, except that it starts the embedded database if no server runs.
pub fn run(config: &Config) -> Result<ExitCode> {
    let mut report = Report::default();
    let secret = find_secret(config);
    report.line("secret key", secret.as_ref().map(|secret| describe(secret.as_ref())));
    report.line("public URL", public_url(config));
    let database = Database::for_command(config).and_then(|database| Ok((database.connect()?, database)));
    match database {
        Ok((mut conn, database)) => {
            report.line("database", version(&mut conn));
            report.line("migrations", pending(&mut conn));
            // A secret that cannot be read is reported above.
            if let Ok(Some(secret)) = &secret {
                report.line("signing keys", keys(secret, &database, config));
            }
            drop(conn);
            database.stop()?;
        }
        Err(error) => report.line("database", Err(error)),
    }
    report.line("pictures", pictures(config));
    report.line("store", store(config));
    report.line("mail", mail(config));
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find_secret(config: &Config) -> Result<Option<Secret>> {
    Ok(Secret::find(config.secret_key()?, &config.data_dir)?)
}

fn describe(secret: Option<&Secret>) -> String {
    match secret {
        Some(_) => "long enough".into(),
        None => "none yet; the first `plaza serve` generates it in the data folder".into(),
    }
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
                // libpq ends its messages with a line break.
                let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                println!("FAILED  {what}: {error}");
            }
        }
    }
}

fn public_url(config: &Config) -> Result<String> {
    let is_local = matches!(config.public_url.host_str(), Some("127.0.0.1" | "localhost"));
    if is_local && !config.listen.ip().is_loopback() {
        let problem = "this URL is local, but PLAZA_LISTEN is not, so other machines cannot follow the URLs";
        return Err(format!(
            "{}: {problem}. Set PLAZA_PUBLIC_URL to the URL at which clients reach this service",
            config.public_url
        )
        .into());
    }
    Ok(config.public_url.to_string())
}

fn version(conn: &mut PgConnection) -> Result<String> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        number: i32,
    }
    let Version { number } =
        diesel::sql_query("SELECT current_setting('server_version_num')::integer AS number")
            .get_result(conn)?;
    let major = number / 10_000;
    if VERSIONS.contains(&number) {
        Ok(format!("PostgreSQL {major}"))
    } else {
        let needed = "Plaza needs PostgreSQL 15 to 18. Move the data to one of these with pg_dump";
        Err(format!("PostgreSQL {major} is not supported. {needed}").into())
    }
}

fn pending(conn: &mut PgConnection) -> Result<String> {
    let pending = migrations::status(conn)?.iter().filter(|status| !status.applied).count();
    match pending {
        0 => Ok("all applied".into()),
        pending => Err(format!("{pending} pending. Run `plaza migrate`").into()),
    }
}

fn keys(secret: &Secret, database: &Database, config: &Config) -> Result<String> {
    let db = Db::new(database.url(), 1, config.statement_timeout);
    let keys = db.transaction_blocking(|conn| Ring::find(conn, secret)).map_err(|error| error.to_string())?;
    Ok(match keys {
        Some(ring) => format!("the secret key decrypts them; {} signs", ring.signing(Utc::now())?.0),
        None => "none yet; the first `plaza serve` generates one".into(),
    })
}

fn mail(config: &Config) -> Result<String> {
    let settings = mail_settings(config)?;
    let probe = async { Mailer::open(&settings)?.probe().await };
    let answer = actix_web::rt::System::new().block_on(probe);
    Ok(answer.map_err(|error| format!("{error}. Check PLAZA_SMTP_URL and PLAZA_MAIL_FROM"))?)
}

fn pictures(config: &Config) -> Result<String> {
    let kinds = config.pictures.kinds()?;
    let names = |of: &PictureKind| {
        of.variants.iter().map(|variant| variant.name.clone()).collect::<Vec<_>>().join(", ")
    };
    Ok(format!("avatars in {}; covers in {}", names(&kinds.avatar), names(&kinds.cover)))
}

fn store(config: &Config) -> Result<String> {
    let probe = async { Store::open(&config.store, &config.aws, Counter::default())?.probe().await };
    actix_web::rt::System::new()
        .block_on(probe)
        .map_err(|error| format!("{error}. Check PLAZA_STORE, and whether this user may write there"))?;
    Ok("a file was written, read and removed".into())
}
