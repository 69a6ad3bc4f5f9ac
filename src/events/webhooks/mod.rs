//! Webhooks: which addresses may be called ([`target`]), how a delivery is signed ([`signature`]), how it is
//! made ([`client`]), and what comes of it ([`courier`]).

pub mod client;
pub mod courier;
pub mod signature;
pub mod target;
#[cfg(test)]
mod tests;
