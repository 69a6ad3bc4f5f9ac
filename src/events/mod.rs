//! What happens after a transaction: the outbox, the workers that run its jobs, and the purge of expired rows.
//!
//! A job is in the outbox once the transaction that causes it is committed. Any live node takes it, woken by a notice, and runs
//! it at least once: a receiver must tolerate that a job runs twice. A job that fails is retried after a delay that grows.
//!
//! A job is a type: its payload in `models::job_payload`, its queue, its attempts and its work as an implementation of
//! [`job::Job`], and one line in `receivers`. Some jobs are written by request handlers. Others subscribe to events, from which
//! the `publisher` makes jobs.

pub mod accounts;
mod administrators;
mod cleanup;
pub mod dispatcher;
pub mod housekeeping;
mod job;
pub mod json;
pub mod mail;
mod outcome;
pub mod publisher;
mod receivers;
pub mod webhooks;

pub use job::{JobContext, JobSignals};
