//! Settings of accounts: how long tokens and sessions last, how long the throttle makes clients wait, and how mails are sent.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::time::{duration, positive_duration};
use super::values::{ConfigError, Switch, base_url, secret};

/// The settings of sessions, mails and throttling.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accounts")]
pub struct Accounts {
    /// How long an access token is valid
    #[arg(long, env = "PLAZA_ACCESS_LIFETIME", default_value = "15m", value_parser = positive_duration, global = true)]
    pub access_lifetime: Duration,

    /// How long a refresh token is valid if it is not used
    #[arg(long, env = "PLAZA_REFRESH_LIFETIME", default_value = "14d", value_parser = positive_duration, global = true)]
    pub refresh_lifetime: Duration,

    /// How long a session lasts at most, no matter how often it is refreshed
    #[arg(long, env = "PLAZA_SESSION_LIFETIME", default_value = "90d", value_parser = positive_duration, global = true)]
    pub session_lifetime: Duration,

    /// How long a used refresh token still returns the session's current tokens, for parallel tabs
    #[arg(long, env = "PLAZA_REFRESH_GRACE", default_value = "10s", value_parser = duration, global = true)]
    pub refresh_grace: Duration,

    /// How long a used refresh token still returns its successor if the successor has not been used, for lost responses
    #[arg(long, env = "PLAZA_REFRESH_REPEAT", default_value = "10m", value_parser = duration, global = true)]
    pub refresh_repeat: Duration,

    /// How long after a login users may delete their accounts without logging in again
    #[arg(long, env = "PLAZA_FRESH_LOGIN", default_value = "10m", value_parser = positive_duration, global = true)]
    pub fresh_login: Duration,

    /// How long the link that confirms an e-mail address is valid
    #[arg(long, env = "PLAZA_CONFIRMATION_LIFETIME", default_value = "3d", value_parser = positive_duration, global = true)]
    pub confirmation_lifetime: Duration,

    /// How long the link that sets a new password is valid
    #[arg(long, env = "PLAZA_RESET_LIFETIME", default_value = "1h", value_parser = positive_duration, global = true)]
    pub reset_lifetime: Duration,

    /// How long the response to a request with an Idempotency-Key is kept
    #[arg(long, env = "PLAZA_IDEMPOTENCY_LIFETIME", default_value = "7d", value_parser = positive_duration, global = true)]
    pub idempotency_lifetime: Duration,

    /// Whether clients that make too many attempts must wait
    #[arg(long, env = "PLAZA_THROTTLE", default_value = "on", global = true)]
    pub throttle: Switch,

    /// Longest wait between two attempts
    #[arg(long, env = "PLAZA_THROTTLE_DELAY", default_value = "60s", value_parser = positive_duration, global = true)]
    pub throttle_delay: Duration,

    /// How long a network from which a user has logged in is throttled separately from the networks of strangers
    #[arg(long, env = "PLAZA_KNOWN_NETWORK", default_value = "90d", value_parser = positive_duration, global = true)]
    pub known_network: Duration,

    /// Base URL of the application that links in mails open, at its pages /confirm-email and /reset-password [default: the public URL, where Plaza serves simple pages]
    #[arg(long, env = "PLAZA_APP_URL", value_parser = base_url, global = true)]
    pub app_url: Option<Url>,

    /// Mail server, such as `smtp://user:password@host:587?tls=required` [default: mails are written to files in the data folder]
    #[arg(long, env = "PLAZA_SMTP_URL", hide_env_values = true, global = true)]
    pub smtp_url: Option<String>,

    /// File that contains the URL of the mail server
    #[arg(long, env = "PLAZA_SMTP_URL_FILE", conflicts_with = "smtp_url", global = true)]
    pub smtp_url_file: Option<PathBuf>,

    /// Sender of mails
    #[arg(long, env = "PLAZA_MAIL_FROM", default_value = "Plaza <plaza@localhost>", global = true)]
    pub mail_from: String,
}

impl Accounts {
    /// Return the URL of the mail server, from the setting or from the file that another setting names. `None` if neither is given
    /// or the URL is empty: then mails become files.
    pub fn smtp_url(&self) -> Result<Option<String>, ConfigError> {
        let url = secret("PLAZA_SMTP_URL_FILE", self.smtp_url.as_ref(), self.smtp_url_file.as_ref())?;
        Ok(url.filter(|url| !url.is_empty()))
    }
}
