//! The commands, one file each.

#![expect(clippy::print_stdout, reason = "a command's output is what it is for")]

mod check;
mod database;
mod dbshell;
mod keys;
mod media;
mod migrate;
mod openapi;
mod reference;
mod seed;
mod serve;
mod user;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, aws_variables};

/// The result of a command, with an error of any type.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Users, profiles, avatars and posts as a JSON REST API.
#[derive(Parser)]
#[command(name = "plaza", version, about, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests (the default command)
    Serve(serve::Serve),
    /// Bring the database's tables up to date, or revert the last migration
    Migrate(migrate::Migrate),
    /// Manage users
    User(user::User),
    /// Manage the keys that sign access tokens
    Keys(keys::Keys),
    /// Maintain the stored pictures
    Media(media::Media),
    /// Print, write or check the OpenAPI document
    Openapi(openapi::Openapi),
    /// Write or check the pages of docs/ that are generated from the program
    #[command(hide = true)]
    Reference(reference::Reference),
    /// Fill the database with made-up users and posts
    Seed(seed::Seed),
    /// Open psql on the database
    Dbshell(dbshell::Dbshell),
    /// Check settings, database, store and mail, and say how to fix what is wrong
    Check,
}

/// Run the command that the command line names.
pub fn run(cli: Cli) -> Result<ExitCode> {
    start_logging(&cli.config)?;
    let config = Config { aws: aws_variables(), ..cli.config };
    let command = cli.command.unwrap_or(Command::Serve(serve::Serve::default()));
    if !matches!(command, Command::Serve(_)) {
        end_quietly_with_the_reader();
    }
    match command {
        Command::Serve(command) => command.run(config),
        Command::Migrate(command) => command.run(&config),
        Command::User(command) => command.run(config),
        Command::Keys(command) => command.run(&config),
        Command::Media(command) => command.run(&config),
        Command::Openapi(command) => command.run(),
        Command::Reference(command) => command.run(),
        Command::Seed(command) => command.run(&config),
        Command::Dbshell(command) => command.run(&config),
        Command::Check => check::run(&config),
    }
}

/// End without a panic when the reader of the output has gone. `plaza openapi | head` ends when `head` has read enough, as other
/// commands do; by default, Rust turns that into a panic.
fn end_quietly_with_the_reader() {
    // SAFETY: no handler of ours is replaced, and no other thread runs yet.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

fn start_logging(config: &Config) -> Result<()> {
    // actix logs the start of each worker, and logs an error when a client sends bytes that are not HTTP. A directive of the
    // setting that names the same targets comes later and takes precedence.
    let filter = EnvFilter::try_new(format!("actix_server=warn,actix_http::h1=off,{}", config.log))
        .map_err(|error| format!("--log {}: {error}; try `info`, `warn` or `plaza=debug`", config.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            location,
            panic = panic.payload_as_str().unwrap_or("unknown payload"),
            "a thread panicked"
        );
    }));
    Ok(())
}
