//! Pictures generated in code, shared with the image crate's own tests.

#[path = "../../crates/plaza-image/src/samples/mod.rs"]
#[expect(dead_code, reason = "each test binary uses a part of them")]
mod samples;

pub use samples::*;
