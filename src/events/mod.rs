//! What happens after a transaction: the outbox, the workers that run its jobs, and the purge of expired rows.
//!
//! A job is in the outbox once the transaction that causes it is committed. Any live node takes it, woken by a notice, and runs
//! it at least once: a receiver must tolerate that a job runs twice. A job that fails is retried after a delay that grows.
//!
//! A receiver is one function, and one line in `receivers`. Some receivers run the jobs that request handlers write. Others
//! subscribe to events, from which the `publisher` makes jobs.

pub mod accounts;
pub mod administrators;
mod cleanup;
pub mod dispatcher;
pub mod housekeeping;
pub mod mail;
mod outcome;
pub mod publisher;
mod receiver;
mod receivers;
pub mod webhooks;

pub use receiver::JobSignals;
pub use receivers::Means;
