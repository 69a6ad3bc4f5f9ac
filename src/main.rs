//! The command line: parse, dispatch.

use std::process::ExitCode;

use clap::Parser;
use plaza::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("plaza: {error}");
            ExitCode::FAILURE
        }
    }
}
