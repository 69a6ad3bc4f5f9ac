//! The program through HTTP, in process, on a real PostgreSQL: one private server for the run, a schema for each test.

mod app;
mod client;
mod pictures;
#[path = "../support/smtp.rs"]
mod smtp;

mod avatars;
mod document;
mod ground_rules;
mod limits;
mod mail;
mod media;
mod migrations;
mod posts;
mod profiles;
mod sessions;
mod users;
