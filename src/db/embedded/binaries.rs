//! Where PostgreSQL's programs are. Plaza ships none: the machine's package manager keeps them patched.
//!
//! A server opens only data of its own major version, so existing data decides. Without data, the first usable installation on
//! `PATH` is taken, since that is what the administrator means; if there is none, the newest one.

use std::ffi::OsStr;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::Error;
use super::options::Options;

/// The major versions for which Plaza is built and tested.
const SUPPORTED: RangeInclusive<u32> = 15..=18;

/// Folders that package managers use without adding them to `PATH`; `*` stands for any text within one name.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
];

/// One installation of PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// Find the installation for data of the major version `data`, or for new data.
    pub(super) fn find(options: &Options, data: Option<u32>, cluster: &Path) -> Result<Self, Error> {
        let folders = folders(options);
        let found: Vec<Self> = folders.iter().filter_map(|folder| Self::inspect(folder)).collect();
        let majors = || list(found.iter().map(|one| one.major.to_string()));

        if found.is_empty() {
            let looked_in = list(folders.iter().map(|folder| folder.display().to_string()));
            return Err(Error::NoBinaries { looked_in });
        }
        if let Some(data) = data {
            return found
                .iter()
                .find(|one| one.major == data)
                .cloned()
                .ok_or_else(|| Error::VersionMismatch { path: cluster.to_owned(), data, found: majors() });
        }
        let on_path = on_path(options);
        let mut usable = found.iter().filter(|one| SUPPORTED.contains(&one.major));
        let preferred = usable.clone().find(|one| on_path.contains(&one.folder));
        preferred
            .or_else(|| usable.by_ref().max_by_key(|one| one.major))
            .cloned()
            .ok_or_else(|| Error::Unsupported { found: majors() })
    }

    /// Return the installation in this folder. Both programs must exist: some packages (and many symlinks) provide only one of
    /// them.
    fn inspect(folder: &Path) -> Option<Self> {
        if !folder.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").env_clear().output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 18beta1"
        let version = text.split_whitespace().nth(2)?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { folder: folder.to_owned(), major: digits.parse().ok()? })
    }

    /// Return the folder that holds `postgres`, `initdb` and, in a usual installation, `psql` and `pg_dump`.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }
}

/// Return every folder to search, in order of preference, each once. If the options name a folder, it is the only one.
fn folders(options: &Options) -> Vec<PathBuf> {
    if let Some(folder) = &options.bin_dir {
        // The server is started in another folder, where a relative path would mean something else.
        return vec![std::path::absolute(folder).unwrap_or_else(|_| folder.clone())];
    }
    let mut folders = on_path(options);
    for folder in USUAL.iter().flat_map(|pattern| expand(pattern)) {
        let folder = real(&folder).unwrap_or(folder);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Return the folders on `PATH` that hold a `postgres`.
fn on_path(options: &Options) -> Vec<PathBuf> {
    let path = options.path.as_deref().unwrap_or(OsStr::new(""));
    let mut folders: Vec<PathBuf> = std::env::split_paths(path).filter_map(|folder| real(&folder)).collect();
    folders.dedup();
    folders
}

/// Return the folder where the `postgres` of this folder, and so its sibling programs, really are: links to `postgres` alone are
/// common.
fn real(folder: &Path) -> Option<PathBuf> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    postgres.parent().map(Path::to_owned)
}

/// Return the existing folders that match a pattern with at most one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names.iter().map(|name| PathBuf::from(format!("{parent}/{name}{after}"))).collect()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
