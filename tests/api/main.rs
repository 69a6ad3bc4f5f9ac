//! The program through HTTP, in process, on a real PostgreSQL: one private server for the run, a schema for each test.

mod app;
#[path = "../support/buckets.rs"]
mod buckets;
mod client;
mod database;
#[path = "../support/hooks.rs"]
mod hooks;
mod mint;
mod pictures;
#[path = "../support/smtp.rs"]
mod smtp;
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
mod relations;
mod revocation;
mod rules;
mod sessions;
mod storage;
mod throttle;
mod uploads;
mod users;
mod webhooks;
