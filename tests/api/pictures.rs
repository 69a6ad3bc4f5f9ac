//! Pictures made in code, those of the image module's own tests.

#[path = "../../crates/plaza-image/src/samples/mod.rs"]
#[expect(dead_code, reason = "each test binary uses a part of them")]
mod samples;

pub use samples::*;
