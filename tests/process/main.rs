//! The program as its operators know it: started, fed, interrupted, killed, doubled and moved about. Nothing is faked: this is
//! the real binary on a real PostgreSQL of its own, and what is looked at is answers, rows and files.
//!
//! What needs another user of the operating system is done when the tests run as root; as an ordinary user the same tests do
//! what such a user can.

mod support;

mod embedded;
mod pictures;

mod commands;
mod crash;
mod events;
mod hearing;
mod logs;
mod mails;
mod memory;
mod metrics;
mod migrate;
mod nodes;
mod outage;
mod receivers;
mod s3;
mod settings;
mod stop;
mod streams;

#[path = "../../crates/plaza-image/src/samples/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of the pictures use the others")]
mod samples;

#[path = "../support/database.rs"]
#[expect(dead_code, reason = "the tests through HTTP alone connect by themselves")]
mod database;

#[path = "../support/buckets.rs"]
#[expect(dead_code, reason = "the tests through HTTP alone count a bucket's requests")]
mod buckets;

#[path = "../support/hooks.rs"]
#[expect(dead_code, reason = "the tests through HTTP alone make receivers misbehave")]
mod hooks;

#[path = "../support/soak.rs"]
mod soak;

#[path = "../support/smtp.rs"]
#[expect(dead_code, reason = "the tests of the mailer use the rest")]
mod smtp;
