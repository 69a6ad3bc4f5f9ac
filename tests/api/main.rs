//! The program through HTTP, in process, on a real PostgreSQL: one private server for the run, a schema for each test.

mod app;
mod client;
mod pictures;

mod avatars;
mod document;
mod ground_rules;
mod limits;
mod media;
mod migrations;
mod posts;
mod profiles;
mod sessions;
mod users;
