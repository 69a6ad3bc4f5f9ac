//! `plaza openapi [--check]`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Result;
use super::reference::{check, write};
use crate::api::document;

/// Print the OpenAPI 3.1 document, write both documents, or compare them with the committed ones.
#[derive(Args)]
pub struct Openapi {
    /// Print the document lowered to OpenAPI 3.0.3 instead
    #[arg(long)]
    lowered: bool,
    /// Write openapi.json and openapi-3.0.json into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "lowered")]
    write: Option<PathBuf>,
    /// Fail if the files in this folder differ from what would be written
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "openapi", conflicts_with_all = ["lowered", "write"])]
    check: Option<PathBuf>,
}

impl Openapi {
    /// Print, write or check the documents. Exits with 1 if `--check` finds a difference.
    pub fn run(&self) -> Result<ExitCode> {
        let files = || [("openapi.json", document::json_3_1()), ("openapi-3.0.json", document::json_3_0())];
        if let Some(folder) = &self.check {
            return Ok(check(folder, &files(), "plaza openapi --write"));
        }
        if let Some(folder) = &self.write {
            return write(folder, &files());
        }
        print!("{}", if self.lowered { document::json_3_0() } else { document::json_3_1() });
        Ok(ExitCode::SUCCESS)
    }
}
