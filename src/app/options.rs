//! The options of a node's parts, as the settings say. No other part reads the settings.

use crate::api::posts::rules::Rules;
use crate::auth::mail_tokens::MailTokenLifetimes;
use crate::auth::sessions::SessionLifetimes;
use crate::auth::throttle::ThrottleOptions;
use crate::config::Config;
use crate::config::time::to_time_delta;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::housekeeping::Housekeeping;
use crate::events::mail::MailSettings;
use crate::media::MediaOptions;

impl Config {
    pub(super) fn throttle(&self) -> ThrottleOptions {
        ThrottleOptions {
            is_on: self.accounts.throttle.is_on(),
            longest_delay: to_time_delta(self.accounts.throttle_delay),
            known_network: to_time_delta(self.accounts.known_network),
        }
    }

    pub(super) fn mail_tokens(&self) -> MailTokenLifetimes {
        MailTokenLifetimes {
            confirmation: to_time_delta(self.accounts.confirmation_lifetime),
            reset: to_time_delta(self.accounts.reset_lifetime),
        }
    }

    pub(super) fn sessions(&self) -> SessionLifetimes {
        SessionLifetimes {
            sliding: to_time_delta(self.accounts.refresh_lifetime),
            absolute: to_time_delta(self.accounts.session_lifetime),
            grace: to_time_delta(self.accounts.refresh_grace),
            repeat: to_time_delta(self.accounts.refresh_repeat),
        }
    }

    pub(super) fn rules(&self) -> Rules {
        Rules { title_case: self.posts.title_case.is_on(), slug_of_title: self.posts.slug_of_title.is_on() }
    }

    pub(super) fn media(&self) -> MediaOptions {
        MediaOptions {
            memory: self.media_memory,
            threads: self.picture_threads(),
            priority: self.work_priority,
            upload_lease: self.pictures.upload_lease,
            timing: self.timing.clone(),
        }
    }

    pub(super) fn housekeeping(&self, db: Db) -> Housekeeping {
        Housekeeping {
            db,
            access_lifetime: to_time_delta(self.accounts.access_lifetime),
            known_network: to_time_delta(self.accounts.known_network),
            upload_lease: self.pictures.upload_lease,
            events_kept: to_time_delta(self.events.events_kept),
            interval: self.timing.purge_interval,
        }
    }
}

/// Return how mails are sent.
pub fn mail_settings(config: &Config) -> Result<MailSettings> {
    Ok(MailSettings {
        smtp_url: config.accounts.smtp_url().map_err(Error::internal)?,
        from: config.accounts.mail_from.clone(),
        folder: config.data_dir.join("mail"),
        deadline: config.timing.mail_deadline,
    })
}
