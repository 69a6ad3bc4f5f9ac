//! The program as operators use it: started, configured, interrupted, killed, run as two nodes and moved. Nothing is
//! mocked: the tests run the real binary on its own real PostgreSQL, and check responses, rows and files.
//!
//! Tests that need another user of the operating system use one if they run as root. For an ordinary user, the same
//! tests do what that user can.

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
