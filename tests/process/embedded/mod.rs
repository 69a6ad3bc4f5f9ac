//! The embedded server of a program that is killed, interrupted, started twice or moved: every committed row is still
//! there.

mod kills;
mod places;
mod starts;
mod users;
