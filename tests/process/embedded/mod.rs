//! The embedded server, as a program that is killed, interrupted, doubled and moved about: every case of
//! `notes/embedded-postgres.md`, with every committed row there.

mod kills;
mod places;
mod starts;
mod users;
