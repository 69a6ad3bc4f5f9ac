//! What happens after a transaction: the outbox, who works it off, and what purges itself.
//!
//! A job stands in the database once the transaction that causes it does. Whichever node is alive takes it, woken by a notice,
//! and does it at least once: a receiver must not mind doing a job twice. What fails is tried again after a delay that grows.
//!
//! A receiver is one function, and one line in `receivers`. Some do what a handler asks for; others hear of events, which the
//! `publisher` makes jobs of.

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

pub use receiver::Wake;
pub use receivers::Means;
