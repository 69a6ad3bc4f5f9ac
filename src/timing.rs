//! How long the program waits, where no setting says so.
//!
//! They are one value, so that a test can give the node shorter ones instead of waiting.

use std::time::Duration;

use chrono::TimeDelta;

/// The intervals of one node.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long a request waits for a connection of the pool, or for its turn; after that it is 503.
    pub pool_wait: Duration,

    /// How long after the database's last answer a node relies on having received every notice.
    pub stale_after: Duration,
    /// How often the database is asked whether it is there: several times within `stale_after`.
    pub heartbeat: Duration,
    /// How long the listener waits before the next try to connect.
    pub reconnect: Duration,

    /// From one publication of events to the next: what is written meanwhile is published together, so that a thousand changes are
    /// no thousand transactions more.
    pub publish_interval: Duration,
    /// How long new posts are gathered for one mail to the administrators.
    pub digest_window: TimeDelta,
    /// How long a node's lease on a job lasts. After that another node takes the job, so no receiver may work longer.
    pub job_lease: TimeDelta,
    /// The longest time between two polls for jobs, in case a notice is lost.
    pub job_poll: Duration,
    /// The delay after a job's first failure; it doubles with each.
    pub first_delay: TimeDelta,
    /// How long publication and jobs pause when the database does not answer.
    pub outage_pause: Duration,
    /// How often what has had its time is purged.
    pub purge_interval: Duration,

    /// Longest time for one delivery to a webhook, from the look-up of the host to the status.
    pub delivery_deadline: Duration,
    /// Longest time for one mail, from the look-up of the server's name to its last word.
    pub mail_deadline: Duration,

    /// How often a stream of events looks whether its token is still good.
    pub token_check: Duration,
    /// How long a stream is silent before it sends a comment, so that no proxy closes it as idle.
    pub stream_heartbeat: Duration,

    /// How long a node's claim on a variant that it makes lasts. If the node dies, the others wait for the end of the claim.
    pub variant_claim: TimeDelta,
    /// How long making a variant may take; with `variant_writing` less than `variant_claim`, or two could write it.
    pub variant_making: Duration,
    /// How long writing it may take.
    pub variant_writing: Duration,
    /// How long a request waits for a variant that another node makes.
    pub variant_wait: Duration,
    /// How long it is remembered that a variant's original is missing, so that asking again costs nothing.
    pub missing_remembered: Duration,

    /// How long an upload waits for others to end, and a picture for memory and then for a thread; after that it is 503.
    pub picture_wait: Duration,
    /// How long a request waits for a default picture to be drawn; after that it is 503.
    pub drawing_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pool_wait: Duration::from_secs(3),
            stale_after: Duration::from_secs(1),
            heartbeat: Duration::from_millis(250),
            reconnect: Duration::from_millis(250),
            publish_interval: Duration::from_millis(100),
            digest_window: TimeDelta::seconds(5),
            job_lease: TimeDelta::seconds(60),
            job_poll: Duration::from_secs(10),
            first_delay: TimeDelta::seconds(2),
            outage_pause: Duration::from_secs(1),
            purge_interval: Duration::from_mins(1),
            delivery_deadline: Duration::from_secs(10),
            mail_deadline: Duration::from_secs(15),
            token_check: Duration::from_millis(500),
            stream_heartbeat: Duration::from_secs(15),
            variant_claim: TimeDelta::seconds(30),
            variant_making: Duration::from_secs(15),
            variant_writing: Duration::from_secs(10),
            variant_wait: Duration::from_secs(15),
            missing_remembered: Duration::from_secs(2),
            picture_wait: Duration::from_secs(10),
            drawing_wait: Duration::from_secs(5),
        }
    }
}
