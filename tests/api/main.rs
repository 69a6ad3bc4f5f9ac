//! The program's HTTP API, in process, on a real PostgreSQL: one private server for the run, a database for each
//! test.

mod app;
#[path = "../support/buckets.rs"]
#[expect(dead_code, reason = "the tests of real programs alone hold requests")]
mod buckets;
mod client;
#[path = "../support/database.rs"]
#[expect(dead_code, reason = "the tests of real programs use the rest")]
mod database;
#[path = "../support/hooks.rs"]
mod hooks;
mod mint;
mod pictures;
#[path = "../support/smtp.rs"]
mod smtp;
#[path = "../support/soak.rs"]
#[expect(dead_code, reason = "the tests of real programs leave something to chance")]
mod soak;
mod stores;

mod access;
mod attacks;
mod avatars;
mod comments;
mod covers;
mod document;
mod events;
mod ground_rules;
mod idempotency;
mod labels;
mod lifecycle;
mod limits;
mod lookups;
mod mail;
mod media;
mod metrics;
mod migrations;
mod outbox;
mod passwords;
mod posts;
mod profiles;
mod recovery;
mod registrations;
mod relations;
mod removals;
mod revocation;
mod rules;
mod sessions;
mod storage;
mod throttle;
mod uploads;
mod users;
mod webhooks;
