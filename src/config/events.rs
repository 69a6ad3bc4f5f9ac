//! Settings of events: who is notified of them, and how long they are kept.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::time::positive_duration;
use super::values::Switch;
use crate::models::names::Email;

/// The settings of events, webhooks and event streams.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Events")]
pub struct Events {
    /// E-mail addresses of the administrators, who get a mail when a post is created, separated by commas [default: none]
    #[arg(long, env = "PLAZA_ADMINS", global = true)]
    pub admins: Option<Admins>,

    /// Whether webhooks may call private and loopback addresses
    #[arg(long, env = "PLAZA_WEBHOOK_PRIVATE", default_value = "off", global = true)]
    pub webhook_private: Switch,

    /// How long a webhook may fail without a success before it is disabled
    #[arg(long, env = "PLAZA_WEBHOOK_PATIENCE", default_value = "3d", value_parser = positive_duration, global = true)]
    pub webhook_patience: Duration,

    /// How long events and their deliveries are kept
    #[arg(long, env = "PLAZA_EVENTS_KEPT", default_value = "30d", value_parser = positive_duration, global = true)]
    pub events_kept: Duration,

    /// Maximum number of concurrent event streams per user and node
    #[arg(long, env = "PLAZA_STREAMS_PER_USER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), global = true)]
    pub streams_per_user: u32,
}

impl Events {
    /// Return the addresses of the administrators, each address once.
    pub fn admins(&self) -> &[Email] {
        self.admins.as_ref().map_or(&[], |admins| &admins.0)
    }
}

/// The addresses of the administrators. The list may be empty.
#[derive(Clone, Debug)]
pub struct Admins(Vec<Email>);

impl FromStr for Admins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut admins: Vec<Email> = Vec::new();
        for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let admin = Email::parse(text)
                .ok_or_else(|| format!("{text:?} is not an e-mail address such as ana@example.com"))?;
            if admins.iter().all(|other| other.key() != admin.key()) {
                admins.push(admin);
            }
        }
        Ok(Self(admins))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        events: Events,
    }

    fn parse(flags: &[&str]) -> Result<Events, String> {
        let settings = Settings::try_parse_from(["plaza"].iter().chain(flags));
        settings.map(|settings| settings.events).map_err(|error| error.to_string())
    }

    #[test]
    fn administrators_are_addresses_separated_by_commas() {
        for (text, meant) in [
            ("ana@example.com", vec!["ana@example.com"]),
            ("ana@example.com, Bob@example.com,", vec!["ana@example.com", "Bob@example.com"]),
            ("ana@example.com,ANA@example.com", vec!["ana@example.com"]),
            ("", vec![]),
        ] {
            let events = parse(&["--admins", text]).unwrap();
            assert_eq!(events.admins().iter().map(Email::as_str).collect::<Vec<_>>(), meant, "{text}");
        }
        for wrong in
            ["ana", "ana@example.com,bob", "Ana <ana@example.com>", "ana@example.com;bob@example.com"]
        {
            let told = parse(&["--admins", wrong]).unwrap_err();
            assert!(told.contains("is not an e-mail address such as ana@example.com"), "{told}");
        }
        assert!(parse(&["--admins", "ana@example.com,bob"]).unwrap_err().contains("\"bob\" is not"));
    }

    #[test]
    fn nobody_is_told_and_nothing_private_is_called_unless_it_is_said() {
        let events = parse(&[]).unwrap();
        assert!(events.admins().is_empty() && !events.webhook_private.is_on());
        assert!(parse(&["--webhook-private", "on"]).unwrap().webhook_private.is_on());
        assert!(parse(&["--webhook-private", "yes"]).is_err());
    }
}
