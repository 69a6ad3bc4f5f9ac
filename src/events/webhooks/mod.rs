//! Webhooks: which addresses may be called ([`target`]), how a delivery is signed ([`signature`]), how it is sent ([`client`]),
//! and how its outcome is handled ([`worker`]).

pub mod client;
pub mod signature;
pub mod target;
#[cfg(test)]
mod tests;
pub mod worker;
