//! The query language over HTTP. It knows no resource by name.
//!
//! So far: pages by keyset, with signed cursors.

pub mod cursor;
pub mod page;
