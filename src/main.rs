//! The command line: parse, dispatch.

use std::process::ExitCode;

use clap::Parser;
use plaza::cli::{self, Cli};

/// Gives memory back soon after a picture or a password has used it, which the C library's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("plaza: {error}");
            ExitCode::FAILURE
        }
    }
}
