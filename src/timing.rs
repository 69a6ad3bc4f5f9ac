//! The intervals and timeouts that no setting changes.
//!
//! They are the fields of one value, so that a test can give a node shorter ones instead of waiting.

use std::time::Duration;

use chrono::TimeDelta;

/// The intervals and timeouts of one node.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long a request waits for a connection of the pool, or for its turn to run a slow statement; after that it gets 503.
    pub pool_wait: Duration,

    /// How long after the database's last answer a node still relies on having received every notice.
    pub stale_after: Duration,
    /// The interval of the heartbeat, which asks the database whether it is reachable: several times within `stale_after`.
    pub heartbeat: Duration,
    /// How long the listener waits before the next attempt to connect.
    pub reconnect: Duration,

    /// The interval between two publications of events. Events that are written in between are published together, so that a
    /// thousand changes do not cause a thousand more transactions.
    pub publish_interval: Duration,
    /// How long new posts are collected for one mail to the administrators.
    pub digest_window: TimeDelta,
    /// How long a node's lease on a job lasts. After that another node takes the job, so no receiver may work longer.
    pub job_lease: TimeDelta,
    /// The longest interval between two polls for jobs, in case a notice is lost.
    pub job_poll: Duration,
    /// The delay after a job's first failure. It doubles with each further failure.
    pub first_delay: TimeDelta,
    /// How long publishing events and working off jobs pause when the database does not answer.
    pub outage_pause: Duration,
    /// The interval at which expired rows are purged.
    pub purge_interval: Duration,

    /// The timeout of one delivery to a webhook, from the lookup of the host to the status.
    pub delivery_deadline: Duration,
    /// The timeout of one mail, from the lookup of the server's name to its last reply.
    pub mail_deadline: Duration,

    /// The interval at which an event stream checks whether its token is still valid.
    pub token_check: Duration,
    /// How long a stream is silent before it sends a comment, so that no proxy closes it as idle.
    pub stream_heartbeat: Duration,

    /// How long a node's claim on a variant that it makes lasts. If the node dies, the other nodes wait until the claim ends.
    pub variant_claim: TimeDelta,
    /// How long making a variant may take. The sum of this and `variant_writing` must be less than `variant_claim`, or two nodes
    /// could write the same variant.
    pub variant_making: Duration,
    /// How long writing a variant to the store may take.
    pub variant_writing: Duration,
    /// How long a request waits for a variant that another node makes.
    pub variant_wait: Duration,
    /// How long a node remembers that the original of a variant is missing, so that repeated requests cost nothing.
    pub missing_remembered: Duration,

    /// How long an upload waits for other uploads to end, and a picture for memory and then for a thread; after that the request
    /// gets 503.
    pub picture_wait: Duration,
    /// How long a request waits for a default picture to be drawn; after that it gets 503.
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
