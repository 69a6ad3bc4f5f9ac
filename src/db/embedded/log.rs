//! The server's log, a file in the data folder. Its last lines explain why a server does not start.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::error::{self, Error};
use super::folder::Folder;
use super::identity::give;

/// Maximum size in bytes. A larger log becomes `postgres.log.old` at the next start of the server.
const LARGEST: u64 = 16 << 20;

/// How much of the end of the log is quoted, in bytes.
const TAIL: u64 = 2048;

/// The log, to which one start of the server appends.
pub(super) struct Log {
    pub(super) path: PathBuf,
    file: File,
    start: u64,
}

impl Log {
    pub(super) fn open(folder: &Folder) -> Result<Self, Error> {
        let path = folder.log.clone();
        if fs::symlink_metadata(&path).is_ok_and(|log| log.len() > LARGEST) {
            fs::rename(&path, path.with_extension("log.old")).map_err(error::io("rename", &path))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(error::io("open", &path))?;
        let (uid, gid) = folder.owner()?;
        give(&file, &path, uid, gid)?;
        let start = file.metadata().map_err(error::io("read", &path))?.len();
        Ok(Self { path, file, start })
    }

    /// Return the file, for a child to write to.
    pub(super) fn writer(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(error::io("open", &self.path))
    }

    /// Return the last lines that this start wrote; empty if it wrote none.
    pub(super) fn tail(&self) -> String {
        self.read_tail().unwrap_or_default()
    }

    fn read_tail(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.start.max(length.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }
}
