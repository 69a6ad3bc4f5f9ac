//! Delivery without an SMTP server: every mail becomes a file.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::Utc;
use uuid::Uuid;

use super::error::MailError;
use crate::auth::secret::give_to_owner_of;

/// A folder that mails are written to. Reading it is enough to take over accounts, so only its owner can read it.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Use this folder. It is created for the first mail: a node that never sends mail may have no place to write to.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Write a mail to a file whose name sorts by time, and return its path. A mail has only a few kilobytes, so it is written on
    /// the calling thread.
    pub(super) fn write(&self, mail: &[u8]) -> Result<PathBuf, MailError> {
        let name = format!("{}-{}.eml", Utc::now().format("%Y%m%dT%H%M%S%.3fZ"), Uuid::new_v4().simple());
        self.in_folder(|folder| {
            let (aside, path) = (folder.join(format!(".{name}.part")), folder.join(name));
            let written = write_private(&aside, mail).and_then(|()| give_to_owner_of(folder, &aside));
            written.and_then(|()| fs::rename(&aside, &path)).inspect_err(|_| {
                // The error is what counts; there may be no file to remove.
                let _ = fs::remove_file(&aside);
            })?;
            Ok(path)
        })
    }

    /// Write and remove a small file.
    pub(super) fn probe(&self) -> Result<String, MailError> {
        self.in_folder(|folder| {
            let path = folder.join(format!(".probe-{}", Uuid::new_v4().simple()));
            write_private(&path, b"probe")?;
            fs::remove_file(&path)
        })?;
        Ok(format!("no SMTP server is set; mails are written to files in {}", self.folder.display()))
    }

    /// Do `work` in the folder. It is created again if it was removed since it was created.
    fn in_folder<T>(&self, work: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, MailError> {
        let made = if self.folder.exists() { Ok(()) } else { make(&self.folder) };
        made.and_then(|()| work(&self.folder))
            .map_err(|source| MailError::Folder { folder: self.folder.clone(), source })
    }
}

fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    give_to_owner_of(folder.parent().unwrap_or(folder), folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_reads_a_mail() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("deep/mail");
        let path = Files::new(&folder).write(b"mail").unwrap();
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read(&path).unwrap(), b"mail");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left aside");

        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        let (time, random) = name.strip_suffix(".eml").and_then(|name| name.split_once('-')).unwrap();
        assert!(chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%.3fZ").is_ok(), "{name}");
        assert_eq!(random.len(), 32, "{name}");
    }

    #[test]
    fn a_removed_folder_is_made_again() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("mail");
        let files = Files::new(&folder);
        files.write(b"mail").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(files.write(b"mail").unwrap().is_file());
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("mail");
        fs::write(&folder, "in the way").unwrap();
        let error = Files::new(&folder).write(b"mail").err().unwrap();
        assert!(matches!(error, MailError::Folder { .. }) && !error.is_permanent(), "{error}");
    }

    #[test]
    fn a_probe_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        let answer = Files::new(data.path()).probe().unwrap();
        assert_eq!(
            answer,
            format!("no SMTP server is set; mails are written to files in {}", data.path().display())
        );
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }
}
