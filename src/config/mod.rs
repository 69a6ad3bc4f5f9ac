//! All settings. Each one is a flag and an environment variable, with a default that works. No other module reads the environment.
//!
//! `docs/settings.md` is generated from this module, and a test compares the two.

mod accounts;
mod events;
mod pictures;
mod posts;
pub mod time;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::media::store::StoreLocation;
use crate::timing::Timing;
use crate::workers::Priority;
use time::{duration, positive_duration};
use values::{base_url, network, origin, secret};

pub use accounts::Accounts;
pub use events::Events;
pub use pictures::Pictures;
pub use posts::Posts;
pub use values::{ConfigError, Switch};

/// The settings of one node. Every default is safe.
#[derive(Args, Clone)]
pub struct Config {
    /// Address and port of the API
    #[arg(long, env = "PLAZA_LISTEN", default_value = "127.0.0.1:8000", global = true)]
    pub listen: SocketAddr,

    /// Address and port of the listener for operators: /metrics, /livez, /readyz
    #[arg(long, env = "PLAZA_OPS_LISTEN", default_value = "127.0.0.1:8001", global = true)]
    pub ops_listen: SocketAddr,

    /// URL at which clients reach this service; every URL that it returns begins with it
    #[arg(long, env = "PLAZA_PUBLIC_URL", default_value = "http://127.0.0.1:8000", value_parser = base_url, global = true)]
    pub public_url: Url,

    /// Folder of the embedded PostgreSQL, the secret key, and mails if there is no mail server
    #[arg(long, env = "PLAZA_DATA_DIR", default_value = "data", global = true)]
    pub data_dir: PathBuf,

    /// PostgreSQL database to use instead of the embedded one: `postgres://user:password@host/database`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// File that contains the database URL
    #[arg(long, env = "DATABASE_URL_FILE", conflicts_with = "database_url", global = true)]
    pub database_url_file: Option<PathBuf>,

    /// Connections in the pool; choose about twice the cores of the database's machine [default: twice the cores of this one]
    #[arg(long, env = "PLAZA_DATABASE_POOL", value_parser = clap::value_parser!(u32).range(1..=200), global = true)]
    pub database_pool: Option<u32>,

    /// Maximum time that one SQL statement may take, such as 5s or 500ms
    #[arg(long, env = "PLAZA_STATEMENT_TIMEOUT", default_value = "5s", value_parser = positive_duration, global = true)]
    pub statement_timeout: Duration,

    /// Folder of the PostgreSQL programs, if Plaza does not find them by itself
    #[arg(long, env = "PLAZA_POSTGRES_BIN", global = true)]
    pub postgres_bin: Option<PathBuf>,

    /// At least 32 characters; they encrypt the signing keys and key every derived token [default: generated in the data folder]
    #[arg(long, env = "PLAZA_SECRET_KEY", hide_env_values = true, global = true)]
    pub secret_key: Option<String>,

    /// File that contains the secret key
    #[arg(long, env = "PLAZA_SECRET_KEY_FILE", conflicts_with = "secret_key", global = true)]
    pub secret_key_file: Option<PathBuf>,

    /// Where pictures are stored: `file:FOLDER`, or `s3://BUCKET/PREFIX` with the usual AWS_… variables
    #[arg(long, env = "PLAZA_STORE", default_value = "file:media", global = true)]
    pub store: StoreLocation,

    /// The `AWS_…` variables, which configure access to a bucket; see [`aws_variables`]
    #[arg(skip)]
    pub aws: Vec<(String, String)>,

    /// The intervals and timeouts that no setting changes
    #[arg(skip)]
    pub timing: Timing,

    /// Memory for all pictures that are being processed, in MiB
    #[arg(long, env = "PLAZA_MEDIA_MEMORY", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=65536), global = true)]
    pub media_memory: u32,

    /// Origins from which browsers may call the API, separated by commas; * for all
    #[arg(long, env = "PLAZA_CORS_ORIGINS", value_delimiter = ',', value_parser = origin, global = true)]
    pub cors_origins: Vec<String>,

    /// Addresses and networks, such as 10.0.0.0/8, of reverse proxies whose X-Forwarded-For is trusted, separated by commas
    #[arg(long, env = "PLAZA_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, global = true)]
    pub trusted_proxies: Vec<IpNet>,

    /// Memory for hashing one password, in KiB; when it rises, each password is hashed again at its user's next login
    #[arg(long, env = "PLAZA_ARGON2_MEMORY", default_value_t = argon2::Params::DEFAULT_M_COST, value_parser = clap::value_parser!(u32).range(8..=1_048_576), global = true)]
    pub argon2_memory: u32,

    /// Passes over that memory for hashing one password; when it rises, each password is hashed again at its user's next login
    #[arg(long, env = "PLAZA_ARGON2_PASSES", default_value_t = argon2::Params::DEFAULT_T_COST, value_parser = clap::value_parser!(u32).range(1..=100), global = true)]
    pub argon2_passes: u32,

    /// Threads that hash passwords [default: one less than there are cores, so that one is left for everything else]
    #[arg(long, env = "PLAZA_ARGON2_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024), global = true)]
    pub argon2_threads: Option<u16>,

    /// On Linux, the priority of the threads that hash passwords and process pictures
    #[arg(long, env = "PLAZA_WORK_PRIORITY", default_value = "idle", global = true)]
    pub work_priority: Priority,

    /// How long a node that is stopping still accepts requests, while /readyz answers 503
    #[arg(long, env = "PLAZA_DRAIN", default_value = "1s", value_parser = duration, global = true)]
    pub drain: Duration,

    /// How long a request body may pause or stay below 1 KiB per second
    #[arg(long, env = "PLAZA_BODY_GRACE", default_value = "10s", value_parser = positive_duration, global = true)]
    pub body_grace: Duration,

    /// On Linux, how long a client may accept none of the data that is sent to it before the system closes the connection
    #[arg(long, env = "PLAZA_PEER_PATIENCE", default_value = "30s", value_parser = positive_duration, global = true)]
    pub peer_patience: Duration,

    /// Log level: error, warn, info, debug or trace, or levels per module, as in `plaza=debug,actix_web=warn`
    #[arg(long, env = "PLAZA_LOG", default_value = "info", global = true)]
    pub log: String,

    /// Format of the log
    #[arg(long, env = "PLAZA_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,

    /// Threads that answer requests [default: one per core]
    #[arg(long, env = "PLAZA_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024), global = true)]
    pub workers: Option<u16>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub accounts: Accounts,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub pictures: Pictures,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub posts: Posts,

    #[command(flatten)]
    #[expect(missing_docs, reason = "its type says it")]
    pub events: Events,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

impl Config {
    /// Return the URL of the database to use instead of the embedded one, from the setting or from the file that another setting
    /// names.
    pub fn database_url(&self) -> Result<Option<String>, ConfigError> {
        secret("DATABASE_URL_FILE", self.database_url.as_ref(), self.database_url_file.as_ref())
    }

    /// Return the secret key, from the setting or from the file that another setting names. `None` means that the key is in the
    /// data folder.
    pub fn secret_key(&self) -> Result<Option<String>, ConfigError> {
        secret("PLAZA_SECRET_KEY_FILE", self.secret_key.as_ref(), self.secret_key_file.as_ref())
    }

    /// Return the cost of hashing a password. A hash has one lane, since each worker thread hashes alone.
    pub fn argon2(&self) -> argon2::Params {
        argon2::Params::new(self.argon2_memory, self.argon2_passes, 1, None)
            .expect("both settings are bounded to what Argon2 takes")
    }

    /// Return the number of threads that hash passwords. By default they leave one core to everything else. Their low priority
    /// alone does not keep them from delaying a read, least of all where the kernel divides the cores among sessions first
    /// (`sched(7)`, "The autogroup feature"): each PostgreSQL process of a connection is a separate session, in which our
    /// priorities mean nothing.
    pub fn argon2_threads(&self) -> usize {
        self.argon2_threads.map_or_else(|| (cores() - 1).max(1), usize::from)
    }

    /// Return the maximum number of connections in the pool. Throughput peaks at about twice the cores of the database's machine;
    /// more connections only queue there.
    pub fn database_pool(&self) -> u32 {
        self.database_pool.unwrap_or_else(|| 2 * u32::try_from(cores()).unwrap_or(2))
    }

    /// Return the number of threads that decode and encode pictures. By default they leave one core to everything else, for the
    /// reason that [`Config::argon2_threads`] gives.
    pub fn picture_threads(&self) -> usize {
        self.pictures.picture_threads.map_or_else(|| (cores() - 1).max(1), usize::from)
    }

    /// Return the number of threads that answer requests.
    pub fn workers(&self) -> usize {
        self.workers.map_or_else(cores, usize::from)
    }
}

/// Return the number of cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// Return `PATH`, in which the embedded database looks for PostgreSQL's programs.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// Return every `AWS_…` variable. Amazon defines these names, so they are not settings of Plaza, and mean the same as elsewhere.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn aws_variables() -> Vec<(String, String)> {
    std::env::vars_os()
        // Amazon's variables are text. One that is not UTF-8 is ignored, as Amazon's own clients do.
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_want_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("14d"), Ok(Duration::from_hours(14 * 24)));
        for wrong in ["", "5", "s", "-1s", "1.5s", "5w", "99999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        for (text, meant) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()), Ok(meant.to_owned()));
        }
        for wrong in
            ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "fd00::/129", "/8", "[::1]"]
        {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas_and_bounds_are_kept() {
        #[derive(clap::Parser)]
        struct Settings {
            #[command(flatten)]
            config: Config,
        }
        let parse = |flags: &[&str]| {
            <Settings as clap::Parser>::try_parse_from(["plaza"].iter().chain(flags))
                .map(|settings| settings.config)
        };
        let config = parse(&["--trusted-proxies", "10.0.0.0/8,::1"]).expect("settings");
        let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
        let cost = |config: Config| (config.argon2().m_cost(), config.argon2().t_cost());
        assert_eq!(cost(config), (19_456, 2));
        for (memory, passes) in [(8, 1), (1_048_576, 100)] {
            let flags = ["--argon2-memory", &memory.to_string(), "--argon2-passes", &passes.to_string()];
            assert_eq!(cost(parse(&flags).expect("settings")), (memory, passes));
        }
        for wrong in [["--argon2-memory", "7"], ["--argon2-memory", "1048577"], ["--argon2-passes", "0"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for right in ["*", "https://app.example", "http://localhost:3000"] {
            assert!(origin(right).is_ok(), "{right}");
        }
        for wrong in
            ["", "not an origin", "app.example", "https://app.example/", "https://app.example/x", "ftp://x"]
        {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn stores_are_folders_or_buckets() {
        assert_eq!("file:media".parse(), Ok(StoreLocation::File("media".into())));
        let bucket = |bucket: &str, prefix: &str| {
            Ok(StoreLocation::S3 { bucket: bucket.into(), prefix: prefix.into() })
        };
        assert_eq!("s3://pictures/plaza/".parse(), bucket("pictures", "plaza"));
        assert_eq!("s3://pictures".parse(), bucket("pictures", ""));
        for wrong in ["", "media", "file:", "s3://", "ftp://x"] {
            assert!(wrong.parse::<StoreLocation>().is_err(), "{wrong}");
        }
    }
}
