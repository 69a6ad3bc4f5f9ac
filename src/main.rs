//! The entry point: parse the command line, and run the command.

use std::process::ExitCode;

use clap::Parser;
use plaza::cli::{self, Cli};

fn main() -> ExitCode {
    give_large_blocks_back();
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("plaza: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Make glibc give large blocks back to the system. Pictures need blocks of many megabytes for a moment. After a few of them, glibc
/// would keep such blocks: each freed one raises the size from which glibc requests a separate block from the system, unless that
/// size is set (`mallopt(3)`).
fn give_large_blocks_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 20);
    }
}
