//! `plaza reference`: the pages of `docs/` that are generated from the program, and how generated files are written and checked.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Result;
use crate::api::reference::{errors_markdown, fields_markdown, settings_markdown};

/// Write errors.md, fields.md and settings.md, or compare them with the committed pages.
#[derive(Args)]
pub struct Reference {
    /// Write the pages into this folder
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Fail if the pages in this folder differ from what would be written
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "docs", conflicts_with = "write")]
    check: Option<PathBuf>,
}

impl Reference {
    /// Write or check the pages. Exits with 1 if `--check` finds a difference.
    pub fn run(&self) -> Result<ExitCode> {
        let files = [
            ("errors.md", errors_markdown()),
            ("fields.md", fields_markdown()),
            ("settings.md", settings_markdown()),
        ];
        match (&self.write, &self.check) {
            (Some(folder), _) => write(folder, &files),
            (None, Some(folder)) => Ok(check(folder, &files, "plaza reference --write")),
            (None, None) => Err("use --write FOLDER or --check FOLDER".into()),
        }
    }
}

/// Write files into a folder, which is created if it does not exist.
pub fn write(folder: &Path, files: &[(&str, String)]) -> Result<ExitCode> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in files {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Compare files in a folder with their expected content, and name those that differ.
pub fn check(folder: &Path, files: &[(&str, String)], remedy: &str) -> ExitCode {
    let differs =
        |name: &str, text: &str| std::fs::read_to_string(folder.join(name)).ok().as_deref() != Some(text);
    let stale: Vec<_> =
        files.iter().filter(|(name, text)| differs(name, text)).map(|(name, _)| name).collect();
    for name in &stale {
        println!(
            "{} is out of date; regenerate it with `{remedy} {}`",
            folder.join(name).display(),
            folder.display()
        );
    }
    if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
